"""Reading disputes and fraud warnings; nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, bindparam, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload, selectinload

from portal.core.errors import NotFound
from portal.core.money import Money
from portal.disputes.models import NO_DEADLINE, Dispute, EarlyFraudWarning
from portal.disputes.statuses import FINAL, DisputeStatus
from portal.ledger import LedgerAccount, Posting
from portal.payments.models import Payment

# Of one payment or one customer: more than these are not read by a person.
MOST_SHOWN: Final = 50
# Beyond this many a number in the navigation says no more.
MOST_COUNTED: Final = 99
# The kinds of posting that a dispute's balance transaction may have; with its id each makes the posting's reference.
WITHDRAWN: Final = "dispute"
FEE: Final = "dispute_fee"
REINSTATED: Final = "dispute_reinstated"
FEE_RETURNED: Final = "dispute_fee_returned"
KINDS: Final = (WITHDRAWN, FEE, REINSTATED, FEE_RETURNED)

# Written into the statement, not bound to it: an index on a part of the rows is found by its words.
_BLOCKS: Final = or_(Dispute.is_refundable.is_(False), Dispute.status == DisputeStatus.LOST)
_FINAL: Final[BindParameter[Any]] = bindparam("final", sorted(FINAL), expanding=True, literal_execute=True)


@dataclass(frozen=True, slots=True)
class Movement:
    """By how much what Stripe holds for us changed; `kind` is one of KINDS."""

    kind: str
    at: datetime
    amount: Money


@dataclass(frozen=True, slots=True)
class Counts:
    """`open` disputes, and those among them that wait for our evidence; each MOST_COUNTED at most, and one more for "more"."""

    open: int
    waiting: int


def by_stripe_id(session: Session, stripe_dispute_id: str) -> Dispute | None:
    return session.execute(select(Dispute).where(Dispute.stripe_dispute_id == stripe_dispute_id)).scalar_one_or_none()


def warning_by_stripe_id(session: Session, stripe_warning_id: str) -> EarlyFraudWarning | None:
    query = select(EarlyFraudWarning).where(EarlyFraudWarning.stripe_warning_id == stripe_warning_id)
    return session.execute(query).scalar_one_or_none()


def dispute(session: Session, dispute_id: str) -> Dispute:
    """For staff and jobs: a dispute with its steps, its payment and its customer. Raises NotFound."""
    found = session.execute(
        select(Dispute)
        .where(Dispute.id == dispute_id)
        .options(selectinload(Dispute.steps), joinedload(Dispute.payment), joinedload(Dispute.customer))
    ).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def warning(session: Session, warning_id: str) -> EarlyFraudWarning:
    """For jobs: a warning with its payment and its customer."""
    return session.execute(
        select(EarlyFraudWarning)
        .where(EarlyFraudWarning.id == warning_id)
        .options(joinedload(EarlyFraudWarning.payment), joinedload(EarlyFraudWarning.customer))
    ).scalar_one()


def is_open() -> ColumnElement[bool]:
    """Whether a dispute is not over."""
    return Dispute.status.not_in(_FINAL)


def is_closed() -> ColumnElement[bool]:
    """Whether it is."""
    return Dispute.status.in_(_FINAL)


def is_blocked(payment_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Whether a payment must not be refunded because of a dispute, as `blocking` has it: a condition for a query about its refunds."""
    return exists().where(Dispute.payment_id == payment_id, _BLOCKS)


def is_warned(payment_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Whether the bank has warned of a payment, as `warnings_of` has it: likewise."""
    return exists().where(EarlyFraudWarning.payment_id == payment_id, EarlyFraudWarning.review_reason == "")


def blocked_among(session: Session, payment_ids: Sequence[str]) -> set[str]:
    """Those of these payments that must not be refunded because of a dispute."""
    return set(session.scalars(select(Dispute.payment_id).where(Dispute.payment_id.in_(payment_ids), _BLOCKS)))


def blocking(session: Session, payment_id: str) -> Dispute | None:
    """The dispute because of which this payment must not be refunded, or None.

    Stripe itself says whether it would still refund the charge (during an inquiry it would); it never does of a lost one.
    """
    return session.execute(
        select(Dispute)
        .where(
            Dispute.payment_id == payment_id,
            _BLOCKS,
        )
        .order_by(Dispute.created_at.desc(), Dispute.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def of_payment(session: Session, payment_id: str) -> list[Dispute]:
    """For staff: the disputes of a payment, newest first; rarely more than one."""
    query = select(Dispute).where(Dispute.payment_id == payment_id)
    return list(
        session.execute(query.order_by(Dispute.created_at.desc(), Dispute.id.desc()).limit(MOST_SHOWN)).scalars()
    )


def of_own_payment(session: Session, payment_id: str, customer_id: str) -> list[Dispute]:
    """The disputes of a customer's payment, newest first. Raises NotFound for a payment that is not this customer's."""
    owned = select(Payment.id).where(Payment.id == payment_id, Payment.customer_id == customer_id)
    if session.execute(owned).scalar_one_or_none() is None:
        raise NotFound
    return of_payment(session, payment_id)


def of_customer(session: Session, customer_id: str) -> list[Dispute]:
    """For staff: the newest disputes of a customer, each with its payment."""
    return list(
        session.execute(
            select(Dispute)
            .where(Dispute.customer_id == customer_id)
            .order_by(Dispute.created_at.desc(), Dispute.id.desc())
            .limit(MOST_SHOWN)
            .options(joinedload(Dispute.payment))
        ).scalars()
    )


def counts(session: Session) -> Counts:
    """For the navigation: how many are open, and how many of them wait for us; never counts beyond what is shown."""
    soonest = (
        select(Dispute.deadline)
        .where(Dispute.status.not_in(_FINAL))
        .order_by(Dispute.deadline, Dispute.id)
        .limit(MOST_COUNTED + 1)
        .subquery()
    )
    waiting = func.count().filter(soonest.c.deadline < NO_DEADLINE)
    return Counts(*session.execute(select(func.count(), waiting).select_from(soonest)).one())


def money_of(session: Session, found: Dispute) -> list[Movement]:
    """What a dispute has moved in the books, oldest first; its steps must be loaded."""
    references = [
        f"{kind}:{step.stripe_transaction_id}" for step in found.steps if step.stripe_transaction_id for kind in KINDS
    ]
    query = select(Posting).where(Posting.reference.in_(references)).order_by(Posting.at, Posting.id)
    return [
        Movement(
            posting.kind, posting.at, -posting.amount if posting.credit == LedgerAccount.STRIPE else posting.amount
        )
        for posting in session.execute(query).scalars()
    ]


def warnings_of(session: Session, payment_ids: Sequence[str]) -> list[EarlyFraudWarning]:
    """For staff: the fraud warnings of these payments, newest first, without those on hold."""
    if not payment_ids:
        return []
    fits = EarlyFraudWarning.review_reason == ""
    query = select(EarlyFraudWarning).where(EarlyFraudWarning.payment_id.in_(payment_ids), fits)
    return list(
        session.execute(
            query.order_by(EarlyFraudWarning.created_at.desc(), EarlyFraudWarning.id.desc()).limit(MOST_SHOWN)
        ).scalars()
    )
