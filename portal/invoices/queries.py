"""Reading invoices. Every function takes a session and the customer whose invoices may be seen, save those for staff."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Final

from sqlalchemy import ColumnElement, Select, bindparam, select
from sqlalchemy.orm import Session, joinedload, selectinload

from portal.core import company_days, db, keyset
from portal.core.db import inline_literals
from portal.core.errors import N_, NotFound
from portal.core.money import Money
from portal.invoices import standing
from portal.invoices.models import Invoice, InvoiceCredit, InvoiceLine, OutsidePayment
from portal.invoices.statuses import (
    DUE,
    UNDER_WAY,
    WAITING,
    CreditStatus,
    InvoiceStanding,
    InvoiceStatus,
    OutsideStatus,
    Standing,
)

# The overview shows what comes next, not everything that is open.
NEXT_DUE: Final = 5
# For those to the right, who know what is being done about an invoice.
tells_standing, tells_days = standing.tells, standing.tells_days
FILTERS: Final = (
    InvoiceStatus.OPEN,
    InvoiceStanding.OVERDUE,
    InvoiceStatus.PAID,
    InvoiceStatus.CREDITED,
    InvoiceStatus.WRITTEN_OFF,
    InvoiceStatus.VOID,
)

# For whoever loads invoices elsewhere: the lines in their order, each knowing its invoice. One more query, however many.
WITH_LINES: Final = selectinload(Invoice.lines).joinedload(InvoiceLine.invoice)


def for_customer(session: Session, invoice_id: str, customer_id: str, *, with_lines: bool = False) -> Invoice:
    """An invoice of this customer, without its lines unless asked for. Raises NotFound, also when it is someone else's."""
    wanted = select(Invoice).where(Invoice.id == invoice_id, Invoice.customer_id == customer_id)
    invoice = session.scalar(wanted.options(WITH_LINES) if with_lines else wanted)
    if invoice is None:
        raise NotFound
    return invoice


def by_number(session: Session, number: str) -> Invoice:
    """For operators and staff: the invoice with this number, without its lines. Raises NotFound."""
    invoice = session.scalar(select(Invoice).where(Invoice.number == number.strip().upper()))
    if invoice is None:
        raise NotFound(N_("There is no invoice %(number)s."), number=number)
    return invoice


# What is owed


@dataclass(frozen=True, slots=True)
class OwedSum:
    """The open invoices of one currency: how many are due, what they come to, and how much of it is overdue.

    `under_way` is what is not due because it is on its way (see portal.invoices.statuses): status → amount, in the order of UNDER_WAY.
    """

    count: int
    total: Money
    overdue: Money
    under_way: Mapping[str, Money] = field(default_factory=dict)

    @property
    def on_its_way(self) -> Money:
        """All that is under way."""
        return Money(sum(amount.minor for amount in self.under_way.values()), self.total.currency)


@dataclass(frozen=True, slots=True)
class Owed:
    """`sums` by currency, the one with most invoices first; `next_due` at most NEXT_DUE open invoices, earliest due date first, with
    how each of them stands.
    """

    sums: list[OwedSum]
    next_due: list[Invoice]
    standings: Mapping[str, Standing] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        return not self.sums

    @property
    def count(self) -> int:
        """How many are due."""
        return sum(one.count for one in self.sums)


_NEXT_DUE: Final = (
    select(Invoice)
    .where(Invoice.customer_id == bindparam("customer"), Invoice.status == InvoiceStatus.OPEN)
    .order_by(Invoice.due_on, Invoice.id)
    .limit(NEXT_DUE)
)


def sums(session: Session, customer_id: str) -> list[OwedSum]:
    """What the customer has to pay, by currency; in one question."""
    rows = db.rows_in(session, standing.sums_of_open(company_days.today()), {"customer": customer_id})
    # PostgreSQL sums bigints as numeric.
    return _sums(
        [_Part(currency, status, bool(late), count, int(minor)) for currency, status, late, count, minor in rows]
    )


def due(session: Session, customer_id: str, most: int) -> list[Invoice]:
    """The invoices that the customer has to pay now, earliest due date first; none that are on their way to be paid."""
    is_due = standing.case_of(company_days.today()).in_(DUE)
    query = select(Invoice).where(Invoice.customer_id == customer_id, Invoice.status == InvoiceStatus.OPEN, is_due)
    return list(session.scalars(query.order_by(Invoice.due_on, Invoice.id).limit(most)))


def owed(session: Session, customer_id: str) -> Owed:
    """What the customer has to pay, and what is on its way to be paid; in four questions at most."""
    next_due = list(session.scalars(_NEXT_DUE, {"customer": customer_id}))
    return Owed(sums(session, customer_id), next_due, standing.of(session, next_due))


@dataclass(frozen=True, slots=True)
class _Part:
    """The open invoices of one currency that stand alike."""

    currency: str
    status: InvoiceStanding
    is_late: bool
    count: int
    minor: int


def _sums(parts: Sequence[_Part]) -> list[OwedSum]:
    counts: Counter[str] = Counter()
    for part in parts:
        counts[part.currency] += part.count
    return [_sum_of(code, parts) for code in sorted(counts, key=lambda code: (-counts[code], code))]


def _sum_of(currency: str, parts: Sequence[_Part]) -> OwedSum:
    ours = [part for part in parts if part.currency == currency]
    due = [part for part in ours if Standing(part.status).is_due]

    def amount(some: Iterable[_Part]) -> Money:
        return Money(sum(part.minor for part in some), currency)

    ways = {status: [part for part in ours if part.status == status] for status in UNDER_WAY}
    return OwedSum(
        sum(part.count for part in due),
        amount(due),
        amount(part for part in due if part.is_late),
        {status: amount(some) for status, some in ways.items() if some},
    )


def standings(session: Session, found: Sequence[Invoice]) -> dict[str, Standing]:
    """How each of these invoices stands for whoever has to pay it, by its id; see portal.invoices.standing."""
    return standing.of(session, found)


# The list, page by page


def page_for_customer(
    session: Session,
    customer_id: str,
    *,
    status: str | None = None,
    cursor: str | None = None,
    size: int = keyset.PAGE_SIZE,
) -> keyset.Page[Invoice]:
    """The customer's invoices, newest first; `status` is one of FILTERS or None for all.

    Raises NotFound for a status that nobody gave out, and as keyset.page does.
    """
    if status is not None and status not in FILTERS:
        raise NotFound
    # What is overdue is another question every day.
    wanted = _of_customer(status, company_days.today() if status else None)
    values = {"customer": customer_id}
    return keyset.page(session, wanted, Invoice.created_at, Invoice.id, cursor, size=size, values=values)


@lru_cache(maxsize=2 * len(FILTERS))
def _of_customer(status: str | None, today: date | None) -> Select[Invoice]:
    wanted = select(Invoice).where(Invoice.customer_id == bindparam("customer"))
    return wanted.where(*_is(status, today)) if status and today else wanted


# For staff


def for_staff(session: Session, invoice_id: str) -> Invoice:
    """Anyone's invoice with its lines and its customer. Raises NotFound."""
    invoice = session.scalar(
        select(Invoice).where(Invoice.id == invoice_id).options(WITH_LINES, joinedload(Invoice.customer))
    )
    if invoice is None:
        raise NotFound
    return invoice


# What staff recorded of payments elsewhere


def outside_payments(session: Session, invoice_id: str) -> list[OutsidePayment]:
    """What was recorded of an invoice, the first one first; service keeps them few."""
    rows = select(OutsidePayment).where(OutsidePayment.invoice_id == invoice_id)
    return list(session.scalars(rows.order_by(OutsidePayment.recorded_at, OutsidePayment.id)))


def outside_payment(session: Session, record_id: str) -> OutsidePayment:
    """One record. Raises NotFound."""
    found = session.get(OutsidePayment, record_id)
    if found is None:
        raise NotFound
    return found


def outside_by_key(session: Session, client_key: str) -> OutsidePayment | None:
    return session.scalar(select(OutsidePayment).where(OutsidePayment.client_key == client_key))


def is_being_recorded(session: Session, invoice_id: str) -> bool:
    """Whether a payment of it waits for the second person who must agree before it is booked."""
    of_invoice = (OutsidePayment.invoice_id == invoice_id, OutsidePayment.status == OutsideStatus.PROPOSED)
    return session.scalar(select(OutsidePayment.id).where(*of_invoice).limit(1)) is not None


@standing.tells(InvoiceStanding.UNDER_REVIEW)
def _waits_for_second_person() -> ColumnElement[bool]:
    of_invoice = (OutsidePayment.invoice_id == Invoice.id, OutsidePayment.status == OutsideStatus.PROPOSED)
    return select(OutsidePayment.id).where(*of_invoice).correlate(Invoice).exists()


def outside_waiting() -> Select[OutsidePayment]:
    """All that wait for a second person, across invoices."""
    return select(OutsidePayment).where(inline_literals(OutsidePayment.status, WAITING))


def page_of_waiting(session: Session, *, cursor: str | None = None) -> keyset.Page[OutsidePayment]:
    """All that wait for a second person with their invoices and customers, the oldest record first. Raises as keyset.page does."""
    wanted = outside_waiting().options(joinedload(OutsidePayment.invoice).joinedload(Invoice.customer))
    return keyset.page(session, wanted, OutsidePayment.recorded_at, OutsidePayment.id, cursor, ascending=True)


# What was credited before it was paid


def lines_of(session: Session, invoice_id: str) -> list[InvoiceLine]:
    """The lines of an invoice in their order."""
    return list(
        session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.position))
    )


def credits_of(session: Session, invoice_id: str) -> list[InvoiceCredit]:
    """The credits of an invoice, also those that wait or were rejected, the first one first; crediting keeps them few."""
    rows = select(InvoiceCredit).where(InvoiceCredit.invoice_id == invoice_id)
    return list(session.scalars(rows.order_by(InvoiceCredit.proposed_at, InvoiceCredit.id)))


def credit(session: Session, credit_id: str) -> InvoiceCredit:
    """One credit. Raises NotFound."""
    found = session.get(InvoiceCredit, credit_id)
    if found is None:
        raise NotFound
    return found


def credit_by_key(session: Session, client_key: str) -> InvoiceCredit | None:
    return session.scalar(select(InvoiceCredit).where(InvoiceCredit.client_key == client_key))


def credits_waiting() -> Select[InvoiceCredit]:
    """All that wait for a second person, across invoices."""
    return select(InvoiceCredit).where(inline_literals(InvoiceCredit.status, [CreditStatus.PROPOSED]))


def page_of_credits_waiting(session: Session, *, cursor: str | None = None) -> keyset.Page[InvoiceCredit]:
    """All that wait for a second person with their invoices and customers, the oldest first. Raises as keyset.page does."""
    wanted = credits_waiting().options(joinedload(InvoiceCredit.invoice).joinedload(Invoice.customer))
    return keyset.page(session, wanted, InvoiceCredit.proposed_at, InvoiceCredit.id, cursor, ascending=True)


def page_for_staff(
    session: Session,
    *,
    status: str | None = None,
    cursor: str | None = None,
    size: int = keyset.PAGE_SIZE,
) -> keyset.Page[Invoice]:
    """Everyone's invoices with their customers, newest first.

    Raises NotFound for a cursor or a status that nobody gave out.
    """
    wanted = select(Invoice).options(joinedload(Invoice.customer))
    if status is not None:
        if status not in FILTERS:
            raise NotFound
        wanted = wanted.where(*_is(status, company_days.today()))
    return keyset.page(session, wanted, Invoice.created_at, Invoice.id, cursor, size=size)


def _is(status: str, today: date) -> tuple[ColumnElement[bool], ...]:
    """A filter's condition. "open" is everything that can be paid, overdue or not: that is what its reader is after."""
    if status == InvoiceStanding.OVERDUE:
        return (Invoice.status == InvoiceStatus.OPEN, Invoice.due_on < today)
    return (Invoice.status == status,)


_NUMBER: Final = re.compile(r"INV-\d{4}-(\d{6,})")


def place_in_series(number: str) -> int | None:
    """The place in the series of an invoice number as service.issue makes it: 123 of "INV-2026-000123"; None of any other text."""
    found = _NUMBER.fullmatch(number)
    return int(found[1]) if found else None
