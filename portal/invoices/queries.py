"""Reading invoices. Every function takes a session and the customer whose invoices may be seen, save those for staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from portal import company_days, keyset
from portal.db import begins_with
from portal.errors import N_, NotFound
from portal.invoices.models import OPEN, OVERDUE, PAID, VOID, Invoice, InvoiceLine, OutsidePayment
from portal.money import Money

# The overview shows what comes next, not everything that is open.
NEXT_DUE: Final = 5
FILTERS: Final = (OPEN, OVERDUE, PAID, VOID)

# For whoever loads invoices elsewhere: the lines in their order, each knowing its invoice. One more query, however many.
WITH_LINES: Final = selectinload(Invoice.lines).joinedload(InvoiceLine.invoice)


def for_customer(session: Session, invoice_id: str, customer_id: str) -> Invoice:
    """An invoice of this customer with its lines. Raises NotFound, also when it is someone else's."""
    invoice = session.scalar(
        select(Invoice).where(Invoice.id == invoice_id, Invoice.customer_id == customer_id).options(WITH_LINES)
    )
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
    """The open invoices of one currency: how many, what they come to, and how much of it is overdue."""

    count: int
    total: Money
    overdue: Money


@dataclass(frozen=True, slots=True)
class Owed:
    """`sums` by currency, the one with most invoices first; `next_due` at most NEXT_DUE invoices, earliest due date first."""

    sums: list[OwedSum]
    next_due: list[Invoice]

    @property
    def nothing(self) -> bool:
        return not self.sums

    @property
    def count(self) -> int:
        return sum(one.count for one in self.sums)


def owed(session: Session, customer_id: str) -> Owed:
    """What the customer has to pay, in two queries."""
    of_customer = (Invoice.customer_id == customer_id, Invoice.status == OPEN)
    overdue_minor = case((Invoice.due_on < company_days.today(), Invoice.total_minor), else_=0)
    rows = session.execute(
        select(Invoice.currency, func.count(), func.sum(Invoice.total_minor), func.sum(overdue_minor))
        .where(*of_customer)
        .group_by(Invoice.currency)
        .order_by(func.count().desc(), Invoice.currency)
    )
    sums = [
        OwedSum(count, Money(int(total), currency), Money(int(overdue), currency))  # PostgreSQL sums bigints as numeric
        for currency, count, total, overdue in rows
    ]
    next_due = session.scalars(select(Invoice).where(*of_customer).order_by(Invoice.due_on, Invoice.id).limit(NEXT_DUE))
    return Owed(sums, list(next_due))


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
    wanted = select(Invoice).where(Invoice.customer_id == customer_id)
    if status is not None:
        if status not in FILTERS:
            raise NotFound
        wanted = wanted.where(*_is(status, company_days.today()))
    return keyset.page(session, wanted, Invoice.created_at, Invoice.id, cursor, size=size)


# For staff


def for_staff(session: Session, invoice_id: str) -> Invoice:
    """Anyone's invoice with its lines and its customer. Raises NotFound."""
    invoice = session.scalar(
        select(Invoice).where(Invoice.id == invoice_id).options(WITH_LINES, joinedload(Invoice.customer))
    )
    if invoice is None:
        raise NotFound
    return invoice


def outside_payment(session: Session, invoice_id: str) -> OutsidePayment | None:
    """How an invoice was paid when it was not through Stripe."""
    return session.scalar(select(OutsidePayment).where(OutsidePayment.invoice_id == invoice_id))


def page_for_staff(
    session: Session,
    *,
    status: str | None = None,
    number: str = "",
    cursor: str | None = None,
    size: int = keyset.PAGE_SIZE,
) -> keyset.Page[Invoice]:
    """Everyone's invoices with their customers, newest first; with `number` those whose number begins so, a page of them at most.

    Raises NotFound for a cursor or a status that nobody gave out.
    """
    wanted = select(Invoice).options(joinedload(Invoice.customer))
    if status is not None:
        if status not in FILTERS:
            raise NotFound
        wanted = wanted.where(*_is(status, company_days.today()))
    if number:
        found = wanted.where(begins_with(Invoice.number, number.upper())).order_by(Invoice.number.desc())
        return keyset.Page(list(session.scalars(found.limit(keyset.PAGE_SIZE))), older=None, newer=None)
    return keyset.page(session, wanted, Invoice.created_at, Invoice.id, cursor, size=size)


def _is(status: str, today: date) -> tuple[ColumnElement[bool], ...]:
    """A filter's condition. "open" is everything that can be paid, overdue or not: that is what its reader is after."""
    if status == OVERDUE:
        return (Invoice.status == OPEN, Invoice.due_on < today)
    return (Invoice.status == status,)
