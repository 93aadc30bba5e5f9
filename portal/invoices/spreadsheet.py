"""Invoices in a CSV file, as people export it from a spreadsheet or another system. Reading it touches no database.

The file is as portal.content.sheets reads it. One row is a line of an invoice; rows with the same `customer`
and `invoice` are one invoice. What concerns the invoice as a whole (currency, dates, details, note) stands in its first row, and is
empty or the same in the others. docs/invoices.md describes the columns, and docs/examples/invoices.csv is a sample.

Amounts may be written with a decimal point or a decimal comma, never with marks between thousands. One to three digits, a
mark and three digits more ("1.250") may mean both, so such a cell is refused unless the caller names the decimal mark.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, BinaryIO, Final, Literal, TypeVar

from portal.content import sheets
from portal.content.sheets import Problem, Row, Unreadable, short
from portal.core import money
from portal.core.errors import N_, Invalid
from portal.core.money import Money
from portal.core.texts import typed
from portal.core.units import Unit
from portal.identity.queries import normal_email
from portal.invoices import drafts
from portal.invoices.details import DETAILS
from portal.invoices.discounts import Discount
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.totals import Totals

DecimalMark = Literal[".", ","]
T = TypeVar("T")

LINE_COLUMNS: Final = ("description", "quantity", "unit_price", "tax_rate")
OPTIONAL_LINE_COLUMNS: Final = ("unit", "supplies", "discount", "discount_reason")
NEEDED: Final = ("customer", "invoice", "currency", *LINE_COLUMNS)
# What concerns the invoice as a whole.
HEADING: Final = (
    "currency",
    "issued",
    "due",
    "supplied_from",
    "supplied_to",
    *(detail.name for detail in DETAILS),
    "note",
    "invoice_discount",
    "invoice_discount_reason",
)
COLUMNS: Final = ("customer", "invoice", *HEADING, *LINE_COLUMNS, *OPTIONAL_LINE_COLUMNS)

_NUMBER: Final = re.compile(r"(?P<whole>[0-9]{1,12})(?:(?P<mark>[.,])(?P<decimals>[0-9]{1,6}))?")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# A draft's fields as columns of the file; the others have the same name, or concern no column.
_COLUMN_OF: Final = {
    "issued_on": "issued",
    "due_on": "due",
    "external_reference": "invoice",
    "discount": "invoice_discount",
    "discount_reason": "invoice_discount_reason",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One invoice of the file: the line it starts at, the customer's e-mail, and its draft without a customer's id."""

    line: int
    email: str
    draft: InvoiceDraft
    totals: Totals

    @property
    def total(self) -> Money:
        return Money(self.totals.total_minor, self.draft.currency)


@dataclass(slots=True)
class Sheet:
    """A file that was read: `rows` of data, the invoices without a mistake, and every mistake of the others.

    Of a file with `gaps` no invoice is known to be whole. `customers` are line and e-mail address of each invoice, also of those with
    mistakes.
    """

    rows: int = 0
    gaps: bool = False
    customers: list[tuple[int, str]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read(file: BinaryIO, decimal_mark: DecimalMark | None = None) -> Sheet:
    """Everything that can be said about the file without the database. It is read to its end, at most MOST_BYTES of it."""
    sheet = Sheet()
    try:
        table = sheets.read(file, NEEDED, COLUMNS)
    except Unreadable as error:
        sheet.problems.extend(error.problems)
        return sheet
    sheet.rows, sheet.gaps, sheet.problems = table.count, table.gaps, table.problems
    for invoice in _by_invoice(table.rows, sheet.problems):
        first = invoice[0]
        sheet.customers.append((first.line, normal_email(first.cells["customer"])))
        entry = _entry(invoice, decimal_mark, sheet.problems)
        if entry is not None and not sheet.gaps:
            sheet.entries.append(entry)
    sheet.problems.sort(key=lambda problem: problem.line)
    return sheet


# From rows to invoices


def _by_invoice(rows: list[Row], problems: list[Problem]) -> list[list[Row]]:
    """Rows of the same customer and invoice together, in the order in which each invoice begins."""
    invoices: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        nameless = [column for column in ("customer", "invoice") if not row.cells[column]]
        problems.extend(Problem(row.line, column, Invalid(N_("This cell must not be empty."))) for column in nameless)
        if not nameless:
            invoices.setdefault((normal_email(row.cells["customer"]), row.cells["invoice"]), []).append(row)
    return list(invoices.values())


def _entry(rows: list[Row], decimal_mark: DecimalMark | None, problems: list[Problem]) -> Entry | None:
    """The invoice in these rows, or None when something in them is wrong, which stands in `problems` then."""
    wrong: list[Problem] = []

    def cell(row: Row, column: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(row.cells.get(column, ""))
        except Invalid as error:
            wrong.append(Problem(row.line, column, error))
            return None

    first = rows[0]
    currency = cell(first, "currency", _currency)
    issued_on = cell(first, "issued", day)
    due_on = cell(first, "due", day)
    supplied = (cell(first, "supplied_from", day), cell(first, "supplied_to", day))
    decimals = money.exponent(currency) if currency else 3
    lines = []
    for row in rows:
        _check_heading(row, first, wrong)
        quantity = cell(row, "quantity", lambda text: scaled(text, 3, decimal_mark))
        price = cell(row, "unit_price", lambda text: scaled(text, decimals, decimal_mark))
        rate = cell(row, "tax_rate", lambda text: _rate(text, decimal_mark))
        unit, supplies = row.cells.get("unit", "").upper() or Unit.ONE, row.cells.get("supplies", "").lower()
        off = cell(row, "discount", lambda text: discount(text, decimals, decimal_mark))
        off = replace(off or Discount(), reason=row.cells.get("discount_reason", ""))
        lines.append(
            LineDraft(row.cells["description"], quantity or 0, price or 0, rate or 0, unit, supplies, discount=off)
        )
    whole = cell(first, "invoice_discount", lambda text: discount(text, decimals, decimal_mark))
    details: dict[str, Any] = {detail.name: first.cells.get(detail.name, "") for detail in DETAILS}
    draft = InvoiceDraft(
        customer_id="",
        currency=currency or "",
        lines=tuple(lines),
        issued_on=issued_on,
        due_on=due_on,
        supplied_from=supplied[0],
        supplied_to=supplied[1],
        **details,
        external_reference=first.cells["invoice"],
        note=first.cells.get("note", ""),
        discount=replace(whole or Discount(), reason=first.cells.get("invoice_discount_reason", "")),
    )
    wrong += _broken_rules(draft, rows, wrong)
    problems += wrong
    return None if wrong else Entry(first.line, normal_email(first.cells["customer"]), draft, drafts.check(draft))


def _broken_rules(draft: InvoiceDraft, rows: list[Row], unread: list[Problem]) -> list[Problem]:
    """What else is wrong with an invoice, besides its cells that could not be read: for these something stands in the draft that nobody
    wrote.
    """
    places = {(problem.line, problem.column) for problem in unread}
    if (rows[0].line, "issued") in places:
        places.add((rows[0].line, "due"))  # what it is compared with is not known
    found = [_place(error, rows) for error in drafts.problems(draft)]
    of_total = [problem for problem in found if problem.column == ""]
    return [
        problem
        for problem in found
        if (problem.line, problem.column) not in places and not (unread and problem in of_total)
    ]


def _check_heading(row: Row, first: Row, problems: list[Problem]) -> None:
    for column in HEADING:
        here, there = row.cells.get(column, ""), first.cells.get(column, "")
        if column == "currency":
            here, there = here.lower(), there.lower()
        if here and here != there:
            wrong = N_("This differs from row %(line)s, which belongs to the same invoice.")
            problems.append(Problem(row.line, column, Invalid(wrong, line=first.line)))


def _place(error: Invalid, rows: list[Row]) -> Problem:
    """A draft's mistake at the line and column it came from."""
    field = error.field or ""
    if field.startswith("lines-"):
        _, index, column = field.split("-", 2)
        return Problem(rows[int(index)].line, column, error)
    column = _COLUMN_OF.get(field, field)
    return Problem(rows[0].line, column if column in COLUMNS else "", error)


# From cells to values


def line(text: str, currency: str, decimal_mark: DecimalMark | None = None) -> LineDraft:
    """A line as it is typed: "Description;quantity;unit price;tax rate in percent", with a unit perhaps behind the quantity ("1.5 HUR"),
    and a discount behind the price ("90 -10%", "90 -5.00"). Raises Invalid.
    """
    parts = [part.strip() for part in text.rsplit(";", 3)]
    if len(parts) != 4:
        raise Invalid(N_("Write a line as description;quantity;unit price;tax rate."), field="line")
    description, quantity, price, rate = parts
    quantity, _, unit = quantity.partition(" ")
    price, _, off = price.partition(" -")
    decimals = money.exponent(_currency(currency))
    return LineDraft(
        description,
        scaled(quantity, 3, decimal_mark),
        scaled(price, decimals, decimal_mark),
        _rate(rate, decimal_mark),
        unit.strip().upper() or Unit.ONE,
        discount=discount(off.strip(), decimals, decimal_mark),
    )


def discount(text: str, decimals: int, decimal_mark: DecimalMark | None = None) -> Discount:
    """ "10%" or "2,5 %", or an amount with so many decimals; none for an empty text. Raises Invalid."""
    if not text:
        return Discount()
    if text.endswith("%"):
        return Discount(basis_points=_rate(text, decimal_mark))
    return Discount(minor=scaled(text, decimals, decimal_mark))


def _rate(text: str, decimal_mark: DecimalMark | None) -> int:
    return scaled(text.removesuffix("%").rstrip(), 2, decimal_mark)


def _currency(text: str) -> str:
    currency = typed(text).lower()
    if currency not in money.CHARGEABLE:
        raise Invalid(N_("%(currency)s is not a currency that Stripe charges."), currency=text or "–")
    return currency


def day(text: str) -> date | None:
    """A day as 2026-11-23; None for an empty cell."""
    text = typed(text)
    if not text:
        return None
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else _no_day(text)
    except ValueError:
        return _no_day(text)


def _no_day(text: str) -> date:
    raise Invalid(N_("%(text)s is not a date. Write it like 2026-11-23."), text=short(text))


def scaled(text: str, decimals: int, decimal_mark: DecimalMark | None = None) -> int:
    """ "12.5" with 3 decimals is 12500. Raises Invalid for what is no number, has more decimals, or could mean two things."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise Invalid(
            N_("“%(text)s” is not a number. Write it like 1234.50, without signs or spaces."), text=short(text)
        )
    whole, mark, written = found["whole"], found["mark"], found["decimals"] or ""
    if decimal_mark is None and len(written) == 3 and len(whole) <= 3 and not whole.startswith("0"):
        raise Invalid(
            N_("“%(text)s” could mean %(thousands)s as well as %(fraction)s. Write %(thousands)s or %(fraction)s0."),
            text=text,
            thousands=whole + written,
            fraction=f"{whole}{mark}{written}",
        )
    if mark and decimal_mark is not None and mark != decimal_mark:
        raise Invalid(N_("“%(text)s” does not use the decimal mark “%(mark)s”."), text=text, mark=decimal_mark)
    if len(written.rstrip("0")) > decimals:
        raise Invalid(N_("“%(text)s” has more than %(decimals)s decimals."), text=text, decimals=decimals)
    return int(Decimal(f"{whole}.{written or 0}").scaleb(decimals))
