"""Giving the money back, once: what was approved is sent to Stripe under a key from the row, and never guessed about.

    begin      transaction A: checked again, the state says that it is being sent, and when its key was first used
    (Stripe)   the refund is created under `refund:<id>`
    adopt      transaction B: Stripe's id, the state, postings, steps, mails, in portal.refunds.settling

When the answer is lost the same key is sent again. When Stripe has kept a failure under it, the key brings nothing any more, and the
refund may exist all the same, now or soon: Stripe's list of this payment's refunds is searched for our id, again and again over the
time of PORTAL_REFUND_SEARCH_SECONDS. Then, if the list and a fresh read of the charge agree that it was never made, it is sent under
the next attempt's key. What stays unclear, and what the list does not show once the key may be forgotten, is `unknown`: a person
decides whether it is sent once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from portal import gateway
from portal.core import audit, clock, config, db, idempotency, recovery
from portal.core.db import database_now
from portal.core.money import Money
from portal.disputes import queries as disputes
from portal.jobs import outbox
from portal.payments.models import Payment
from portal.refunds import policy, queries, states
from portal.refunds.models import Refund
from portal.refunds.settling import adopt, locked, mark, move, refresh, touch

log = structlog.get_logger(__name__)

# Why a refund was not sent, beside Stripe's own reasons for one that failed.
DISPUTED = "charge_disputed"
NOTHING_LEFT = "charge_already_refunded"
NOT_PAID = "payment_not_succeeded"

# After the sending Stripe's webhooks tell what happens; the follow-up is for those that are lost. Seconds.
LOOK_AGAIN_SECONDS: Final = 6 * 3600
# Between the first look at Stripe's list and the second; after that as long as it has been searched already, so the waits double.
FIRST_WAIT: Final = timedelta(seconds=10)
# A list and a charge that contradict each other for so long are a person's to look at.
UNCLEAR_AFTER: Final = timedelta(hours=23)
# So many keys are used without a person: a third failure that Stripe keeps is no accident any more.
MOST_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Order:
    """What is sent to Stripe; everything in it comes from the row as it was when the key was first used."""

    refund_id: str
    key: str
    intent_id: str
    amount: Money
    reason: str
    attempt: int
    is_first: bool
    is_searched: bool
    key_is_safe: bool


def execute(refund_id: str) -> float | None:
    """Send an approved refund, or find out about one whose answer was lost. A second call sends nothing twice.

    Returns after how many seconds to look again, while Stripe's list is being searched. Raises the gateway's errors while nothing is
    known: the job comes again, under the same key.
    """
    recovery.refuse_now()
    order = _begin(refund_id)
    if order is None:
        return None
    if order.is_searched:
        return _search(order)
    if not order.key_is_safe:
        _look_up(order)
        return None
    if order.is_first and not _is_possible(order):
        return None
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
        return _search(order)
    except gateway.IdempotencyMisuse:
        with db.transaction() as session:
            finding = "Stripe refused our idempotency key: it was used with other parameters"
            mark(session, locked(session, refund_id), finding)
        raise
    else:
        adopt(order.refund_id, found)
    return None


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
        return Order(
            refund_id=row.id,
            key=key,
            intent_id=payment.stripe_intent_id or "",
            amount=row.amount,
            reason=row.reason,
            attempt=row.attempt,
            is_first=is_first,
            is_searched=row.search_began_at is not None,
            key_is_safe=safe,
        )


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
    if intent.charge is not None and intent.charge.refunded and _adopt_sent(order):
        return False
    refusal = _refusal(intent, order.amount)
    if refusal == NOTHING_LEFT:  # or it was we who gave it back, and died before that was written down
        _look_up(order, otherwise=NOTHING_LEFT)
    elif refusal:
        _fail(order.refund_id, refusal)
    return not refusal


def _refusal(intent: gateway.Intent, amount: Money) -> str:
    """Why Stripe could not give back so much of this payment now, or an empty text."""
    if intent.charge is None or intent.status != "succeeded":
        return NOT_PAID
    if intent.charge.disputed:
        return DISPUTED
    if intent.charge.refunded + amount > intent.amount_received:
        return NOTHING_LEFT
    return ""


def _ours(order: Order, listed: Sequence[gateway.Refund]) -> gateway.Refund | None:
    return next((one for one in listed if one.metadata.get("refund_id") == order.refund_id), None)


def _look_up(order: Order, otherwise: str = "") -> None:
    """Search Stripe's list for a refund that is ours. Without one, and without a reason why not, nobody knows: staff decide."""
    if _adopt_sent(order):
        return
    if otherwise:
        _fail(order.refund_id, otherwise)
    else:
        with db.transaction() as session:
            row = locked(session, order.refund_id)
            if _is_open(row, order):
                _leave_to_staff(session, row)


def _search(order: Order) -> float | None:
    """Stripe has kept a failure under this attempt's key, which says nothing of what the call has done: look whether it is there.

    Returns after how many seconds to look again; None when there is nothing to look for any more.
    """
    listed = list(gateway.current().list_refunds(order.intent_id))
    found = _ours(order, listed)
    if found is not None:
        adopt(order.refund_id, found)
        return None
    intent = gateway.current().retrieve_intent(order.intent_id)
    with db.transaction() as session:
        row = locked(session, order.refund_id)
        if not _is_open(row, order):
            return None
        now = database_now(session)
        if row.search_began_at is None:
            row.search_began_at = now
            touch(row)
            audit.record(session, "refund.searched", row.id, {"attempt": row.attempt}, customer_id=row.customer_id)
        return _after_look(session, row, _agree(intent, listed), _refusal(intent, order.amount), now)


def _after_look(session: Session, row: Refund, agreed: bool, refusal: str, now: datetime) -> float | None:
    searched = now - (row.search_began_at or now)
    whole = timedelta(seconds=config.current().refund_search_seconds)
    if searched < whole:
        return min(max(searched, FIRST_WAIT), whole - searched).total_seconds()
    if not agreed and searched < UNCLEAR_AFTER:
        return max(searched, FIRST_WAIT).total_seconds()
    if not agreed or row.attempt >= MOST_ATTEMPTS:
        _leave_to_staff(session, row)
    elif refusal:
        _note_failure(session, row, refusal)
    else:
        _begin_next_attempt(session, row)
        return LOOK_AGAIN_SECONDS  # the next attempt has a job of its own
    return None


def _agree(intent: gateway.Intent, listed: Sequence[gateway.Refund]) -> bool:
    """Whether a charge says that as much was given back as its refunds come to: then none is missing from the list."""
    made = sum(one.amount.minor for one in listed if one.status not in {states.FAILED, states.CANCELED})
    return intent.charge is not None and intent.charge.refunded.minor == made


def _is_open(row: Refund, order: Order) -> bool:
    """Whether this attempt is still without an outcome: nobody else has found it, decided on it or begun another one meanwhile."""
    return row.state == states.EXECUTING and row.stripe_refund_id is None and row.attempt == order.attempt


def _leave_to_staff(session: Session, row: Refund) -> None:
    move(session, row, states.UNKNOWN)
    mark(session, row, "Stripe's answer was lost, and its list does not show this refund: send it again, or not?")


def _begin_next_attempt(session: Session, row: Refund) -> None:
    """Nothing was made under the key of before: the same refund is sent under another one."""
    row.attempt += 1
    row.key_used_at, row.search_began_at = database_now(session), None
    touch(row)
    audit.record(session, "refund.new_attempt", row.id, {"attempt": row.attempt}, customer_id=row.customer_id)
    outbox.enqueue(session, "refunds.execute", key=f"execute:{row.id}:{row.attempt}", refund_id=row.id)


def _adopt_sent(order: Order) -> bool:
    """Take over the refund at Stripe that carries our id, if there is one: it was sent, whatever our row knows of that."""
    sent = gateway.current().list_refunds(order.intent_id)
    found = next((one for one in sent if one.metadata.get("refund_id") == order.refund_id), None)
    if found is not None:
        adopt(order.refund_id, found)
    return found is not None


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
    row.key_used_at, row.search_began_at = database_now(session), None
    row.finding = ""
    move(session, row, states.EXECUTING, {"attempt": row.attempt})


def follow_up(refund_id: str) -> float | None:
    """Learn what has become of a refund, whoever died; returns after how many seconds to look again, None at its end.

    After success the bank's reference is still to come.
    """
    with db.reading() as session:
        row = queries.by_id(session, refund_id)
    if row.finding or row.state in states.FREED or row.state in states.UNDECIDED or row.state == states.UNKNOWN:
        return None
    if row.stripe_refund_id is None:
        wait = execute(refund_id)
        return LOOK_AGAIN_SECONDS if wait is None else wait
    return LOOK_AGAIN_SECONDS if _has_more_to_tell(row, refresh(refund_id)) else None


def _has_more_to_tell(row: Refund, found: gateway.Refund) -> bool:
    if found.status == states.SUCCEEDED:
        return not found.bank_reference and clock.now() - row.asked_at < policy.REFERENCE_COMES_WITHIN
    if found.status in {states.FAILED, states.CANCELED}:
        return found.movement is not None and found.return_movement is None
    return True
