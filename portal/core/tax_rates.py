"""Which rates of tax there are, by country and day: the table of PORTAL_TAX_RATES. Nothing here knows of a database.

An entry is "DE 19,7 2021-01-01..2026-12-31": a country, its rates in percent, and the first and the last day on which they hold; either day
may be left out. Entries are parted by semicolons. What several entries of a country say of a day holds side by side. No tax, a rate of 0,
stands in no table: why there is none is decided by another rule (portal.vat.untaxed).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

_ENTRY: Final = re.compile(
    r"(?P<country>[A-Z]{2}) +(?P<rates>[0-9.]+(?: *, *[0-9.]+)*)(?: +(?P<first>[0-9-]*)\.\.(?P<last>[0-9-]*))?"
)
_RATE: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,2})?")
_WHOLE: Final = 10_000


@dataclass(frozen=True, slots=True)
class TaxRates:
    """The rates of a country, in basis points, on the days from `first` until `last`; None is without an end."""

    country: str
    rates: frozenset[int]
    first: date | None = None
    last: date | None = None

    def hold_on(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


def parse(text: str) -> tuple[TaxRates, ...]:
    """Raises ValueError, which names the entry that cannot be read."""
    return tuple(_entry(part.strip()) for part in text.split(";") if part.strip())


def _entry(text: str) -> TaxRates:
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is not like DE 19,7 2021-01-01..2026-12-31")
    rates = [rate.strip() for rate in found["rates"].split(",")]
    points = [int(Decimal(rate) * 100) for rate in rates if _RATE.fullmatch(rate)]
    if len(points) < len(rates) or not all(0 < rate <= _WHOLE for rate in points):
        raise ValueError(f"{text}: a rate lies between 0 and 100, with at most two decimals")
    try:
        first, last = (date.fromisoformat(day) if day else None for day in (found["first"], found["last"]))
    except ValueError as error:
        raise ValueError(f"{text}: a day is like 2021-01-01") from error
    if first and last and last < first:
        raise ValueError(f"{text} ends before it begins")
    return TaxRates(found["country"], frozenset(points), first, last)


def on(table: Sequence[TaxRates], day: date, countries: Collection[str] | None = None) -> frozenset[int]:
    """The rates on this day, in basis points, of all countries or of those that are named."""
    entries = (one for one in table if one.hold_on(day) and (countries is None or one.country in countries))
    return frozenset(rate for one in entries for rate in one.rates)


def is_known(
    table: Sequence[TaxRates], rate_basis_points: int, day: date, countries: Collection[str] | None = None
) -> bool:
    """Whether there is such a rate; always so for 0, and without a table."""
    return not table or rate_basis_points == 0 or rate_basis_points in on(table, day, countries)
