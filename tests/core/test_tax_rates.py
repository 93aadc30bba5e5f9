"""Which rates of tax there are on a day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core import config, tax_rates

GERMANY = "DE 19,7 ..2020-06-30; DE 16,5 2020-07-01..2020-12-31; DE 19,7 2021-01-01..; FR 20, 10, 5.5"


@pytest.mark.parametrize(
    ("rate", "day", "countries", "known"),
    [
        (1900, date(2020, 6, 30), {"DE"}, True),
        (1900, date(2020, 7, 1), {"DE"}, False),
        (1600, date(2020, 12, 31), {"DE"}, True),
        (1600, date(2021, 1, 1), {"DE"}, False),
        (550, date(2026, 1, 1), {"DE"}, False),
        (550, date(2026, 1, 1), {"DE", "FR"}, True),
        (550, date(2026, 1, 1), None, True),
        (0, date(2026, 1, 1), {"DE"}, True),
    ],
)
def test_the_day_decides(rate: int, day: date, countries: set[str] | None, known: bool) -> None:
    assert tax_rates.is_known(tax_rates.parse(GERMANY), rate, day, countries) is known


@given(
    st.lists(st.integers(1, 10_000), min_size=1, max_size=4),
    st.dates(date(2000, 1, 1), date(2090, 1, 1)),
    st.integers(0, 900),
)
def test_an_entry_holds_from_its_first_day_to_its_last(rates: list[int], first: date, days: int) -> None:
    last = first + timedelta(days=days)
    said = ",".join(f"{rate // 100}.{rate % 100:02d}" for rate in rates)
    table = tax_rates.parse(f"DE {said} {first}..{last}")
    assert tax_rates.on(table, first) == tax_rates.on(table, last) == set(rates)
    assert tax_rates.on(table, first - timedelta(days=1)) == tax_rates.on(table, last + timedelta(days=1)) == set()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("DE 19;7", "7 is not like"),
        ("19,7", "19,7 is not like"),
        ("DE 119", "between 0 and 100"),
        ("DE 1.234", "two decimals"),
        ("DE 19 2021-13-01..", "a day is like"),
        ("DE 19 2021-02-01..2021-01-01", "before it begins"),
        ("FR 20", "PORTAL_COMPANY_COUNTRY"),
    ],
)
def test_a_table_that_makes_no_sense_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, text: str, complaint: str
) -> None:
    monkeypatch.setenv("PORTAL_TAX_RATES", text)
    with pytest.raises(config.WrongSettings, match=complaint):
        config.load()
