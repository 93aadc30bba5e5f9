"""Reading invoices. Every function takes a session and the customer whose invoices may be seen."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from sqlalchemy import ColumnElement, case, func, select, tuple_
from sqlalchemy.orm import Session, selectinload

from portal import clock
from portal.errors import N_, NotFound
from portal.invoices.models import OPEN, OVERDUE, PAID, VOID, Invoice, InvoiceLine
from portal.money import Money

PAGE_SIZE: Final = 20
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
    overdue_minor = case((Invoice.due_on < clock.today(), Invoice.total_minor), else_=0)
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


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two invoices of the list, newest first: before or after the invoice that it names.

    Rows that come or go on other pages do not move it.
    """

    side: Literal["after", "before"]
    created_at: datetime
    id: str

    def encode(self) -> str:
        text = f"{self.side} {self.created_at.isoformat()} {self.id}"
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Raises NotFound for anything that encode did not write: there is no such page."""
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            side, moment, invoice_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(" ")
            created_at = datetime.fromisoformat(moment)
        except (ValueError, binascii.Error) as error:
            raise NotFound from error
        if side not in {"after", "before"} or created_at.tzinfo is None:
            raise NotFound
        return cls("after" if side == "after" else "before", created_at, invoice_id)


@dataclass(frozen=True, slots=True)
class Page:
    """At most PAGE_SIZE invoices, newest first; `older` and `newer` are cursors, where there is something."""

    invoices: list[Invoice]
    older: str | None
    newer: str | None


def page_for_customer(
    session: Session, customer_id: str, *, status: str | None = None, cursor: str | None = None
) -> Page:
    """The customer's invoices, newest first; `status` is one of FILTERS or None for all.

    One query of constant cost, however deep the page. Raises NotFound for a cursor or a status that nobody gave out.
    """
    if status is not None and status not in FILTERS:
        raise NotFound
    place = Cursor.decode(cursor) if cursor else None
    found = _invoices(session, customer_id, status, place)
    if place is not None and not found:
        return page_for_customer(session, customer_id, status=status)  # what stood there has got another status
    if place is not None and place.side == "before":
        if len(found) <= PAGE_SIZE:
            return page_for_customer(session, customer_id, status=status)  # less than a page is left: it is the first
        invoices = found[PAGE_SIZE - 1 :: -1]
        return Page(invoices, older=_cursor("after", invoices[-1]), newer=_cursor("before", invoices[0]))
    invoices = found[:PAGE_SIZE]
    return Page(
        invoices,
        older=_cursor("after", invoices[-1]) if len(found) > PAGE_SIZE else None,
        newer=_cursor("before", invoices[0]) if place is not None and invoices else None,
    )


def _invoices(session: Session, customer_id: str, status: str | None, place: Cursor | None) -> list[Invoice]:
    """One more than a page, so that its end is known; backwards when the place is before an invoice."""
    wanted = select(Invoice).where(Invoice.customer_id == customer_id)
    if status is not None:
        wanted = wanted.where(*_is(status, clock.today()))
    order = tuple_(Invoice.created_at, Invoice.id)
    if place is not None and place.side == "before":
        wanted = wanted.where(order > (place.created_at, place.id)).order_by(Invoice.created_at, Invoice.id)
    else:
        if place is not None:
            wanted = wanted.where(order < (place.created_at, place.id))
        wanted = wanted.order_by(Invoice.created_at.desc(), Invoice.id.desc())
    return list(session.scalars(wanted.limit(PAGE_SIZE + 1)))


def _is(status: str, today: date) -> tuple[ColumnElement[bool], ...]:
    """A filter's condition. "open" is everything that can be paid, overdue or not: that is what its reader is after."""
    if status == OVERDUE:
        return (Invoice.status == OPEN, Invoice.due_on < today)
    return (Invoice.status == status,)


def _cursor(side: Literal["after", "before"], invoice: Invoice) -> str:
    return Cursor(side, invoice.created_at, invoice.id).encode()
