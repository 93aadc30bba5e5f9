"""Reading refunds; nothing here commits. For a customer always as their owner; the rest is for staff and jobs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, delete, exists, func, literal_column, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from portal.core import keyset
from portal.core.db import database_now, inline_literals
from portal.core.errors import NotFound
from portal.core.money import Money
from portal.invoices.models import Invoice
from portal.payments import jobs as payment_jobs
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.refunds import jobs
from portal.refunds.models import Refund, RefundMessage, RefundOrigin, RefundStep, Resolution
from portal.refunds.statuses import FOLLOWED, FREED, GONE_WRONG, UNDECIDED, RefundStatus

# Of one payment: partial refunds are possible, in such a number nobody makes them.
MOST_OF_A_PAYMENT: Final = 100


@dataclass(frozen=True, slots=True)
class Sums:
    """What was paid with a payment, what of it has been given back, what is asked for or on its way, and what is left."""

    paid: Money
    refunded: Money
    reserved: Money

    @property
    def remaining(self) -> Money:
        return self.paid - self.refunded - self.reserved


def sums(session: Session, payment: Payment) -> Sums:
    """Read under the payment's lock, these cannot change before the caller's transaction ends."""
    is_given_back = or_(Refund.status == RefundStatus.SUCCEEDED, Refund.resolution == Resolution.PAID_OUTSIDE)
    refunded = func.coalesce(func.sum(case((is_given_back, Refund.amount_minor), else_=0)), 0)
    reserved = func.coalesce(func.sum(case((is_given_back, 0), else_=Refund.amount_minor)), 0)
    row = session.execute(select(refunded, reserved).where(Refund.payment_id == payment.id, counts(FREED))).one()
    return Sums(payment.amount, Money(int(row[0]), payment.currency), Money(int(row[1]), payment.currency))


def remaining(session: Session, payment: Payment, invoice_id: str | None) -> Money:
    """What is left to be given back of a payment, or of what it paid of this invoice, which is one of its own."""
    left = sums(session, payment).remaining
    if invoice_id is None:
        return left
    of_it = (Refund.payment_id == payment.id, Refund.invoice_id == invoice_id)
    taken = session.scalar(select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(*of_it, counts(FREED)))
    paid = next(one for one in payments.allocations_of(session, payment.id) if one.invoice_id == invoice_id)
    return min(left, paid.amount - Money(int(taken or 0), payment.currency))


def left_by_invoice(session: Session, payment: Payment) -> dict[Invoice, Money]:
    """What is left to be given back of each invoice of a payment; nothing of a payment without one."""
    paid = payments.allocations_of(session, payment.id)
    return {one.invoice: remaining(session, payment, one.invoice_id) for one in paid}


def counts(freed: frozenset[str]) -> ColumnElement[bool]:
    """All but those whose amount is free again; one that has failed is not when its customer was paid another way."""
    return or_(Refund.status.not_in(freed), Refund.resolution == Resolution.PAID_OUTSIDE)


def given_back_with(session: Session, refund: Refund) -> Money:
    """What a payment's customer has got back, or is about to, when this refund is approved: it and all that were before it."""
    others = session.execute(
        select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
            Refund.payment_id == refund.payment_id,
            Refund.id != refund.id,
            counts(FREED | UNDECIDED),
        )
    ).scalar_one()
    return refund.amount + Money(int(others), refund.currency)


def for_customer(session: Session, refund_id: str, customer_id: str) -> Refund:
    """One refund of this customer with its steps and its payment. Raises NotFound, also for someone else's."""
    return _one(session, Refund.id == refund_id, Refund.customer_id == customer_id)


def by_id(session: Session, refund_id: str) -> Refund:
    """For staff: likewise, with its customer. Raises NotFound."""
    return _one(session, Refund.id == refund_id)


def _one(session: Session, *which: ColumnElement[bool]) -> Refund:
    found = session.execute(
        select(Refund)
        .where(*which)
        .options(
            selectinload(Refund.steps),
            joinedload(Refund.payment).options(payments.WITH_INVOICES),
            joinedload(Refund.invoice),
            joinedload(Refund.customer),
        )
    ).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def of_payment(session: Session, payment_id: str) -> list[Refund]:
    """The refunds of a payment, newest first; the caller has seen to it that the payment may be looked at."""
    return list(
        session.execute(
            select(Refund)
            .where(Refund.payment_id == payment_id)
            .order_by(Refund.asked_at.desc(), Refund.id.desc())
            .limit(MOST_OF_A_PAYMENT)
        ).scalars()
    )


def of_customer(
    session: Session, customer_id: str, cursor: str | None = None, *, size: int = keyset.PAGE_SIZE
) -> keyset.Page[Refund]:
    """A page of a customer's refunds, newest first. Raises as keyset.page does."""
    return history(session, cursor, customer_id=customer_id, size=size)


def history(
    session: Session,
    cursor: str | None = None,
    *,
    customer_id: str | None = None,
    status: RefundStatus | None = None,
    size: int = keyset.PAGE_SIZE,
) -> keyset.Page[Refund]:
    """A page of refunds, newest first: without a `customer_id` those of all, for staff; with a `status` those in it alone.

    Raises as keyset.page does.
    """
    query = select(Refund).options(joinedload(Refund.payment))
    if customer_id is not None:
        query = query.where(Refund.customer_id == customer_id)
    if status is not None:
        # Statuses that are rare have small indexes of their own, which are found by the group as they name it.
        group = next((group for group in (UNDECIDED, FOLLOWED, FREED) if status in group), {status})
        query = query.where(inline_literals(Refund.status, group), Refund.status == status)
    return keyset.page(session, query, Refund.asked_at, Refund.id, cursor, size=size)


def drop_newest_step(session: Session, refund_id: str, status: str) -> None:
    """Take a line of a refund's timeline back, in the caller's transaction."""
    mine = select(RefundStep.id).where(RefundStep.refund_id == refund_id, RefundStep.status == status)
    newest = mine.order_by(RefundStep.at.desc(), RefundStep.id.desc()).limit(1).scalar_subquery()
    session.execute(delete(RefundStep).where(RefundStep.id == newest).execution_options(synchronize_session=False))


def message(session: Session, message_id: str) -> RefundMessage:
    return session.get_one(RefundMessage, message_id)


def messages_of(session: Session, refund_id: str) -> list[RefundMessage]:
    """What staff asked and the customer answered, oldest first."""
    query = select(RefundMessage).where(RefundMessage.refund_id == refund_id)
    return list(session.scalars(query.order_by(RefundMessage.at, RefundMessage.id).limit(MOST_OF_A_PAYMENT)))


def by_client_key(session: Session, customer_id: str, client_key: str) -> Refund | None:
    return session.execute(
        select(Refund).where(Refund.customer_id == customer_id, Refund.client_key == client_key)
    ).scalar_one_or_none()


def of_duplicate(session: Session, payment_id: str) -> Refund | None:
    """The refund by which the portal gave this payment back by itself, or tried to."""
    mine = select(Refund).where(Refund.payment_id == payment_id, Refund.origin == RefundOrigin.PORTAL)
    return session.scalars(mine.order_by(Refund.asked_at, Refund.id)).first()


def by_stripe_id(session: Session, stripe_refund_id: str) -> Refund | None:
    return session.execute(select(Refund).where(Refund.stripe_refund_id == stripe_refund_id)).scalar_one_or_none()


# For staff and the worker


def seconds_held(session: Session, refund: Refund) -> int:
    """For how many seconds its approval can still be undone; 0 where it cannot."""
    if refund.status != RefundStatus.APPROVED or refund.held_until is None:
        return 0
    return max(0, math.ceil((refund.held_until - database_now(session)).total_seconds()))


def approved_by(session: Session, refund_ids: Sequence[str], user_id: str) -> list[Refund]:
    """Those of these that this person's approval has decided and that stand, by id."""
    mine = (
        Refund.id.in_(refund_ids),
        Refund.decided_by == user_id,
        Refund.status.not_in({*UNDECIDED, RefundStatus.REJECTED}),
    )
    return list(session.scalars(select(Refund).where(*mine).order_by(Refund.id)))


def number_failed(session: Session, most: int) -> int:
    """How many have failed and wait for staff, counted up to `most`."""
    return session.execute(counted(failed_ones(), most)).scalar_one()


# What is neither done nor over, in the words of the metrics.
OPEN: Final = {"undecided": UNDECIDED, "under_way": FOLLOWED, "failed": frozenset({RefundStatus.FAILED})}
MOST_COUNTED: Final = 10_000


def number_open(state: str, session: Session) -> int:
    """How many are in one of the states of OPEN, counted up to MOST_COUNTED; of failed ones those that wait for staff."""
    query = failed_ones() if state == "failed" else select(Refund).where(inline_literals(Refund.status, OPEN[state]))
    return session.execute(counted(query, MOST_COUNTED)).scalar_one()


def counted(query: Select[Refund], most: int) -> Select[int]:
    """How many a query finds, counted up to `most`."""
    return select(func.count()).select_from(query.with_only_columns(Refund.id).limit(most).subquery())


def undecided_ones() -> Select[Refund]:
    return select(Refund).where(inline_literals(Refund.status, UNDECIDED))


def unknown(session: Session, most: int) -> list[Refund]:
    """Refunds of which nobody knows whether they were made: staff decide."""
    query = unknown_ones().options(joinedload(Refund.customer))
    return list(session.execute(query.order_by(Refund.updated_at, Refund.id).limit(most)).scalars())


def unknown_ones() -> Select[Refund]:
    return select(Refund).where(inline_literals(Refund.status, FOLLOWED), Refund.status == RefundStatus.UNKNOWN)


def failed(session: Session, cursor: str | None = None, *, size: int = keyset.PAGE_SIZE) -> keyset.Page[Refund]:
    """A page of the refunds that have failed and that staff have done nothing about, the longest waiting first. Raises as keyset.page."""
    query = failed_ones().options(joinedload(Refund.customer), joinedload(Refund.payment))
    moment: Any = Refund.failed_at  # what has failed has one
    return keyset.page(session, query, moment, Refund.id, cursor, size=size, ascending=True)


def failed_ones() -> Select[Refund]:
    return select(Refund).where(inline_literals(Refund.status, GONE_WRONG), Refund.resolution == literal_column("''"))


def left_behind(session: Session, most: int) -> list[str]:
    """The ids of refunds under way that no job sends or follows."""
    lost = (jobs.execute.missing(session, refund_id=Refund.id), jobs.follow_up.missing(session, refund_id=Refund.id))
    under_way = (
        inline_literals(Refund.status, FOLLOWED),
        Refund.status != RefundStatus.UNKNOWN,
        Refund.review_reason == "",
    )
    return list(session.scalars(select(Refund.id).where(*under_way, *lost).order_by(Refund.updated_at).limit(most)))


def duplicates_left_behind(session: Session, since: datetime, most: int) -> list[str]:
    """The ids of payments, changed since then, that are duplicates, and that no job has ever given back."""
    found = select(Payment.id).where(
        Payment.duplicate.is_not(None),
        Payment.updated_at >= since,
        Payment.status == PaymentStatus.SUCCEEDED,
        payment_jobs.return_duplicate.missing(session, ever=True, payment_id=Payment.id),
        ~exists().where(Refund.payment_id == Payment.id, Refund.origin == RefundOrigin.PORTAL),
    )
    return list(session.scalars(found.limit(most)))
