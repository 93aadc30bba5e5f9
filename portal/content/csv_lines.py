"""CSV that is safe to open in a spreadsheet, a line at a time (RFC 4180), for programs or for a person's spreadsheet."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from itertools import dropwhile
from typing import Final

from babel.numbers import get_decimal_symbol

from portal.content.language import translate

# A cell that starts so is run as a formula by spreadsheets, also with a sign of another width, and behind signs that are not seen.
# Source: OWASP, "CSV injection".
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "−")
# A number with its sign, or a telephone number, holds nothing that could be run or reckoned.
_NUMBER: Final = re.compile(r"[+-][0-9]+(?:[ .,\u00a0]?[0-9]+)*", re.ASCII)


def defused(cell: str) -> str:
    """A cell that a spreadsheet shows instead of running; a plain "-4711" or "+49 40 1234" stays as it is."""
    if _NUMBER.fullmatch(cell):
        return cell
    seen = "".join(dropwhile(lambda one: unicodedata.category(one) == "Cf", cell))
    return "'" + cell if unicodedata.normalize("NFKC", seen[:1]).startswith(_FORMULA_STARTS) else cell


def plain(cell: str) -> str:
    """A cell as it was before it was `defused`, for a file of ours that comes back."""
    return cell[1:] if cell.startswith("'") and defused(cell[1:]) == cell else cell


Cell = str | Decimal | datetime | date


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file is written. For a program: commas, decimal points, times with their distance from UTC, and names of columns that stay.
    For a person's spreadsheet (`locale`, a language): as spreadsheets of that language read it, with headings in words, of which
    those above times name the zone. Times are by the clocks of `zone`, without one as they come.

    Every file begins with a byte-order mark, so that spreadsheets read the umlauts.
    """

    locale: str = ""
    zone: tzinfo | None = None

    @property
    def decimal_mark(self) -> str:
        return get_decimal_symbol(self.locale) if self.locale else "."

    @property
    def separator(self) -> str:
        """A semicolon where the comma is a decimal mark: so spreadsheets of such languages have it."""
        return ";" if self.decimal_mark == "," else ","

    def header(self, columns: Mapping[str, str]) -> str:
        """The first line, from the columns' names, each with its heading in English, in which "%(zone)s" is the zone of times."""
        if not self.locale:
            return "\ufeff" + self.line(columns)
        return "\ufeff" + self.line([self.translated(heading, zone=self.zone) for heading in columns.values()])

    def line(self, cells: Iterable[Cell]) -> str:
        """Texts are defused; a Decimal is a number whatever its sign, and is written as it is."""
        written = io.StringIO()
        csv.writer(written, delimiter=self.separator).writerow([self._cell(cell) for cell in cells])
        return written.getvalue()

    def translated(self, message: str, **facts: object) -> str:
        """In the spreadsheet's language."""
        return translate(message, self.locale, **facts)

    def _cell(self, cell: Cell) -> str:
        if isinstance(cell, Decimal):
            return f"{cell:f}".replace(".", self.decimal_mark)
        if isinstance(cell, datetime):
            local = cell.astimezone(self.zone) if self.zone else cell
            return f"{local:%Y-%m-%d %H:%M:%S}" if self.locale else local.isoformat()
        return cell.isoformat() if isinstance(cell, date) else defused(cell)


FOR_PROGRAMS: Final = Shape()
