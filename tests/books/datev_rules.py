"""DATEV's published rules for a booking batch, as a table: what each field of the header and each column may hold, as regular expressions.

Nothing of portal.books.datev is used here. Source: DATEV developer portal, "DATEV-Format", pages "Header" and "Buchungsstapel", format 13.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

TEXT = r'"(?:[^"]|"")*"'
_DAY: Final = r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
_SHORT_DAY: Final = r"(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])"
_LONG_DAY: Final = rf"({_SHORT_DAY}20\d\d)?"


def _text(most: int, allowed: str = '[^"]|""') -> str:
    return rf'"(?:{allowed}){{0,{most}}}"'


HEADER: Final = (
    r'"EXTF"', "700", "21", r'"Buchungsstapel"', "13", rf"{_DAY}([01]\d|2[0-3])[0-5]\d[0-5]\d\d{{3}}", "",
    r'"[A-Z]{0,2}"', _text(25, "[0-9A-Za-zÄÖÜäöüß ]"), '""', r"(100[1-9]|10[1-9]\d|1[1-9]\d\d|[2-9]\d\d\d|[1-9]\d{4,6})",
    r"[1-9]\d{0,4}", _DAY, "[4-8]", _DAY, _DAY, _text(30, r"[A-Za-z0-9.\-/ ]"), r'"[A-Z]{0,2}"', "[12]", "(0|30|40|50|64)",
    "[01]", r'"[A-Z]{3}"', "", '""', "", "", r'"(\d{2}|)"', r"\d{0,3}", "", '""', _text(16),
)  # fmt: skip
_OPTIONAL_TEXT: Final = "(" + TEXT + ")?"
_NUMBER: Final = r"\d*(,\d+)?"
# The columns that the rules say something of by name; all others are empty, with or without quotation marks.
COLUMNS: Final = {
    "Umsatz (ohne Soll/Haben-Kz)": r"\d{1,10},\d{2}",
    "Soll/Haben-Kennzeichen": r'"[SH]"',
    "WKZ Umsatz": r'"[A-Z]{3}"',
    "Konto": r"\d{1,9}",
    "Gegenkonto (ohne BU-Schlüssel)": r"\d{1,9}",
    "BU-Schlüssel": r'"\d{0,4}"',
    "Belegdatum": _SHORT_DAY,
    "Belegfeld 1": _text(36, r"[A-Za-z0-9$&%*+\-/]"),
    "Belegfeld 2": _text(12, r"[A-Za-z0-9$&%*+\-/]"),
    "Buchungstext": _text(60),
    "Festschreibung": "[01]?",
    "Leistungsdatum": _LONG_DAY,
    "Fälligkeit": _LONG_DAY,
}
NUMBER_OF_COLUMNS: Final = 125
FIRST: Final = (
    "Umsatz (ohne Soll/Haben-Kz)",
    "Soll/Haben-Kennzeichen",
    "WKZ Umsatz",
    "Kurs",
    "Basis-Umsatz",
    "WKZ Basis-Umsatz",
    "Konto",
)
PLACES: Final = {
    "Belegdatum": 10,
    "Buchungstext": 14,
    "KOST1 - Kostenstelle": 37,
    "Stück": 88,
    "Festschreibung": 114,
    "Fälligkeit": 117,
    "Abw. Skontokonto": 125,
}


def problems(content: bytes) -> list[str]:
    """What is wrong with a file, a sentence each."""
    return list(_problems(content))


def rows(content: bytes) -> list[dict[str, str]]:
    """The bookings by the headings of their columns, texts without their quotation marks."""
    _, headings, *lines = content.decode("cp1252").split("\r\n")[:-1]
    names = headings.split(";")
    return [dict(zip(names, (_plain(cell) for cell in _cells(line)), strict=True)) for line in lines]


def _problems(content: bytes) -> Iterator[str]:
    text = content.decode("cp1252")
    if not text.endswith("\r\n") or text.replace("\r\n", "").count("\n"):
        yield "a line does not end with CR LF"
    header, headings, *lines = text.split("\r\n")[:-1]
    fields = _cells(header)
    if len(fields) != len(HEADER):
        yield f"the header has {len(fields)} fields"
        return
    for number, (field, rule) in enumerate(zip(fields, HEADER, strict=False), 1):
        if not re.fullmatch(rule, field):
            yield f"field {number} of the header is {field}"
    names = headings.split(";")
    if (
        len(names) != NUMBER_OF_COLUMNS
        or tuple(names[: len(FIRST)]) != FIRST
        or any(names[at - 1] != name for name, at in PLACES.items())
    ):
        yield f"the {len(names)} columns are not DATEV's"
    length = int(fields[13])
    for number, line in enumerate(lines, 3):
        cells = _cells(line)
        if len(cells) != NUMBER_OF_COLUMNS:
            yield f"line {number} has {len(cells)} columns"
            continue
        yield from (f"line {number}: {problem}" for problem in _of_line(dict(zip(names, cells, strict=True)), length))
        yield from (f"line {number}: {problem}" for problem in _of_days(dict(zip(names, cells, strict=True)), fields))


def _of_line(cells: dict[str, str], length: int) -> Iterator[str]:
    for name, cell in cells.items():
        rule = COLUMNS.get(name, r'("")?')
        if not re.fullmatch(rule, cell):
            yield f"{name} is {cell}"
    if cells["Umsatz (ohne Soll/Haben-Kz)"].strip("0,") == "":
        yield "the amount is nothing"
    accounts = (cells["Konto"], cells["Gegenkonto (ohne BU-Schlüssel)"])
    if accounts[0] == accounts[1]:
        yield f"{accounts[0]} is booked against itself"
    if any(len(account) > length + 1 for account in accounts):
        yield f"{accounts} are longer than accounts of persons may be"


def _of_days(cells: dict[str, str], header: list[str]) -> Iterator[str]:
    """A day has no year in it: that is of the fiscal year, within the span of the batch."""
    first, since, until = (datetime.strptime(header[at], "%Y%m%d").date() for at in (12, 14, 15))  # noqa: DTZ007
    if not first <= since <= until < _a_year_later(first):
        yield f"{since} to {until} is not in the fiscal year of {first}"
    day, month = int(cells["Belegdatum"][:2]), int(cells["Belegdatum"][2:])
    years = {since.year, until.year}
    if not any(since <= date(year, month, day) <= until for year in years if (month, day) != (2, 29) or year % 4 == 0):
        yield f"{cells['Belegdatum']} lies outside of the batch"


def _a_year_later(day: date) -> date:
    return day.replace(year=day.year + 1)


def _cells(line: str) -> list[str]:
    return re.findall(rf"(?:^|;)({TEXT}|[^;\"]*)", line)


def _plain(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell
