"""A file of invoices to correct and upload again: the same rows, and in two more columns what is wrong with each and what was corrected.

Corrected is only what can mean one thing: spaces and marks between thousands, days written 23.11.2026 or 2026/11/23, the sign of a
currency. Everything else is for a person. Whoever uploads the file again need not remove the two columns: they are not read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import zip_longest
from typing import Final

from portal.content import csv_lines, sheets
from portal.content.sheets import Problem
from portal.core import money
from portal.core.errors import Invalid, PortalError
from portal.core.texts import tidied
from portal.invoices import spreadsheet
from portal.invoices.spreadsheet import DecimalMark

PROBLEM, CORRECTED = sheets.OURS
# Signs that name one currency of those that Stripe charges; "$" and "¥" name several.
SIGNS: Final = {"€": "eur", "£": "gbp", "₣": "chf", "zł": "pln", "₹": "inr"}
_SPACES: Final = re.compile(r"[\s\u00a0\u202f'’]")
_DOTTED: Final = re.compile(r"(?P<day>[0-9]{1,2})\.\s?(?P<month>[0-9]{1,2})\.\s?(?P<year>[0-9]{4})")
_SLASHED: Final = re.compile(r"(?P<year>[0-9]{4})[/.](?P<month>[0-9]{1,2})[/.](?P<day>[0-9]{1,2})")
_THOUSANDS: Final = (
    re.compile(r"(?P<whole>[0-9]{1,3}(?:\.[0-9]{3})+),(?P<decimals>[0-9]+)"),
    re.compile(r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+)\.(?P<decimals>[0-9]+)"),
)


def lines(
    content: bytes,
    problems: Sequence[Problem],
    decimal_mark: DecimalMark | None,
    words: Callable[[PortalError], str],
) -> Iterator[str]:
    """The file anew, a row at a time, with its own mark between cells; `words` says a problem in its reader's language.

    A row that cannot be taken apart is written as it stands, in one cell. Raises sheets.Unreadable where that holds for all of them.
    """
    text = sheets.text_of(io.BytesIO(content))
    mark, found = sheets.rows_of(text)
    line, first = next(found)
    header = sheets.header_of(first or [], line, spreadsheet.NEEDED, spreadsheet.COLUMNS)
    by_line: dict[int, list[Problem]] = {}
    for problem in problems:
        by_line.setdefault(problem.line, []).append(problem)

    def written() -> Iterator[str]:
        names = [name for name in header if name not in sheets.OURS]
        yield "\ufeff" + _line([*names, PROBLEM, CORRECTED], mark)
        for line, cells in found:
            if cells is not None and not any(cell.strip() for cell in cells):
                continue
            here = by_line.get(line, [])
            if cells is None or any(cell.strip() for cell in cells[len(header) :]):
                whole = text.split("\n")[line - 1].strip() if cells is None else mark.join(cells)
                padded = [whole, *("" for _ in names[1:])]
                yield _line([*padded, _said(here, words), ""], mark)
            else:
                read = csv_lines.plain if PROBLEM in header else str
                row = {name: read(cell) for name, cell in zip_longest(header, cells[: len(header)], fillvalue="")}
                yield _row(names, row, here, mark, decimal_mark, words)

    return written()


def _row(
    names: list[str],
    row: dict[str, str],
    problems: Sequence[Problem],
    mark: str,
    decimal_mark: DecimalMark | None,
    words: Callable[[PortalError], str],
) -> str:
    left, done = [], []
    for problem in problems:
        better = _better(problem.column, row.get(problem.column, ""), row, decimal_mark)
        if better is None:
            left.append(problem)
        else:
            done.append(f"{problem.column}: {row[problem.column]} → {better}")
            row[problem.column] = better
    return _line([*(row[name] for name in names), _said(left, words), "; ".join(done)], mark)


def _said(problems: Sequence[Problem], words: Callable[[PortalError], str]) -> str:
    return " ".join(f"{one.column}: {words(one.error)}" if one.column else words(one.error) for one in problems)


def _line(cells: list[str], mark: str) -> str:
    into = io.StringIO(newline="")
    csv.writer(into, delimiter=mark).writerow([csv_lines.defused(cell) for cell in cells])
    return into.getvalue()


def _better(column: str, cell: str, row: dict[str, str], decimal_mark: DecimalMark | None) -> str | None:
    """What the cell certainly means, as it is read; None where it is right, or a person must decide."""
    if not cell:
        return None
    if column in {"issued", "due", "supplied_from", "supplied_to"}:
        return _better_day(tidied(cell))
    if column == "currency":
        return SIGNS.get(tidied(cell))
    if column in {"quantity", "unit_price", "tax_rate"}:
        return _better_number(column, cell, row, decimal_mark)
    return None


def _better_day(cell: str) -> str | None:
    found = _DOTTED.fullmatch(cell) or _SLASHED.fullmatch(cell)
    if found is None:
        return None
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"])).isoformat()
    except ValueError:
        return None


def _better_number(column: str, cell: str, row: dict[str, str], decimal_mark: DecimalMark | None) -> str | None:
    text = _SPACES.sub("", cell).removesuffix("%")
    for sign in (*SIGNS, "EUR", "eur"):
        text = text.removeprefix(sign).removesuffix(sign)
    for thousands in _THOUSANDS:
        if found := thousands.fullmatch(text):
            point = decimal_mark or "."
            text = re.sub(r"[.,]", "", found["whole"]) + point + found["decimals"]
    currency = tidied(row.get("currency", "")).lower()
    decimals = {"quantity": 3, "tax_rate": 2}.get(column)
    if decimals is None:
        decimals = money.exponent(currency) if currency in money.CHARGEABLE else 3
    try:
        spreadsheet.scaled(text, decimals, decimal_mark)
    except Invalid:
        return None
    return text if text != cell else None
