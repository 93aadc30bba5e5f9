"""CSV that is safe to open in a spreadsheet, a line at a time (RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

# A cell that starts so is run as a formula by spreadsheets. Source: OWASP, "CSV injection".
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def defused(cell: str) -> str:
    """A cell that a spreadsheet shows instead of running."""
    return "'" + cell if cell.startswith(_FORMULA_STARTS) else cell


def header(cells: Iterable[str]) -> str:
    """The first line, with a byte-order mark, so that spreadsheets read the umlauts."""
    return "\ufeff" + line(cells)


def line(cells: Iterable[str | Decimal]) -> str:
    """Texts are defused; a Decimal is a number whatever its sign, and is written as it is."""
    written = io.StringIO()
    csv.writer(written).writerow([defused(cell) if isinstance(cell, str) else f"{cell:f}" for cell in cells])
    return written.getvalue()
