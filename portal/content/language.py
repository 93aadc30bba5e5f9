"""The languages: catalogues, and how money, dates and times are written in each.

Pages, mails and PDFs use the same catalogues, which lie in portal/translations and are read once a process.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta, get_timezone_name
from babel.numbers import format_decimal, get_decimal_symbol
from babel.support import NullTranslations, Translations
from babel.units import format_unit

from portal.core import clock, company_days, config
from portal.core.errors import PortalError
from portal.core.languages import CATALOGUES, SOURCE
from portal.core.money import Money, exponent
from portal.core.units import LABELS as UNIT_LABELS
from portal.core.units import Unit

# Babel's list has regions beside countries.
_NO_COUNTRIES: Final = frozenset({"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"})


@cache
def catalogue(language: str) -> NullTranslations:
    """The texts of a language; English, and a language that has no catalogue, give back the text itself."""
    if language == SOURCE:
        return NullTranslations()
    return Translations.load(CATALOGUES, [language])


def choices() -> list[tuple[str, str]]:
    """The languages of the settings for a form, each under its own name, for those who cannot read the present one."""
    return [(code, _own_name(code)) for code in config.current().languages]


@cache
def _own_name(code: str) -> str:
    """ "Deutsch", "Français", "Deutsch (Österreich)": some languages write their names small, where no sentence begins."""
    name = Locale.parse(code).get_display_name(code) or code
    return name[0].upper() + name[1:]


@lru_cache(maxsize=200)
def name_of(code: str, language: str) -> str:
    """What a language is called in another one: "German", "Deutsch"."""
    return Locale.parse(code).get_display_name(language) or code


def translate(message: str, language: str, **facts: object) -> str:
    text = catalogue(language).ugettext(message)
    return text % facts if facts else text


def error_text(error: PortalError, language: str) -> str:
    """What went wrong, in the reader's language, with amounts and days as this language writes them."""
    return translate(error.message, language, **{name: shown(fact, language) for name, fact in error.facts.items()})


def shown(fact: object, language: str) -> object:
    """What a text holds, as this language writes it: Money, days and moments; all else as it is."""
    match fact:
        case Money():
            return money_text(fact, language)
        case datetime():
            return datetime_text(fact, language)
        case date():
            return date_text(fact, language)
    return fact


def sort_key(name: str) -> str:
    """What names are sorted by in a list that people read: "Österreich" among the O, "Ägypten" before "Albanien".

    Source: DIN 5007-1, which English lists follow as well: marks and case count for nothing.
    """
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(mark))
    return "".join(mark for mark in plain if mark.isalnum() or mark == " ")


def supported(language: str | None) -> str:
    """This language if we have it, else the first of the settings' languages."""
    languages = config.current().languages
    return language if language in languages else languages[0]


def country_name(code: str, language: str) -> str:
    """ "DE" as "Germany"; the code itself where nobody knows it."""
    return str(Locale.parse(language).territories.get(code, code))


def is_country(code: str) -> bool:
    """Whether it is the two letters of a country, as "DE"."""
    return len(code) == 2 and code.isalpha() and code in Locale.parse("en").territories and code not in _NO_COUNTRIES


def money_text(money: Money, language: str) -> str:
    return money.format(language)


def amount_text(money: Money, language: str, *, rounded: bool = False) -> str:
    """An amount where the currency stands elsewhere: "1,234.50", "−1.234,50"; `rounded` leaves the decimals out."""
    digits = 0 if rounded else exponent(money.currency)
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return format_decimal(money.decimal, format=pattern, locale=language).replace("-", "\N{MINUS SIGN}")


def typed_amount(money: Money, language: str) -> str:
    """An amount as people type it into a field: "119.00", "119,00"; money.parse reads it again."""
    return money.plain().replace(".", get_decimal_symbol(language))


def decimal_mark(language: str) -> str:
    """What stands before the decimals: "." or ","."""
    return get_decimal_symbol(language)


def number_text(number: int, language: str) -> str:
    """A number with the marks between thousands of this language."""
    return format_decimal(number, locale=language)


def decimal_text(number: Decimal, language: str) -> str:
    """As few digits as it needs: "19", "7,5"."""
    return format_decimal(number, locale=language)


# How CLDR names a unit, and how long: measures are written by their signs.
_UNITS: Final = {
    Unit.MINUTE: ("duration-minute", "long"),
    Unit.HOUR: ("duration-hour", "long"),
    Unit.DAY: ("duration-day", "long"),
    Unit.WEEK: ("duration-week", "long"),
    Unit.MONTH: ("duration-month", "long"),
    Unit.YEAR: ("duration-year", "long"),
    Unit.GRAM: ("mass-gram", "narrow"),
    Unit.KILOGRAM: ("mass-kilogram", "short"),
    Unit.TONNE: ("mass-tonne", "short"),
    Unit.METRE: ("length-meter", "short"),
    Unit.KILOMETRE: ("length-kilometer", "short"),
    Unit.SQUARE_METRE: ("area-square-meter", "short"),
    Unit.CUBIC_METRE: ("volume-cubic-meter", "short"),
    Unit.LITRE: ("volume-liter", "short"),
    Unit.KILOWATT_HOUR: ("energy-kilowatt-hour", "short"),
}


def quantity_text(quantity: Decimal, unit: str, language: str) -> str:
    """A quantity with its unit, a code of portal.core.units: "1.5 hours", "3 kg", "12" of what has none. An unknown one is its code."""
    number = decimal_text(quantity, language)
    if unit == Unit.ONE:
        return number
    if unit in _UNITS:
        name, length = _UNITS[Unit(unit)]
        return format_unit(quantity, name, length, locale=language)  # type: ignore[arg-type]
    texts, count = catalogue(language), 1 if quantity == 1 else 2
    if unit == Unit.PIECE:
        return texts.ngettext("%(quantity)s piece", "%(quantity)s pieces", count) % {"quantity": number}
    if unit == Unit.FLAT_RATE:
        return texts.ngettext("%(quantity)s flat rate", "%(quantity)s flat rates", count) % {"quantity": number}
    return f"{number} {unit}"


def unit_text(unit: str, language: str) -> str:
    """A unit by its name: "Hour"; an unknown one as its code."""
    return translate(UNIT_LABELS[Unit(unit)], language) if unit in set[str](Unit) else unit


def date_text(day: date | datetime, language: str) -> str:
    """A day: "Nov 23, 2026", "23.11.2026". A moment is taken in the company's time zone."""
    return _day_text(company_days.day_of(day) if isinstance(day, datetime) else day, language)


def month_text(day: date, language: str) -> str:
    """The month of a day: "November 2026"."""
    return format_date(day, format="LLLL y", locale=language)


def datetime_text(moment: datetime, language: str, zone: ZoneInfo | None = None) -> str:
    """A moment by the reader's clocks, or the company's, with their name: "Nov 23, 2026, 2:05 PM PST", "23.11.2026, 14:05 MEZ"."""
    local = moment.astimezone(zone or company_days.zone())
    day, minute = date(local.year, local.month, local.day), time(local.hour, local.minute)
    at = _ZoneAt(str(local.tzinfo), local.utcoffset(), bool(local.dst()), local)
    return f"{_day_text(day, language)}, {_time_text(minute, language)} {_zone_text(at, language)}"


def age_text(moment: datetime, language: str) -> str:
    """How long ago a moment was, roughly: "3 hours ago", "vor 2 Tagen"."""
    return format_timedelta(min(moment - clock.now(), timedelta()), add_direction=True, locale=language)


# The parts of a moment are kept, each for itself: a list has few days, and a day 1,440 minutes. Babel reads its patterns anew for each.


@lru_cache(maxsize=4_000)
def _day_text(day: date, language: str) -> str:
    return format_date(day, format="medium", locale=language)


@lru_cache(maxsize=4_000)
def _time_text(minute: time, language: str) -> str:
    return format_time(minute, format="short", locale=language)


@dataclass(frozen=True, slots=True)
class _ZoneAt:
    """What a zone's name depends on; `local` is any moment of which this is true."""

    zone: str
    offset: timedelta | None
    is_summer_time: bool
    local: datetime = field(compare=False)


_UTC: Final = frozenset({"UTC", "Etc/UTC"})


@lru_cache(maxsize=4_000)
def _zone_text(at: _ZoneAt, language: str) -> str:
    """What the language calls the zone at this time, else how far it is ahead: "PST", "MEZ", "UTC+5:30"."""
    if at.zone in _UTC:
        return "UTC"  # "TU" in French, which few readers know
    name = get_timezone_name(at.local, width="short", locale=language)
    if not name.startswith(("+", "-")):
        return name
    hours, minutes = name[1:3].lstrip("0") or "0", name[3:]
    sign = "+" if name.startswith("+") else "\N{MINUS SIGN}"
    return f"UTC{sign}{hours}" + (f":{minutes}" if minutes != "00" else "")
