"""Files of rows that people upload: CSV, as a spreadsheet or another system exports it. What the columns mean is for who imports them.

UTF-8 with or without BOM, or UTF-16 with one; with semicolons, commas or tabs between the cells (the header tells which, or a first
line "sep=;" as Excel writes it). Empty columns at the end do not count.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from portal.content import csv_lines
from portal.core import card_numbers
from portal.core.errors import N_, Invalid, PortalError
from portal.core.texts import CardNumber, tidied_lines, typed

MOST_BYTES: Final = 1_000_000
# One import is one transaction, in which nobody else can write: this many invoices take about four seconds.
MOST_ROWS: Final = 500
MOST_LINES_TOLD: Final = 20
# What a file to correct has besides (portal.invoices.corrected). They are not read.
OURS: Final = ("problem", "corrected")

_BETWEEN_CELLS: Final = re.compile(r"[;,\t\"]")
_BROKEN: Final = N_("A quotation mark is missing or out of place in this row.")
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SEPARATOR: Final = re.compile(r"sep=(?P<mark>[;,\t])\r?\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a place: the line as a text editor counts (0: the file as a whole), and the column's name or ""."""

    line: int
    column: str
    error: PortalError

    @property
    def text(self) -> str:
        return self.error.text()


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    cells: dict[str, str]


@dataclass(slots=True)
class Table:
    """The rows of a file that have the header's number of cells, and what is wrong with the others. `count` is how many there are in all;
    with `gaps` not all of them are known.
    """

    rows: list[Row] = field(default_factory=list)
    count: int = 0
    gaps: bool = False
    problems: list[Problem] = field(default_factory=list)


def read(file: BinaryIO, needed: Sequence[str], columns: Collection[str]) -> Table:
    """All rows, by the names in the header. The file is read to its end, at most MOST_BYTES of it. Raises Unreadable."""
    table = Table()
    _mark, found = rows_of(text_of(file))
    first_line, first = next(found)
    if first is None:
        raise Unreadable(first_line, Invalid(_BROKEN))
    header = header_of(first, first_line, needed, columns)
    plain = csv_lines.plain if OURS[0] in header else str
    for line, cells in found:
        if cells is not None and not any(cell.strip() for cell in cells):
            continue
        table.count += 1
        if cells is not None and table.count > MOST_ROWS:
            wrong = Invalid(N_("The file has more than %(most)s rows. Please split it."), most=MOST_ROWS)
            table.gaps = True
            table.problems.append(Problem(line, "", wrong))
            break
        _take(table, line, cells, header, plain)
    if not table.count:
        raise Unreadable(0, Invalid(N_("The file has a header, but no rows.")))
    return table


def _take(table: Table, line: int, cells: list[str] | None, header: list[str], plain: Callable[[str], str]) -> None:
    if cells is None:
        table.gaps = True
        table.problems.append(Problem(line, "", Invalid(_BROKEN)))
        return
    is_longer = any(cell.strip() for cell in cells[len(header) :])
    if len(cells) >= len(header) and not is_longer:
        values = {name: tidied_lines(plain(cell)) for name, cell in zip(header, cells, strict=False)}
        table.rows.append(Row(line, values))
        return
    wrong = Invalid(
        N_("This row has %(found)s cells, but the header has %(expected)s."), found=len(cells), expected=len(header)
    )
    table.problems.append(Problem(line, "", wrong))


def check_upload(content: bytes) -> None:
    """Raises Invalid (field "file") for a file that is empty or too large, and CardNumber, which names the lines, before one is kept in
    which card numbers seem to stand.
    """
    if not content:
        raise Invalid(N_("The file is empty."), field="file")
    if len(content) > MOST_BYTES:
        raise Invalid(
            N_("The file is larger than %(most)s MB. Please split it."), field="file", most=MOST_BYTES // 1_000_000
        )
    lines = card_numbers_in(content)
    if lines:
        raise CardNumber(
            N_(
                "The file was not saved: line %(lines)s seems to hold a card number. Please remove it and upload "
                "the file again."
            ),
            field="file",
            lines=", ".join(map(str, lines[:MOST_LINES_TOLD])),
        )


def card_numbers_in(content: bytes) -> list[int]:
    """The lines of a file in which a cell looks like a card number, as a text editor counts them; also of one that cannot be read."""
    plain = content.replace(b"\0", b"").decode("utf-8", errors="replace")  # every other byte of UTF-16 is a zero
    return [
        number
        for number, line in enumerate(plain.split("\n"), start=1)
        if any(card_numbers.holds_one(cell) for cell in _BETWEEN_CELLS.split(line))
    ]


# From bytes to rows of cells


class Unreadable(Exception):
    """Nothing can be read of the rows."""

    def __init__(self, line: int, *errors: Invalid) -> None:
        self.problems = [Problem(line, "", error) for error in errors]
        super().__init__("; ".join(error.text() for error in errors))


def text_of(file: BinaryIO) -> str:
    """The file as text. Raises Unreadable."""
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Unreadable(
            0, Invalid(N_("The file is larger than %(most)s MB. Please split it."), most=MOST_BYTES // 1_000_000)
        )
    try:
        text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(line, Invalid(N_("The file is not UTF-8. Please save it as “CSV UTF-8”."))) from error
    if not text.strip():
        raise Unreadable(0, Invalid(N_("The file is empty.")))
    return text


def rows_of(text: str) -> tuple[str, Iterator[tuple[int, list[str] | None]]]:
    """The mark between cells, and the rows with their lines, the header first: their cells, or None where a quotation mark is wrong."""
    said = _SEPARATOR.match(text)
    text = text[said.end() :] if said else text
    mark = said["mark"] if said else _separator(text.split("\n", 1)[0])
    return mark, _read(csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True), 1 if said else 0)


def _read(reader: Any, before: int) -> Iterator[tuple[int, list[str] | None]]:
    while True:
        line = reader.line_num + 1 + before
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error:  # the reader begins anew with the next line
            yield line, None


def _separator(header: str) -> str:
    """A semicolon where there is one, for a comma may stand in a cell; then a tab."""
    return next((mark for mark in (";", "\t") if mark in header), ",")


def header_of(cells: list[str], line: int, needed: Sequence[str], columns: Collection[str]) -> list[str]:
    """The names of the columns. Raises Unreadable where some are missing, unknown or there twice."""
    names = [typed(cell).lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    wrong = []
    missing = [name for name in needed if name not in names]
    if missing:
        wrong.append(Invalid(N_("Columns are missing: %(names)s."), names=", ".join(missing)))
    unknown = [name for name in names if name not in columns and name not in OURS]
    if unknown:
        named = ", ".join(short(name) or "–" for name in unknown)
        wrong.append(Invalid(N_("There are no such columns: %(names)s."), names=named))
    if len(set(names)) < len(names):
        wrong.append(Invalid(N_("A column appears twice.")))
    if wrong:
        raise Unreadable(line, *wrong)
    return names


def short(text: str) -> str:
    """Enough of a cell to find it again."""
    return text if len(text) <= 40 else f"{text[:39]}…"
