"""Refunds, as pages, jobs and other features use them.

- `asking`: a customer asks, staff propose, a request is withdrawn; the amount is reserved.
- `deciding`: claims, approvals with four eyes, refusals, and what a person decides about an unknown refund.
- `resolving`: what staff do about a refund that has failed.
- `crediting`: what is given back, in the books.
- `executing` and `settling`: the worker's part, and Stripe's word.

Here stands what nobody asks for: what was paid twice goes back, and what Stripe tells is taken in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.orm import Session

from portal import gateway
from portal.core import audit, clock, crash, db
from portal.core.db import new_id
from portal.core.errors import Conflict
from portal.core.synced_rows import hold_for_review
from portal.invoices.statuses import InvoiceStatus
from portal.jobs import outbox
from portal.payments import jobs as payment_jobs
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.payments.statuses import Duplicate
from portal.refunds import executing, jobs, queries, statuses
from portal.refunds.asking import (
    LONGEST_TEXT,
    AlreadyDecided,
    NotRefundable,
    WindowOver,
    add,
    ask,
    drafted,
    propose,
    why_not_refundable,
    windows,
    withdraw,
)
from portal.refunds.crediting import credit, credited, take_again
from portal.refunds.deciding import (
    CLAIM_HOLDS,
    ClaimedByOther,
    FourEyes,
    HeldForReview,
    NotYours,
    OwnProposal,
    ShownByStripe,
    TooLate,
    approve,
    approve_own,
    claim,
    decide,
    give_up,
    is_claimed,
    lift_review,
    may_approve,
    needs_two,
    reject,
    release,
    send_again,
    shown_threshold,
    undo,
    why_two,
)
from portal.refunds.executing import KIND, adopt, refresh
from portal.refunds.handling import (
    MOST_AT_ONCE,
    NotTogether,
    answer,
    approve_all,
    ask_customer,
    assign_all,
    deciders,
    reject_all,
    undo_all,
)
from portal.refunds.models import Refund, RefundOrigin, RefundStep
from portal.refunds.policy import RefundReason
from portal.refunds.resolving import NotFailed, close, pay_outside, replace
from portal.refunds.settling import lock_payment
from portal.refunds.statuses import RefundStatus
from portal.refunds.sums import needs_two_among
from portal.stripe_sync import link

__all__ = [
    "CLAIM_HOLDS",
    "LONGEST_TEXT",
    "MOST_AT_ONCE",
    "AlreadyDecided",
    "ClaimedByOther",
    "FourEyes",
    "HeldForReview",
    "NotFailed",
    "NotRefundable",
    "NotTogether",
    "NotYours",
    "OwnProposal",
    "ShownByStripe",
    "TooLate",
    "WindowOver",
    "answer",
    "approve",
    "approve_all",
    "approve_own",
    "ask",
    "ask_customer",
    "assign_all",
    "claim",
    "close",
    "credit",
    "credited",
    "deciders",
    "give_up",
    "is_claimed",
    "labels",
    "lift_review",
    "may_approve",
    "needs_two",
    "needs_two_among",
    "pay_outside",
    "propose",
    "refresh",
    "reject",
    "reject_all",
    "release",
    "replace",
    "requeue_lost_jobs",
    "return_duplicate",
    "send_again",
    "shown_threshold",
    "sync_refund",
    "sync_refunds_of",
    "take_again",
    "undo",
    "undo_all",
    "why_not_refundable",
    "why_two",
    "windows",
    "withdraw",
]

_ID: Final = re.compile(r"rfd_[0-9a-z]{26}")
# Of an older duplicate staff have decided; the job that gave it back may be forgotten.
DUPLICATES_SINCE: Final = timedelta(days=3)


# What the portal does by itself


def return_duplicate(payment_id: str) -> str | None:
    """Give back what was paid twice: the one refund that nobody has to approve.

    That is a payment of an invoice that was paid when the money arrived, or the money that a second intent of a payment has taken.
    Of a payment of several invoices there is a refund for each. Returns the id of the first one, also on a second call; None when the
    payment is no duplicate after all. Raises Conflict while the payment has not arrived.
    """
    with db.transaction() as session:
        payment = lock_payment(session, payment_id)
        known = queries.of_duplicate(session, payment_id)
        if known is not None:
            return known.id
        if not payment.has_succeeded:
            raise Conflict
        if executing.why_not(session, payment):
            return None
        given: list[str] = []
        for invoice_id in _paid_twice(session, payment):
            left = queries.remaining(session, payment, invoice_id)
            if left.minor > 0:
                key = f"duplicate:{payment_id}:{len(given) + 1}" if given else f"duplicate:{payment_id}"
                why, origin = RefundReason.DUPLICATE, RefundOrigin.PORTAL
                row = add(session, payment, invoice_id, left, why, "", origin=origin, user_id=None, client_key=key)
                decide(session, row, None)
                given.append(row.id)
        return next(iter(given), None)


def _paid_twice(session: Session, payment: Payment) -> list[str | None]:
    """What goes back of a duplicate by itself: each of its invoices that another payment has paid, or all of it, which is of none."""
    match payment.duplicate:
        case Duplicate.PAID_TWICE:  # an invoice that was withdrawn is staff's to decide
            found = payments.allocations_of(session, payment.id)
            return [one.invoice_id for one in found if one.invoice.status == InvoiceStatus.PAID]
        case Duplicate.SECOND_INTENT:
            return [None]
        case None:
            return []


# What Stripe tells


def sync_refund(stripe_refund_id: str) -> bool:
    """Stripe says that something happened to a refund: learn what. Returns False when it is of none of our payments.

    One whose id we lost is found by its metadata and adopted. One that was made at Stripe's dashboard is recorded as it is there.
    """
    with db.reading() as session:
        known = queries.by_stripe_id(session, stripe_refund_id)
    if known is not None:
        refresh(known.id)
        return True
    return _take_in(gateway.current().retrieve_refund(stripe_refund_id))


def sync_refunds_of(intent_id: str) -> bool:
    """Stripe says that a payment was refunded: take in every refund that it shows of it."""
    with db.reading() as session:
        ours = payments.by_intent(session, intent_id) is not None
    if ours:
        for found in list(gateway.current().list_refunds(intent_id)):
            _take_in(found)
    return ours


def _take_in(found: gateway.Refund) -> bool:
    with db.reading() as session:
        row = session.get(Refund, found.metadata.get("refund_id", "")) or queries.by_stripe_id(session, found.id)
        payment = payments.by_intent(session, found.intent_id or "")
    if row is not None:
        adopt(row.id, found)
        return True
    if payment is None:
        return False
    refund_id = _record_foreign(payment.id, found)
    crash.point("foreign refund recorded")
    adopt(refund_id, found)
    return True


def _record_foreign(payment_id: str, found: gateway.Refund) -> str:
    """A refund that was made at Stripe without us: nobody here asked for it or decided on it."""
    with db.transaction() as session:
        payment = lock_payment(session, payment_id)
        known = queries.by_stripe_id(session, found.id)
        if known is not None:
            return known.id
        beyond = found.amount > queries.sums(session, payment).remaining
        lost = _lost(found)
        key = f"stripe:{found.id}"
        invoice_id = _invoice_of(session, payment, found)
        row = drafted(
            payment, invoice_id, found.amount, lost.reason, "", origin=lost.origin, user_id=None, client_key=key
        )
        row.id = lost.refund_id or row.id
        session.add(row)
        row.asked_at = row.sent_at = found.created
        row.status = RefundStatus.EXECUTING
        link(KIND, row, found.id)  # so that nothing is ever sent for this row
        session.add(RefundStep(id=new_id("rfs"), refund_id=row.id, at=found.created, status=RefundStatus.EXECUTING))
        facts = {"stripe_refund": found.id, "amount": str(found.amount)}
        if lost.refund_id:
            audit.record(session, "refund.brought_back", row.id, facts, customer_id=row.customer_id)
        else:
            audit.record(session, "refund.made_at_stripe", row.id, facts, customer_id=row.customer_id)
        jobs.follow_up.enqueue(session, refund_id=row.id)
        if beyond:
            _mark_others(session, payment, row)
        return row.id


def _invoice_of(session: Session, payment: Payment, found: gateway.Refund) -> str | None:
    """Which invoice a refund gives back that was made without us: the one that we named, the only one, or the only one of which just so
    much is left. Else none: then it lowers no price, and a bookkeeper finds it on OTHER.
    """
    paid = [one.invoice_id for one in payments.allocations_of(session, payment.id)]
    named = found.metadata.get("refund_invoice", "")
    if named in paid or len(paid) <= 1:
        return named or next(iter(paid), None)
    fitting = [one for one in paid if queries.remaining(session, payment, one) == found.amount]
    return fitting[0] if len(fitting) == 1 else None


@dataclass(frozen=True, slots=True)
class _Lost:
    """What Stripe tells of a refund beyond its money: `refund_id` is missing of one that was made without us."""

    refund_id: str | None
    reason: RefundReason
    origin: RefundOrigin


def _lost(found: gateway.Refund) -> _Lost:
    """One that we sent, and that the database has lost, is called as it was, and as far as `labels` were written, tells why it was."""
    named = found.metadata
    if not _ID.fullmatch(named.get("refund_id", "")):
        return _Lost(None, RefundReason.OTHER, RefundOrigin.STRIPE)
    reason, origin = named.get("refund_reason", ""), named.get("refund_origin", "")
    return _Lost(
        named["refund_id"],
        RefundReason(reason) if reason in set(RefundReason) else RefundReason.OTHER,
        RefundOrigin(origin) if origin in set(RefundOrigin) else RefundOrigin.STRIPE,
    )


def labels(row: Refund) -> dict[str, str]:
    """What only our database knows of a refund, as entries of its metadata at Stripe."""
    return {"refund_reason": row.reason, "refund_origin": row.origin}


def _mark_others(session: Session, payment: Payment, foreign: Refund) -> None:
    """What was asked for here is not left any more: staff must see it before they decide. The execution would refuse it, too."""
    for other in queries.of_payment(session, payment.id):
        if other.id != foreign.id and other.status in statuses.UNDECIDED:
            hold_for_review(
                session,
                other,
                "money of this payment was given back at Stripe's dashboard meanwhile: too little is left",
            )


def requeue_lost_jobs() -> int:
    """Leave a job for each refund under way, and each payment that was paid twice, that has none; returns how many.

    A second run finds nothing more.
    """
    with db.transaction() as session:
        lost = queries.left_behind(session, outbox.MOST_REQUEUED)
        for refund_id in lost:
            jobs.follow_up.requeue(session, refund_id=refund_id)
        since = clock.now() - DUPLICATES_SINCE
        twice = queries.duplicates_left_behind(session, since, outbox.MOST_REQUEUED)
        for payment_id in twice:
            payment_jobs.return_duplicate.enqueue(session, payment_id=payment_id)
        return len(lost) + len(twice)
