"""Giving the money back, once: what was approved is sent to Stripe under a key from the row, and never guessed about.

How the row and its refund at Stripe are kept together is portal.stripe_sync's. This is stricter than for what takes no money: a refund
that Stripe's list does not show may exist all the same, now or soon. When Stripe has kept a failure under the key, the list is searched
again and again over the time of PORTAL_REFUND_SEARCH_SECONDS. Then, if the list and a fresh read of the charge agree that it was never
made, it is sent under the next attempt's key. What stays unclear, and what the list does not show once the key may be forgotten, is
`unknown`: a person decides whether it is sent once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from portal import gateway, stripe_sync
from portal.core import audit, clock, company_days, config, crash, db, recovery
from portal.core.db import database_now
from portal.core.errors import Conflict
from portal.core.method_kinds import KINDS
from portal.core.money import Money
from portal.core.synced_rows import Phase, hold_for_review, touch
from portal.disputes import queries as disputes
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.refunds import policy, queries, statuses
from portal.refunds.models import Refund
from portal.refunds.settling import announce, apply, lock_payment_of, mismatch, move
from portal.refunds.statuses import RefundStatus
from portal.stripe_sync import MOST_ATTEMPTS, Undetermined

log = structlog.get_logger(__name__)

# Why a refund was not sent, beside Stripe's own reasons for one that failed.
DISPUTED = "charge_disputed"
METHOD_OVER = "refund_window_of_method_over"
NOTHING_LEFT = "charge_already_refunded"
NOT_PAID = "payment_not_succeeded"

# After the sending Stripe's webhooks tell what happens; the follow-up is for those that are lost. Seconds.
CHECK_AGAIN_SECONDS: Final = 6 * 3600
# Between the first look at Stripe's list and the second; after that as long as it has been searched already, so the waits double.
FIRST_WAIT: Final = timedelta(seconds=10)
# A list and a charge that contradict each other for so long are a person's to look at.
UNCLEAR_AFTER: Final = timedelta(hours=23)


class UnderReview(Conflict):
    """Staff look at this refund: nothing is sent for it."""


def execute(refund_id: str) -> float | None:
    """Send an approved refund, or find out about one whose answer was lost. A second call sends nothing twice.

    Returns after how many seconds to look again, while Stripe's list is being searched. Raises the gateway's errors while nothing is
    known: the job comes again, under the same key.
    """
    recovery.refuse_now()
    row = _begin(refund_id)
    crash.point("refund begun")
    if isinstance(row, float):
        return row
    if row is None or (row.phase == Phase.RECORDED and not _is_possible(row)):
        return None
    crash.point("refund checked")
    try:
        stripe_sync.ensure(KIND, refund_id)
    except gateway.NotRefundable as refusal:
        _fail(refund_id, refusal.code)
    except Undetermined as unclear:
        return unclear.seconds
    except UnderReview:
        log.info("refund_under_review", refund_id=refund_id)
    return None


def _begin(refund_id: str) -> Refund | float | None:
    """The row of a refund to be sent, or to be found out about; None when nothing is to be done, or when it cannot be done any more.

    Seconds, while its approval can still be undone.
    """
    with db.transaction() as session:
        row = locked(session, refund_id)
        if (
            row.review_reason
            or row.phase == Phase.KNOWN
            or row.status not in {RefundStatus.APPROVED, RefundStatus.EXECUTING}
        ):
            return None
        if row.status == RefundStatus.APPROVED:
            if row.held_until is not None:
                left = (row.held_until - database_now(session)).total_seconds()
                if left > 0:
                    return left
                row.held_until = None
                announce(session, row, RefundStatus.REQUESTED)
            refusal = why_not(session, session.get_one(Payment, row.payment_id))
            if refusal:
                _note_failure(session, row, refusal)
                return None
            move(session, row, RefundStatus.EXECUTING)
        return row


def why_not(session: Session, payment: Payment) -> str:
    """Why money of this payment must not be given back now, or an empty text. In a transaction that holds the payment's lock."""
    if not payment.has_succeeded or payment.stripe_intent_id is None:
        return NOT_PAID
    if disputes.blocking(session, payment.id) is not None:
        return DISPUTED
    kind = KINDS.get(payment.method_kind)
    days = kind.refunds.days if kind else None
    if (
        days is not None
        and payment.succeeded_at
        and company_days.today() > policy.day_after(payment.succeeded_at, days)
    ):
        return METHOD_OVER
    return ""


def _is_possible(row: Refund) -> bool:
    """Ask Stripe itself before anything is sent: the bank may have taken the money, or someone given it back at the dashboard.

    Or it was we who gave it back, and the database was restored from a backup since.
    """
    intent_id = _prepare(row)["intent_id"]
    intent = gateway.current().retrieve_intent(intent_id)
    if intent.charge is not None and intent.charge.refunded:
        found = _ours(row.id, gateway.current().list_refunds(intent_id))
        if found is not None:
            adopt(row.id, found)
            return False
    refusal = _refusal(intent, row.amount)
    if refusal:
        _fail(row.id, refusal)
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


# What is sent


def _prepare(row: Refund) -> Mapping[str, Any]:
    with db.reading() as session:
        payment = session.get_one(Payment, row.payment_id)
        is_of_several = len(payments.allocations_of(session, payment.id)) > 1
    named = {"refund_invoice": row.invoice_id} if is_of_several and row.invoice_id else {}
    return {
        "intent_id": payment.stripe_intent_id or "",
        "amount": row.amount_minor,
        "currency": row.currency,
        "reason": policy.reason_at_stripe(row.reason),
        "metadata": {"refund_id": row.id, **named},
    }


def _create(key: str, sent: Mapping[str, Any]) -> gateway.Refund:
    given = dict(sent)
    amount = Money(given.pop("amount"), given.pop("currency"))
    return gateway.current().create_refund(key, amount=amount, **given)


# What Stripe's list shows


def _ours(refund_id: str, listed: Iterable[gateway.Refund]) -> gateway.Refund | None:
    return next((one for one in listed if one.metadata.get("refund_id") == refund_id), None)


def _find(row: Refund) -> gateway.Refund | None:
    """The refund at Stripe that carries our id. None when it was surely never made, and may be sent under another key.

    Raises Undetermined while that is unclear, and where it is not to be sent: it has an outcome meanwhile, failed, or is left to staff.
    """
    intent_id = (row.sent or {})["intent_id"]
    listed = list(gateway.current().list_refunds(intent_id))
    found = _ours(row.id, listed)
    if found is not None:
        return found
    intent = gateway.current().retrieve_intent(intent_id)
    with db.transaction() as session:
        unclear = _judge(session, locked(session, row.id), row.attempt, intent, listed)
    if unclear is not None:
        raise unclear
    return None


def _judge(
    session: Session, row: Refund, attempt: int, intent: gateway.Intent, listed: Sequence[gateway.Refund]
) -> Undetermined | None:
    """What follows from a list that does not show this refund; None when it was surely never made."""
    if row.status != RefundStatus.EXECUTING or row.phase == Phase.KNOWN or row.attempt != attempt:
        return Undetermined(None)  # somebody else has found it, decided on it or begun another attempt meanwhile
    if row.phase != Phase.SEARCHED:  # the key may be forgotten
        return _leave_to_staff(session, row)
    now = database_now(session)
    if row.search_began_at is None:
        row.search_began_at = now
        touch(row)
        audit.record(session, "refund.searched", row.id, {"attempt": row.attempt}, customer_id=row.customer_id)
    searched, agreed = now - row.search_began_at, _agree(intent, listed)
    wait = _wait(searched, agreed=agreed)
    if wait is not None:
        return Undetermined(wait)
    if not agreed or row.attempt >= MOST_ATTEMPTS:
        return _leave_to_staff(session, row)
    refusal = _refusal(intent, row.amount)
    if refusal:
        _note_failure(session, row, refusal)
        return Undetermined(None)
    return None


def _wait(searched: timedelta, *, agreed: bool) -> float | None:
    """After how many seconds to search again; None when it has been searched for long enough."""
    whole = timedelta(seconds=config.current().refund_search_seconds)
    if searched < whole:
        return min(max(searched, FIRST_WAIT), whole - searched).total_seconds()
    if not agreed and searched < UNCLEAR_AFTER:
        return max(searched, FIRST_WAIT).total_seconds()
    return None


def _agree(intent: gateway.Intent, listed: Sequence[gateway.Refund]) -> bool:
    """Whether a charge says that as much was given back as its refunds come to: then none is missing from the list."""
    made = sum(one.amount.minor for one in listed if one.status not in {RefundStatus.FAILED, RefundStatus.CANCELED})
    return intent.charge is not None and intent.charge.refunded.minor == made


def _leave_to_staff(session: Session, row: Refund) -> Undetermined:
    move(session, row, RefundStatus.UNKNOWN)
    hold_for_review(
        session, row, "Stripe's answer was lost, and its list does not show this refund: send it again, or not?"
    )
    return Undetermined(None)


def send_again(session: Session, row: Refund) -> None:
    """A person has decided that an unknown refund is sent once more, under a new key; in the caller's transaction."""
    row.review_reason = ""
    row.begin_anew()
    move(session, row, RefundStatus.EXECUTING, {"attempt": row.attempt})


def _fail(refund_id: str, reason: str) -> None:
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.status in {RefundStatus.APPROVED, RefundStatus.EXECUTING} and row.phase != Phase.KNOWN:
            _note_failure(session, row, reason)


def _note_failure(session: Session, row: Refund, reason: str) -> None:
    row.failed_at = clock.now()
    row.failure_reason = reason
    log.warning("refund_not_sent", refund_id=row.id, reason=reason)
    move(session, row, RefundStatus.FAILED, {"failure": reason})


# What is known


def _store(session: Session, row: Refund, found: gateway.Refund) -> None:
    if row.status in statuses.UNSENT:  # it was sent all the same: the database was restored from a backup meanwhile
        move(session, row, RefundStatus.EXECUTING)
    if row.status == RefundStatus.UNKNOWN:  # what staff were asked has its answer
        row.review_reason = ""
    facts = {"stripe_refund": found.id}
    audit.record(session, "refund.known_at_stripe", row.id, facts, customer_id=row.customer_id)


def _cannot_cancel(_stripe_id: str, _key: str) -> None:
    """What is sent back by card cannot be called off."""


KIND: Final[stripe_sync.Kind[Refund, gateway.Refund]] = stripe_sync.Kind(
    model=Refund,
    column="stripe_refund_id",
    under_review=UnderReview,
    lock_first=lock_payment_of,
    prepare=_prepare,
    revise=lambda _row, _refusal: None,
    key=lambda row: f"refund:{row.id}:{row.attempt}",
    create=_create,
    find=_find,
    stored=_store,
    fetch=lambda stripe_id: gateway.current().retrieve_refund(stripe_id),
    differs=mismatch,
    hold=hold_for_review,
    has_changes=lambda _row, _found: True,  # what is booked already is known by its movement
    gather=lambda _found: None,
    apply=lambda session, row, found, _nothing: apply(session, row, found),
    cancel=_cannot_cancel,
    can_cancel=lambda _found: False,
)


def locked(session: Session, refund_id: str) -> Refund:
    """The row, with its payment locked before it. Raises NotFound."""
    return stripe_sync.locked(KIND, session, refund_id)


def refresh(refund_id: str) -> gateway.Refund:
    """Fetch the refund from Stripe and take over what it says. Raises as stripe_sync.refresh does."""
    return stripe_sync.refresh(KIND, refund_id)


def adopt(refund_id: str, found: gateway.Refund) -> None:
    """Store which of Stripe's refunds is this row's, then take over what it says. A second call changes nothing.

    A row that has another one already is held for review: money may have gone back twice.
    """
    try:
        stripe_sync.adopt(KIND, refund_id, found)
    except UnderReview:
        log.error("second_refund", refund_id=refund_id, stripe_refund=found.id)


def follow_up(refund_id: str) -> float | None:
    """Learn what has become of a refund, whoever died; returns after how many seconds to look again, None at its end.

    After success the bank's reference is still to come.
    """
    with db.reading() as session:
        row = queries.by_id(session, refund_id)
    if (
        row.review_reason
        or row.status in statuses.FREED
        or row.status in statuses.UNDECIDED
        or row.status == RefundStatus.UNKNOWN
    ):
        return None
    if row.phase != Phase.KNOWN:
        wait = execute(refund_id)
        return CHECK_AGAIN_SECONDS if wait is None else wait
    return CHECK_AGAIN_SECONDS if _has_more_to_tell(row, refresh(refund_id)) else None


def _has_more_to_tell(row: Refund, found: gateway.Refund) -> bool:
    if found.status == RefundStatus.SUCCEEDED:
        return not found.acquirer_reference_number and clock.now() - row.asked_at < policy.REFERENCE_COMES_WITHIN
    if found.status in {RefundStatus.FAILED, RefundStatus.CANCELED}:
        return found.movement is not None and found.return_movement is None
    return True
