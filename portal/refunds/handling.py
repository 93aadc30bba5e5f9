"""What staff do with requests beside deciding one: many at once, handing one to a colleague, and asking its customer.

Many are decided together or not at all: where one of them cannot be, nothing is done, and each that stands in the way is named with why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import queries as people
from portal.core import audit, clock, db, permissions
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Forbidden, Invalid, NotFound
from portal.core.four_eyes import Reviewer
from portal.core.permissions import Permission
from portal.core.synced_rows import touch
from portal.identity.models import User
from portal.refunds import jobs, queries, statuses, sums
from portal.refunds.asking import AlreadyDecided, plain_text
from portal.refunds.deciding import TooLate, approve_in, only_deciders, reject_in, undecided, undo_in
from portal.refunds.executing import locked
from portal.refunds.models import Refund, RefundMessage
from portal.refunds.settling import lock_payment
from portal.refunds.statuses import RefundStatus

MOST_AT_ONCE: Final = 50


class NeedsTwo(Conflict):
    code = "refund_needs_two"
    message = N_("This one needs two people. Please open it and decide it alone.")


class NotTogether(Conflict):
    """Some of many stand in the way; `refusals` names each, by the id of the refund."""

    code = "refunds_not_together"
    message = N_("Nothing was changed, because some of these cannot be decided so.")

    def __init__(self, refusals: dict[str, Invalid | Conflict | Forbidden | NotFound]) -> None:
        self.refusals = refusals
        super().__init__()


def approve_all(refund_ids: Sequence[str], reviewer: Reviewer, *, note: str, undo_seconds: int = 0) -> None:
    """Approve these in full, with one note for staff; all of them, or none. Those that two people must approve are not taken.

    Raises Invalid for none or more than MOST_AT_ONCE, NotTogether, Forbidden.
    """

    def approve(session: Session, refund_id: str) -> None:
        done = approve_in(session, refund_id, reviewer, note=note, undo_seconds=undo_seconds)
        if done != RefundStatus.APPROVED:
            raise NeedsTwo

    _together(refund_ids, reviewer, approve)


def undo_all(refund_ids: Sequence[str], reviewer: Reviewer) -> int:
    """Take back one's approvals of these, as many of them as are not sent yet; returns how many. A second call takes back none.

    Unlike a decision it is not all or none: what can still be stopped is stopped. Raises Invalid as `approve_all` does, and Forbidden.
    """
    only_deciders(reviewer)
    wanted = _chosen(refund_ids)
    undone = 0
    with db.transaction() as session:
        _lock_payments(session, wanted)
        for refund_id in wanted:
            with suppress(TooLate, NotFound):
                undo_in(session, refund_id, reviewer)
                undone += 1
    return undone


def reject_all(refund_ids: Sequence[str], reviewer: Reviewer, *, rejection: str, note: str = "") -> None:
    """Reject these with one reason, which each of the customers reads; all of them, or none. Raises as `approve_all` does."""
    if not rejection.strip():
        raise Invalid(N_("Please tell the customer why."), field="rejection")
    _together(
        refund_ids, reviewer, lambda session, one: reject_in(session, one, reviewer, rejection=rejection, note=note)
    )


def assign_all(refund_ids: Sequence[str], reviewer: Reviewer, colleague_id: str) -> None:
    """Hand these to a colleague, or to oneself; with "" to nobody. They leave the lists of all others, who may decide them all the same.

    Raises as `approve_all` does, and Invalid for someone who does not work here.
    """

    def assign(session: Session, refund_id: str) -> None:
        row = undecided(session, refund_id, reviewer)
        row.assigned_to = colleague_id or None
        row.claimed_by = row.claimed_at = None
        facts = {"to": colleague_id}
        audit.record(session, "refund.assigned", row.id, facts, customer_id=row.customer_id)

    with db.reading() as session:
        if colleague_id and not _works_here(session, colleague_id):
            raise Invalid(N_("Please choose a colleague."), field="colleague")
    _together(refund_ids, reviewer, assign)


def deciders(session: Session) -> list[User]:
    """The colleagues to whom a request can be assigned, by e-mail."""
    return [one for one in people.staff(session) if _decides(one)]


def _decides(who: User) -> bool:
    return who.active and permissions.may(who.role, Permission.DECIDE_REFUNDS)


def _works_here(session: Session, user_id: str) -> bool:
    who = session.get(User, user_id)
    return who is not None and _decides(who)


def _together(refund_ids: Sequence[str], reviewer: Reviewer, act: Callable[[Session, str], None]) -> None:
    only_deciders(reviewer)
    wanted = _chosen(refund_ids)
    refusals: dict[str, Invalid | Conflict | Forbidden | NotFound] = {}
    with db.transaction() as session:
        _lock_payments(session, wanted)
        rows = list(session.scalars(select(Refund).where(Refund.id.in_(wanted))))
        sums.lock(session, rows, reviewer.id, *(row.asked_by for row in rows if row.asked_by))
        for refund_id in wanted:
            try:
                act(session, refund_id)
            except (Invalid, Conflict, Forbidden, NotFound) as error:
                refusals[refund_id] = error
        if refusals:
            raise NotTogether(refusals)


def _chosen(refund_ids: Sequence[str]) -> list[str]:
    wanted = sorted(set(refund_ids))
    if not wanted:
        raise Invalid(N_("Please select at least one request."), field="refund")
    if len(wanted) > MOST_AT_ONCE:
        raise Invalid(N_("At most %(most)s at once."), field="refund", most=MOST_AT_ONCE)
    return wanted


def _lock_payments(session: Session, refund_ids: Sequence[str]) -> None:
    """All of them first, in one order: taken row by row, two of these could wait for each other."""
    of_these = select(Refund.payment_id).where(Refund.id.in_(refund_ids)).distinct()
    for payment_id in sorted(session.scalars(of_these)):
        lock_payment(session, payment_id)


# The customer is asked


def ask_customer(refund_id: str, reviewer: Reviewer, question: str) -> None:
    """Ask the customer something, by mail; the request waits for their answer, and is nobody's to decide until then.

    Who sees the answer need not be waited for: it may be decided all the same. Raises AlreadyDecided, ClaimedByOther, Invalid, NotFound.
    """
    only_deciders(reviewer)
    question = plain_text(question, "question")
    if not question:
        raise Invalid(N_("Please write a question."), field="question")
    with db.transaction() as session:
        row = undecided(session, refund_id, reviewer)
        row.waiting_since, row.claimed_by, row.claimed_at = clock.now(), None, None
        touch(row)
        message = _write(session, row, question, reviewer.id, from_customer=False)
        audit.record(session, "refund.customer_asked", row.id, {"by": reviewer.id}, customer_id=row.customer_id)
        jobs.mail_question.enqueue(session, message_id=message.id)


def answer(refund_id: str, customer_id: str, user_id: str | None, words: str) -> None:
    """The customer answers a question of staff, and the request waits for a decision again.

    Raises Invalid for nothing, AlreadyDecided where nothing is asked any more, NotFound for another customer's.
    """
    words = plain_text(words, "answer")
    if not words:
        raise Invalid(N_("Please write an answer."), field="answer")
    with db.reading() as session:
        queries.for_customer(session, refund_id, customer_id)
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.status not in statuses.UNDECIDED or row.waiting_since is None:
            raise AlreadyDecided
        row.waiting_since = None
        touch(row)
        _write(session, row, words, user_id, from_customer=True)
        audit.record(session, "refund.customer_answered", row.id, customer_id=row.customer_id)


def _write(session: Session, row: Refund, words: str, author_id: str | None, *, from_customer: bool) -> RefundMessage:
    message = RefundMessage(
        id=new_id("rfm"),
        refund_id=row.id,
        at=clock.now(),
        author_id=author_id,
        from_customer=from_customer,
        words=words,
    )
    session.add(message)
    session.flush()
    return message
