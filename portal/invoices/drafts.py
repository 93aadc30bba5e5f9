"""An invoice that is not issued yet: what someone typed or a file held, and the rules that it must meet.

Nothing here touches the database. Every rule that is broken is an Invalid, whose `field` names the place: "customer_id",
"currency", "issued_on", "due_on", "reference", "external_reference", "note", "lines", "total", or "lines-<index>-<field>"
for one line, counted from 0.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from portal import company_days, money
from portal.errors import N_, Invalid
from portal.invoices import totals
from portal.invoices.totals import Totals
from portal.money import Money

# Days that a customer has to pay when nobody says otherwise.
USUAL_DAYS_TO_PAY: Final = 14
# An invoice is one document that people read; longer ones are a mistake in a file.
MOST_LINES: Final = 500
# A million pieces, in thousandths, and ten times the rarest tax: beyond them a column was mixed up.
MOST_THOUSANDTHS: Final = 1_000_000_000
MOST_BASIS_POINTS: Final = totals.BASIS_POINTS
LONGEST_DESCRIPTION: Final = 300
LONGEST_REFERENCE: Final = 120
LONGEST_NOTE: Final = 2_000
# Years around today in which an invoice's dates make sense; others are typing errors.
YEARS_BACK: Final = 10
YEARS_AHEAD: Final = 5
DAYS_A_YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class LineDraft:
    """One line: quantity in thousandths, unit price net in minor units, tax rate in basis points."""

    description: str
    quantity_thousandths: int
    unit_price_minor: int
    tax_rate_basis_points: int


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """`issued_on` is today and `due_on` is USUAL_DAYS_TO_PAY after it when left out.

    `external_reference` is its name in another system: a customer has at most one invoice of each.
    """

    customer_id: str
    currency: str
    lines: tuple[LineDraft, ...]
    issued_on: date | None = None
    due_on: date | None = None
    reference: str = ""
    external_reference: str | None = None
    note: str = ""

    @property
    def first_day(self) -> date:
        return self.issued_on or company_days.today()

    @property
    def last_day(self) -> date:
        return self.due_on or self.first_day + timedelta(days=USUAL_DAYS_TO_PAY)


def check(draft: InvoiceDraft) -> Totals:
    """What the invoice comes to. Raises Invalid at the first rule that is broken, also where Stripe would refuse the total."""
    if draft.currency not in money.CHARGEABLE:
        raise Invalid(
            N_("%(currency)s is not a currency that Stripe charges."), field="currency", currency=draft.currency
        )
    _check_dates(draft)
    _check_text(draft.reference, LONGEST_REFERENCE, field="reference")
    _check_text(draft.external_reference or "", LONGEST_REFERENCE, field="external_reference")
    _check_text(draft.note, LONGEST_NOTE, field="note", several_lines=True)
    if not draft.lines:
        raise Invalid(N_("An invoice needs at least one line."), field="lines")
    if len(draft.lines) > MOST_LINES:
        raise Invalid(N_("An invoice has at most %(most)s lines."), field="lines", most=MOST_LINES)
    for index, line in enumerate(draft.lines):
        _check_line(line, f"lines-{index}-", draft.currency)
    sums = totals.reckon(
        [(line.unit_price_minor, line.quantity_thousandths, line.tax_rate_basis_points) for line in draft.lines]
    )
    check_chargeable(Money(sums.total_minor, draft.currency))
    return sums


def check_chargeable(total: Money) -> None:
    """Raises Invalid (field "total") when Stripe would refuse to charge this total, saying what would be taken instead.

    Source: Stripe, "Supported currencies" (minimum and maximum charge amounts, three-decimal and special-case currencies).
    """
    smallest, largest = money.smallest_charge(total.currency), money.largest_charge(total.currency)
    step = money.charge_step(total.currency)
    if total < smallest:
        raise Invalid(
            N_("The total of %(total)s cannot be paid by card: the least that Stripe charges is %(smallest)s."),
            field="total",
            total=str(total),
            smallest=str(smallest),
        )
    if total > largest:
        raise Invalid(
            N_("The total of %(total)s cannot be paid by card: the most that Stripe charges at once is %(largest)s."),
            field="total",
            total=str(total),
            largest=str(largest),
        )
    excess = total.minor % step.minor
    if excess:
        below = total - Money(excess, total.currency)
        raise Invalid(
            N_(
                "The total of %(total)s cannot be paid by card: Stripe charges this currency in steps of %(step)s. "
                "Change a line so that the total is %(below)s or %(above)s."
            ),
            field="total",
            total=str(total),
            step=str(step),
            below=str(below),
            above=str(below + step),
        )


def _check_dates(draft: InvoiceDraft) -> None:
    today = company_days.today()
    earliest = today - timedelta(days=YEARS_BACK * DAYS_A_YEAR)
    latest = today + timedelta(days=YEARS_AHEAD * DAYS_A_YEAR)
    if draft.first_day > today:
        raise Invalid(N_("The date of an invoice cannot lie in the future."), field="issued_on")
    if draft.first_day < earliest:
        raise Invalid(N_("The date of this invoice lies too far in the past."), field="issued_on")
    if draft.last_day < draft.first_day:
        raise Invalid(N_("The due date cannot lie before the date of the invoice."), field="due_on")
    if draft.last_day > latest:
        raise Invalid(N_("The due date lies too far in the future."), field="due_on")


def _check_line(line: LineDraft, at: str, currency: str) -> None:
    if not line.description.strip():
        raise Invalid(N_("Every line needs a description."), field=f"{at}description")
    _check_text(line.description, LONGEST_DESCRIPTION, field=f"{at}description")
    if not 0 < line.quantity_thousandths <= MOST_THOUSANDTHS:
        raise Invalid(
            N_("The quantity must be more than 0 and at most %(most)s."),
            field=f"{at}quantity",
            most=totals.quantity(MOST_THOUSANDTHS),
        )
    largest = money.largest_charge(currency)
    if not 0 <= line.unit_price_minor <= largest.minor:
        raise Invalid(
            N_("The unit price must be 0 or more, and at most %(largest)s."),
            field=f"{at}unit_price",
            largest=str(largest),
        )
    if not 0 <= line.tax_rate_basis_points <= MOST_BASIS_POINTS:
        raise Invalid(N_("The tax rate must lie between 0 and 100 percent."), field=f"{at}tax_rate")


def _check_text(text: str, longest: int, *, field: str, several_lines: bool = False) -> None:
    if len(text) > longest:
        raise Invalid(N_("This text is too long: at most %(longest)s characters."), field=field, longest=longest)
    allowed = "\n" if several_lines else ""
    if any(unicodedata.category(character) in {"Cc", "Cs"} and character not in allowed for character in text):
        raise Invalid(N_("This text has a line break or another control character in it."), field=field)
