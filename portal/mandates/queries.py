"""Reading mandates and collections; nothing here commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import ColumnElement, or_, select, tuple_
from sqlalchemy.orm import Session, joinedload

from portal.core import clock, company_days
from portal.core.db import inline_literals
from portal.core.errors import NotFound
from portal.core.method_kinds import CARD
from portal.invoices import queries as invoices
from portal.invoices import statuses as invoice_statuses
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStanding, InvoiceStatus
from portal.mandates import policy
from portal.mandates.models import Collection, Mandate
from portal.mandates.statuses import ACTIVE, CollectionStatus
from portal.payment_methods import queries as methods
from portal.payment_methods.models import PaymentMethod

# What the page shows of what comes; the rest stands with the invoices.
MOST_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Planned:
    """An open invoice and the day on which it is charged by itself, or tried next.

    `collection` is None before the notice is due.
    """

    invoice: Invoice
    on: date
    collection: Collection | None


def in_force(session: Session, customer_id: str, *, lock: bool = False) -> Mandate | None:
    """The mandate under which this customer's default payment method may be charged now."""
    query = select(Mandate).where(Mandate.customer_id == customer_id, Mandate.ended_at.is_(None))
    return session.execute(query.with_for_update() if lock else query).scalar_one_or_none()


def charged_under(
    session: Session, mandate: Mandate | None, customer_id: str, currency: str | None = None
) -> PaymentMethod | None:
    """The default payment method, if the mandate allows its kind and it takes the currency; without one, what a new one would charge."""
    method = methods.default_method(session, customer_id)
    if method is None or (mandate is not None and not mandate.any_kind and not method.is_card):
        return None
    return method if currency is None or method.takes(currency) else None


def planned(session: Session, customer_id: str, mandate: Mandate | None) -> list[Planned]:
    """What is charged next under this mandate, or would be under a new one: earliest due date first, at most MOST_SHOWN.

    What is being paid already is left out.
    """
    of_mandate = (Collection.invoice_id == Invoice.id) & (Collection.mandate_id == (mandate.id if mandate else ""))
    rows = session.execute(
        select(Invoice, Collection)
        .outerjoin(Collection, of_mandate)
        .where(Invoice.customer_id == customer_id, Invoice.status == InvoiceStatus.OPEN)
        .where(or_(Collection.id.is_(None), Collection.status.in_(ACTIVE)))
        .order_by(Invoice.due_on, Invoice.id)
        .limit(MOST_SHOWN)
    )
    found = [_planned(invoice, collection) for invoice, collection in rows]
    standings = invoices.standings(session, [one.invoice for one in found])
    return [one for one in found if standings[one.invoice.id].status not in invoice_statuses.BEING_PAID]


# How an invoice stands that is charged by itself


def _mandate_covers(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """That there is a mandate in force with something to charge, for which these conditions hold."""
    return (
        select(Mandate.id)
        .join(PaymentMethod, PaymentMethod.customer_id == Mandate.customer_id)
        .where(Mandate.customer_id == Invoice.customer_id, Mandate.ended_at.is_(None), methods.is_good_default())
        .where(or_(Mandate.any_kind, PaymentMethod.kind == CARD), methods.takes(Invoice.currency))
        .where(*conditions)
        .correlate(Invoice)
        .exists()
    )


def _collection(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    of_mandate = (Collection.mandate_id == Mandate.id, Collection.invoice_id == Invoice.id)
    return select(Collection.id).where(*of_mandate, *conditions).correlate(Mandate, Invoice).exists()


@invoices.tells_standing(InvoiceStanding.SCHEDULED)
def _is_charged_by_itself() -> ColumnElement[bool]:
    """Announced, or to be announced."""
    return _mandate_covers(~_collection(Collection.status != CollectionStatus.ANNOUNCED))


@invoices.tells_standing(InvoiceStanding.RETRYING)
def _is_charged_again() -> ColumnElement[bool]:
    return _mandate_covers(_collection(Collection.status == CollectionStatus.RETRYING))


@invoices.tells_days(InvoiceStanding.SCHEDULED, InvoiceStanding.RETRYING)
def _days(session: Session, invoice_ids: Sequence[str]) -> dict[str, date]:
    """The day on which each of these invoices is charged by itself, or tried next."""
    rows = session.execute(
        select(Invoice, Collection)
        .join(Mandate, (Mandate.customer_id == Invoice.customer_id) & Mandate.ended_at.is_(None))
        .outerjoin(Collection, (Collection.invoice_id == Invoice.id) & (Collection.mandate_id == Mandate.id))
        .where(Invoice.id.in_(invoice_ids))
    )
    return {invoice.id: _planned(invoice, collection).on for invoice, collection in rows}


def planned_for(session: Session, invoice_id: str, customer_id: str) -> Planned | None:
    """What is planned for one invoice, also when its collection was given up; None without a mandate, while it is being paid, or when
    nothing is owed.

    Raises NotFound for someone else's invoice.
    """
    invoice = invoices.for_customer(session, invoice_id, customer_id)
    mandate = in_force(session, customer_id)
    if mandate is None or invoice.status != InvoiceStatus.OPEN:
        return None
    if invoices.standings(session, [invoice])[invoice_id].status in invoice_statuses.BEING_PAID:
        return None
    collection = session.execute(
        select(Collection).where(Collection.invoice_id == invoice_id, Collection.mandate_id == mandate.id)
    ).scalar_one_or_none()
    return _planned(invoice, collection)


def _planned(invoice: Invoice, collection: Collection | None) -> Planned:
    if collection is None:
        return Planned(invoice, policy.charge_day(invoice.due_on, clock.now()), None)
    return Planned(invoice, max(company_days.day_of(collection.next_attempt_at), collection.charge_on), collection)


def collection(session: Session, collection_id: str) -> Collection:
    """With its invoice. Raises NotFound."""
    found = session.execute(
        select(Collection).where(Collection.id == collection_id).options(joinedload(Collection.invoice))
    ).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


# For the worker's sweep, a batch at a time


def to_be_announced(session: Session, most: int) -> list[tuple[str, str]]:
    """Open invoices (id, customer) whose notice is due under a mandate in force, and that have none under it yet."""
    known = select(Collection.id).where(Collection.invoice_id == Invoice.id, Collection.mandate_id == Mandate.id)
    rows = session.execute(
        select(Invoice.id, Invoice.customer_id)
        .join(Mandate, (Mandate.customer_id == Invoice.customer_id) & Mandate.ended_at.is_(None))
        .where(Invoice.status == InvoiceStatus.OPEN, Invoice.due_on <= policy.soonest_day(clock.now()), ~known.exists())
        .order_by(Mandate.id, Invoice.id)
        .limit(most)
    )
    return [(invoice_id, customer_id) for invoice_id, customer_id in rows]


def due(session: Session, now: datetime, after: tuple[datetime, str] | None, most: int) -> list[tuple[datetime, str]]:
    """Collections (next try, id) whose time has come and whose notice went out, from `after` on in this order."""
    query = select(Collection.next_attempt_at, Collection.id).where(
        inline_literals(Collection.status, ACTIVE),
        Collection.next_attempt_at <= now,
        Collection.noticed_at.is_not(None),
    )
    if after is not None:
        query = query.where(tuple_(Collection.next_attempt_at, Collection.id) > after)
    rows = session.execute(query.order_by(Collection.next_attempt_at, Collection.id).limit(most))
    return [(moment, collection_id) for moment, collection_id in rows]


def settled_elsewhere(session: Session, most: int) -> list[str]:
    """Active collections whose invoice is not open any more."""
    return list(
        session.execute(
            select(Collection.id)
            .join(Collection.invoice)
            .where(inline_literals(Collection.status, ACTIVE), Invoice.status != InvoiceStatus.OPEN)
            .limit(most)
        ).scalars()
    )


@methods.tells_uses
def _charged_by_itself(session: Session, method_ids: Sequence[str]) -> Iterator[methods.Use]:
    """The default is what a mandate charges: the mandate itself, and each collection that has begun."""
    defaults = session.execute(
        select(PaymentMethod, Mandate)
        .join(Mandate, (Mandate.customer_id == PaymentMethod.customer_id) & Mandate.ended_at.is_(None))
        .where(
            PaymentMethod.stripe_payment_method_id.in_(method_ids),
            PaymentMethod.is_default,
            PaymentMethod.removed_at.is_(None),
        )
    )
    for method, mandate in defaults:
        if not mandate.any_kind and not method.is_card:
            continue
        begun = [one for one in planned(session, method.customer_id, mandate) if one.collection is not None]
        if not begun:
            yield methods.Use(method.stripe_payment_method_id, "", None, kind=methods.MANDATE)
        for one in begun:
            yield methods.Use(
                method.stripe_payment_method_id, one.invoice.number, one.invoice.amount_due, kind=methods.MANDATE
            )
