"""Giving the money back, once: what was approved is sent to Stripe under a key from the row, and never guessed about.

    begin      transaction A: checked again, the state says that it is being sent, and when its key was first used
    (Stripe)   the refund is created under `refund:<id>`
    adopt      transaction B: Stripe's id, the state, postings, steps, mails, in portal.refunds.settling

When the answer is lost the same key is sent again. Once the key may be forgotten, or Stripe has kept a failure under it, its list of
this payment's refunds is searched for our id; what is not there is `unknown`, and a person decides whether it is sent once more.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from portal import clock, db, gateway, idempotency
from portal.db import database_now
from portal.disputes import queries as disputes
from portal.money import Money
from portal.payments.models import Payment
from portal.refunds import policy, queries, states
from portal.refunds.models import Refund
from portal.refunds.settling import adopt, locked, mark, move, refresh

log = structlog.get_logger(__name__)

# Why a refund was not sent, beside Stripe's own reasons for one that failed.
DISPUTED = "charge_disputed"
NOTHING_LEFT = "charge_already_refunded"
NOT_PAID = "payment_not_succeeded"


@dataclass(frozen=True, slots=True)
class Order:
    """What is sent to Stripe; everything in it comes from the row as it was when the key was first used."""

    refund_id: str
    key: str
    intent_id: str
    amount: Money
    reason: str
    is_first: bool
    key_is_safe: bool


def execute(refund_id: str) -> None:
    """Send an approved refund, or find out about one whose answer was lost. A second call sends nothing twice.

    Raises the gateway's errors while nothing is known: the job comes again, under the same key.
    """
    order = _begin(refund_id)
    if order is None:
        return
    if not order.key_is_safe:
        _look_up(order)
        return
    if order.is_first and not _is_possible(order):
        return
    try:
        found = gateway.current().create_refund(
            order.key,
            intent_id=order.intent_id,
            amount=order.amount,
            reason=policy.reason_at_stripe(order.reason),
            metadata={"refund_id": order.refund_id},
        )
    except gateway.NotRefundable as refusal:
        _fail(order.refund_id, refusal.code)
    except gateway.KeptFailure:
        _look_up(order)
    except gateway.IdempotencyMisuse:
        with db.transaction() as session:
            finding = "Stripe refused our idempotency key: it was used with other parameters"
            mark(session, locked(session, refund_id), finding)
        raise
    else:
        adopt(order.refund_id, found)


def _begin(refund_id: str) -> Order | None:
    """The order to be sent; None when nothing is to be done, or when it cannot be done any more."""
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.finding or row.stripe_refund_id is not None or row.state not in {states.APPROVED, states.EXECUTING}:
            return None
        payment = session.get_one(Payment, row.payment_id)
        now = database_now(session)
        is_first = row.state == states.APPROVED
        if not is_first and row.key_used_at is None:
            return None  # it was not we who sent it
        if is_first:
            refusal = why_not(session, payment)
            if refusal:
                _note_failure(session, row, refusal)
                return None
            row.key_used_at = now
            move(session, row, states.EXECUTING)
        key = f"refund:{row.id}" if row.attempt == 1 else f"refund:{row.id}:{row.attempt}"
        safe = idempotency.is_safe(row.key_used_at or now, now)
        return Order(row.id, key, payment.stripe_intent_id or "", row.amount, row.reason, is_first, safe)


def why_not(session: Session, payment: Payment) -> str:
    """Why money of this payment must not be given back now, or an empty text. In a transaction that holds the payment's lock."""
    if not payment.has_succeeded or payment.stripe_intent_id is None:
        return NOT_PAID
    if disputes.blocking(session, payment.id) is not None:
        return DISPUTED
    return ""


def _is_possible(order: Order) -> bool:
    """Ask Stripe itself before the first sending: the bank may have taken the money, or someone given it back at the dashboard."""
    intent = gateway.current().retrieve_intent(order.intent_id)
    if intent.charge is None or intent.status != "succeeded":
        _fail(order.refund_id, NOT_PAID)
        return False
    if intent.charge.disputed:
        _fail(order.refund_id, DISPUTED)
        return False
    if intent.charge.refunded + order.amount > intent.amount_received:
        _look_up(order, otherwise=NOTHING_LEFT)
        return False
    return True


def _look_up(order: Order, otherwise: str = "") -> None:
    """Search Stripe's list for a refund that is ours. Without one, and without a reason why not, nobody knows: staff decide."""
    found = next(
        (
            one
            for one in gateway.current().list_refunds(order.intent_id)
            if one.metadata.get("refund_id") == order.refund_id
        ),
        None,
    )
    if found is not None:
        adopt(order.refund_id, found)
    elif otherwise:
        _fail(order.refund_id, otherwise)
    else:
        with db.transaction() as session:
            row = locked(session, order.refund_id)
            if row.state == states.EXECUTING and row.stripe_refund_id is None:
                move(session, row, states.UNKNOWN)
                mark(
                    session,
                    row,
                    "Stripe's answer was lost, and its list does not show this refund: send it again, or not?",
                )


def _fail(refund_id: str, reason: str) -> None:
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.state in {states.APPROVED, states.EXECUTING} and row.stripe_refund_id is None:
            _note_failure(session, row, reason)


def _note_failure(session: Session, row: Refund, reason: str) -> None:
    row.failed_at = clock.now()
    row.failure_reason = reason
    log.warning("refund_not_sent", refund_id=row.id, reason=reason)
    move(session, row, states.FAILED, {"failure": reason})


def send_again(session: Session, row: Refund) -> None:
    """A person has decided that an unknown refund is sent once more, under a new key; in the caller's transaction."""
    row.attempt += 1
    row.key_used_at = database_now(session)
    row.finding = ""
    move(session, row, states.EXECUTING, {"attempt": row.attempt})


def follow_up(refund_id: str) -> bool:
    """Learn what has become of a refund, whoever died; True while there is more to learn.

    After success the bank's reference is still to come.
    """
    with db.reading() as session:
        row = queries.by_id(session, refund_id)
    if row.finding or row.state in states.FREED or row.state in states.UNDECIDED or row.state == states.UNKNOWN:
        return False
    if row.stripe_refund_id is None:
        execute(refund_id)
        return True
    found = refresh(refund_id)
    if found.status == states.SUCCEEDED:
        return not found.bank_reference and clock.now() - row.asked_at < policy.REFERENCE_COMES_WITHIN
    if found.status in {states.FAILED, states.CANCELED}:
        return found.movement is not None and found.return_movement is None
    return True
