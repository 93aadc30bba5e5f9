"""Deciding on a refund: who may, who looks at it meanwhile, and when two people must agree.

Whoever decides is checked here, not in the pages. What is approved is frozen, and its job left, in one transaction.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal import gateway
from portal.accounts import access
from portal.core import audit, clock, config, crash, db, four_eyes, money, permissions
from portal.core.db import database_now
from portal.core.errors import N_, Conflict, Forbidden, Invalid
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.core.permissions import Permission
from portal.core.synced_rows import touch
from portal.identity import queries as accounts
from portal.identity.models import User
from portal.payments.models import Payment
from portal.refunds import executing, jobs, policy, queries, statuses, sums
from portal.refunds.asking import AlreadyDecided, check_amount, plain_text, refuse_where_impossible
from portal.refunds.executing import adopt, locked
from portal.refunds.models import Refund, RefundOrigin
from portal.refunds.policy import RefundReason
from portal.refunds.settling import move
from portal.refunds.statuses import RefundStatus

# While someone looks at a request, nobody else decides it; whoever forgets it loses it after this long.
CLAIM_HOLDS: Final = timedelta(minutes=15)


class ClaimedByOther(Conflict):
    code = "refund_claimed"
    message = N_("%(name)s is reviewing this refund. Please leave it to them or wait a few minutes.")


class HeldForReview(Conflict):
    code = "refund_needs_review"
    message = N_("This refund is on hold. An approver must remove the hold before it can be approved.")


class FourEyes(four_eyes.FourEyes):
    message = N_("Two people must approve this amount, and you already have. Please ask a colleague.")


class OwnProposal(four_eyes.FourEyes):
    message = N_("You proposed this refund, so it cannot be approved by you. Please ask a colleague.")


class NotYours(Forbidden):
    code = "role_too_low"
    message = N_("Your role may not approve this amount. Please ask an approver.")


class TooLate(Conflict):
    code = "refund_sent"
    message = N_("This can no longer be undone: the refund is being sent, or a colleague has decided meanwhile.")


class ShownByStripe(Conflict):
    code = "refund_found"
    message = N_("Stripe shows this refund after all. It was not sent again.")


def claim(refund_id: str, reviewer: Reviewer) -> None:
    """Look at a request, so that nobody else decides it meanwhile; it holds for CLAIM_HOLDS, and again with each call.

    Raises AlreadyDecided, ClaimedByOther, NotFound, Forbidden.
    """
    only_deciders(reviewer)
    with db.transaction() as session:
        row = undecided(session, refund_id, reviewer)
        if row.claimed_by != reviewer.id:
            audit.record(session, "refund.claimed", row.id, customer_id=row.customer_id)
        row.claimed_by, row.claimed_at = reviewer.id, clock.now()


def release(refund_id: str, reviewer: Reviewer) -> None:
    """Give a claim back. One that is someone else's, or none, stays as it is."""
    only_deciders(reviewer)
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.claimed_by == reviewer.id:
            row.claimed_by = row.claimed_at = None


def approve(
    refund_id: str, reviewer: Reviewer, *, amount: Money | None = None, note: str = "", undo_seconds: int = 0
) -> str:
    """Approve a refund, in full or for less; returns its status: `approved`, or `approved_once` while a second person must agree.

    For `undo_seconds` nothing is sent, and `undo` takes it back. What is approved is frozen. A changed amount voids the approval that was
    there. Raises AlreadyDecided, ClaimedByOther, OwnProposal, FourEyes and NotYours (the threshold of its currency, and sums of a day),
    HeldForReview while it is held for review (it would not be sent), NotRefundable, Invalid for an amount that was not asked for, NotFound.
    """
    only_deciders(reviewer)
    with db.transaction() as session:
        return approve_in(session, refund_id, reviewer, amount=amount, note=note, undo_seconds=undo_seconds)


def approve_in(
    session: Session,
    refund_id: str,
    reviewer: Reviewer,
    *,
    amount: Money | None = None,
    note: str = "",
    undo_seconds: int = 0,
) -> str:
    """As `approve`, in the caller's transaction, which ends without a change where this raises."""
    note = plain_text(note, "note")
    row = undecided(session, refund_id, reviewer)
    if row.review_reason:
        raise HeldForReview
    payment = session.get_one(Payment, row.payment_id)
    refuse_where_impossible(session, payment)
    if row.reason == RefundReason.OTHER and not (note or row.staff_note or row.origin == RefundOrigin.STAFF):
        raise Invalid(N_("Please add a note if the reason is “Another reason”."), field="note")
    _change_amount(session, row, payment, amount)
    if note:
        row.staff_note = note
    sums.lock(session, [row], *filter(None, (reviewer.id, row.asked_by)))
    if not may_approve(session, row, reviewer):
        raise OwnProposal
    row.waiting_since = None
    if row.status == RefundStatus.APPROVED_ONCE:
        _agree(session, row, reviewer, undo_seconds)
        return row.status
    if reason := why_two(session, row, reviewer):
        _approve_first(session, row, reviewer, reason)
    else:
        decide(session, row, reviewer, undo_seconds)
    return row.status


def approve_own(refund_id: str, reviewer: Reviewer) -> str:
    """Approve a refund that one has just proposed oneself, where the settings let one; returns its status.

    Where they do not it stays as it is, and waits for a colleague. A second call changes nothing.
    """
    with db.reading() as session:
        row = queries.by_id(session, refund_id)
        if (
            row.status != RefundStatus.REQUESTED
            or row.asked_by != reviewer.id
            or not may_approve(session, row, reviewer)
        ):
            return row.status
    return approve(refund_id, reviewer)


def may_approve(session: Session, row: Refund, reviewer: Reviewer) -> bool:
    """Whether this person may approve it at all: who proposed it may not, but for small sums where the settings say so."""
    if row.origin != RefundOrigin.STAFF or row.asked_by != reviewer.id:
        return True
    return policy.may_approve_own(sums.day_of_own(session, row, reviewer.id))


def needs_two(session: Session, row: Refund) -> bool:
    """Whether two people must approve this refund, whoever of them comes first."""
    return bool(why_two(session, row, None))


def why_two(session: Session, row: Refund, reviewer: Reviewer | None) -> str:
    """Why two people must approve this refund, if this one is the first: sums.AMOUNT, OF_STAFF or OF_CUSTOMER, or an empty text.

    What was given back of the payment before counts, and what the approver, who proposed it and its customer have come to within a day:
    nobody splits an amount.
    """
    return sums.why_two(
        row,
        reviewer.id if reviewer else None,
        queries.given_back_with(session, row),
        of_staff=lambda person: sums.day_of_staff(session, row, person),
        of_customer=lambda: sums.day_of_customer(session, row),
    )


def _approve_first(session: Session, row: Refund, reviewer: Reviewer, reason: str) -> None:
    row.first_approved_by, row.first_approved_at = reviewer.id, clock.now()
    row.claimed_by = row.claimed_at = None
    move(session, row, RefundStatus.APPROVED_ONCE, {"by": reviewer.id, "because_of": reason})
    if reason != sums.AMOUNT:
        jobs.mail_sums.enqueue(session, refund_id=row.id, version=row.version, reason=reason)


def _change_amount(session: Session, row: Refund, payment: Payment, amount: Money | None) -> None:
    if amount is None or amount == row.amount:
        return
    check_amount(amount, min(row.asked, queries.sums(session, payment).remaining + row.amount))
    before, row.amount_minor = row.amount, amount.minor
    facts = {"before": str(before), "after": str(amount)}
    audit.record(session, "refund.amount_changed", row.id, facts, customer_id=row.customer_id)
    if row.status == RefundStatus.APPROVED_ONCE:
        row.first_approved_by = row.first_approved_at = None
        move(session, row, RefundStatus.REQUESTED, {"void": "the amount was changed"})


def _agree(session: Session, row: Refund, reviewer: Reviewer, undo_seconds: int) -> None:
    """The second approval: by neither the one who asked nor the one who approved first."""
    if reviewer.id in {row.asked_by, row.first_approved_by}:
        raise FourEyes
    if not reviewer.may(Permission.APPROVE_LARGE_REFUNDS):
        raise NotYours
    decide(session, row, reviewer, undo_seconds)


def decide(session: Session, row: Refund, reviewer: Reviewer | None, undo_seconds: int = 0) -> None:
    """In the caller's transaction: approved, and its job left, which is due when it cannot be undone any more."""
    row.held_until = database_now(session) + timedelta(seconds=undo_seconds) if undo_seconds else None
    row.decided_by, row.decided_at = reviewer.id if reviewer else None, clock.now()
    row.claimed_by = row.claimed_at = None
    facts: dict[str, object] = {"by": reviewer.id if reviewer else "portal"}
    move(session, row, RefundStatus.APPROVED, facts, held=bool(undo_seconds))
    jobs.execute.enqueue_in(session, undo_seconds, refund_id=row.id)


def undo(refund_id: str, reviewer: Reviewer) -> None:
    """Take back one's own approval: the refund waits for a decision as before it. The first of two approvals can be taken back as long as
    nobody has given the second; the deciding one as long as it is held, of which nobody outside has been told.

    The worker's job and this meet under the payment's lock, and only one of them finds the refund approved. A second call raises TooLate,
    as does every other case in which there is nothing to take back. Raises NotFound, Forbidden.
    """
    only_deciders(reviewer)
    with db.transaction() as session:
        undo_in(session, refund_id, reviewer)
        crash.point("refund undone")


def undo_in(session: Session, refund_id: str, reviewer: Reviewer) -> None:
    """As `undo`, in the caller's transaction; where this raises, nothing is changed by it."""
    row = locked(session, refund_id)
    before = row.status
    if before == RefundStatus.APPROVED_ONCE and row.first_approved_by == reviewer.id:
        row.status, row.first_approved_by, row.first_approved_at = RefundStatus.REQUESTED, None, None
    elif before == RefundStatus.APPROVED and row.decided_by == reviewer.id and _is_held(session, row):
        row.status = RefundStatus.APPROVED_ONCE if row.first_approved_by else RefundStatus.REQUESTED
        row.decided_by = row.decided_at = row.held_until = None
    else:
        raise TooLate
    touch(row)
    queries.drop_newest_step(session, row.id, before)  # the customer does not read of what was taken back
    audit.record(
        session, "refund.approval_undone", row.id, {"before": before, "after": row.status}, customer_id=row.customer_id
    )


def _is_held(session: Session, row: Refund) -> bool:
    """Whether it surely is not sent yet: its time is not over, and no worker has begun its job, which is taken back by this."""
    if row.held_until is None or row.held_until <= database_now(session):
        return False
    return jobs.execute.cancel(session, refund_id=row.id)


def reject(refund_id: str, reviewer: Reviewer, *, rejection: str, note: str = "") -> None:
    """Refuse a refund with a reason that the customer reads. Raises AlreadyDecided, ClaimedByOther, Invalid, NotFound."""
    only_deciders(reviewer)
    with db.transaction() as session:
        reject_in(session, refund_id, reviewer, rejection=rejection, note=note)


def reject_in(session: Session, refund_id: str, reviewer: Reviewer, *, rejection: str, note: str = "") -> None:
    """As `reject`, in the caller's transaction."""
    rejection, note = plain_text(rejection, "rejection"), plain_text(note, "note")
    if not rejection:
        raise Invalid(N_("Please tell the customer why."), field="rejection")
    row = undecided(session, refund_id, reviewer)
    row.rejection = rejection
    row.staff_note = note or row.staff_note
    row.decided_by, row.decided_at = reviewer.id, clock.now()
    row.claimed_by = row.claimed_at = row.waiting_since = None
    move(session, row, RefundStatus.REJECTED, {"by": reviewer.id})


def lift_review(refund_id: str, reviewer: Reviewer) -> None:
    """What was found has been looked at: the refund can be decided like all others. A second call changes nothing.

    Raises NotYours, AlreadyDecided (what is under way is decided by send_again and give_up), ClaimedByOther, NotFound.
    """
    if not reviewer.may(Permission.RESOLVE_REFUNDS):
        raise NotYours
    with db.transaction() as session:
        row = undecided(session, refund_id, reviewer)
        if not row.review_reason:
            return
        facts = {"review_reason": row.review_reason}
        row.review_reason = ""
        touch(row)
        audit.record(session, "refund.review_lifted", row.id, facts, customer_id=row.customer_id)


@access.gives_back
def release_all_of(session: Session, user: User) -> dict[str, int]:
    """Claims of someone who may not decide any more, and what was assigned to them, are free for others, in the caller's transaction."""
    if user.active and permissions.may(user.role, Permission.DECIDE_REFUNDS):
        return {}
    waits = Refund.status.in_(statuses.UNDECIDED)
    session.execute(
        update(Refund)
        .where(waits, Refund.assigned_to == user.id)
        .values(assigned_to=None)
        .execution_options(synchronize_session=False)
    )
    held = (waits, Refund.claimed_by == user.id)
    freed = update(Refund).where(*held).values(claimed_by=None, claimed_at=None).returning(Refund.id)
    return {"claims_released": len(session.execute(freed.execution_options(synchronize_session=False)).all())}


def only_deciders(reviewer: Reviewer) -> None:
    """Raises Forbidden for all whose role does not include it."""
    if not reviewer.may(Permission.DECIDE_REFUNDS):
        raise Forbidden


def undecided(session: Session, refund_id: str, reviewer: Reviewer) -> Refund:
    """The row, locked. Raises AlreadyDecided, ClaimedByOther, NotFound."""
    row = locked(session, refund_id)
    if row.status not in statuses.UNDECIDED:
        raise AlreadyDecided
    if is_claimed(row) and row.claimed_by != reviewer.id:
        raise ClaimedByOther(name=accounts.user(session, str(row.claimed_by)).name)
    return row


def is_claimed(row: Refund) -> bool:
    """Whether someone is looking at it now."""
    return row.claimed_at is not None and clock.now() - row.claimed_at < CLAIM_HOLDS


# What a person decides about an unknown one


def send_again(refund_id: str, reviewer: Reviewer) -> None:
    """Send an unknown refund once more, after a last look at Stripe's list.

    Raises ShownByStripe, having taken it over, when Stripe has it after all; NotYours, Conflict when it is not unknown, and the
    gateway's errors.
    """
    if not reviewer.may(Permission.RESOLVE_REFUNDS):
        raise NotYours
    if _is_shown_by_stripe(refund_id):
        raise ShownByStripe
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.status != RefundStatus.UNKNOWN:
            raise Conflict
        executing.send_again(session, row)
        jobs.execute.requeue(session, refund_id=row.id)


def give_up(refund_id: str, reviewer: Reviewer) -> None:
    """Declare that an unknown refund was never made: its amount is free again. Raises as `send_again` does."""
    if not reviewer.may(Permission.RESOLVE_REFUNDS):
        raise NotYours
    if _is_shown_by_stripe(refund_id):
        raise ShownByStripe
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.status != RefundStatus.UNKNOWN:
            raise Conflict
        row.review_reason = ""
        row.failed_at = clock.now()
        row.failure_reason = "not_sent"
        move(session, row, RefundStatus.FAILED, {"by": reviewer.id})


def _is_shown_by_stripe(refund_id: str) -> bool:
    with db.reading() as session:
        intent_id = queries.by_id(session, refund_id).payment.stripe_intent_id
    for found in gateway.current().list_refunds(intent_id or ""):
        if found.metadata.get("refund_id") == refund_id:
            adopt(refund_id, found)
            return True
    return False


def shown_threshold(currency: str) -> Money | None:
    """From which amount on two people must agree in this currency, for those who decide; None when it is always two."""
    threshold = config.current().refund_four_eyes.get(currency)
    return None if threshold is None else money.from_decimal(threshold, currency)
