"""What staff do about a refund that has failed: send it again as a new refund, pay the customer another way, or find that nothing is owed.

Until one of these was done a failed refund is work, and stands in staff's list. Its amount is free for another refund meanwhile; what
was paid another way counts as given back, so that it cannot be refunded a second time.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from sqlalchemy.orm import Session

from portal import ledger
from portal.core import audit, clock, company_days, db
from portal.core.errors import N_, Conflict, Invalid
from portal.core.four_eyes import Reviewer
from portal.core.permissions import Permission
from portal.core.synced_rows import touch
from portal.ledger import LedgerAccount
from portal.payments.models import Payment
from portal.refunds import crediting, jobs, queries, statuses
from portal.refunds.asking import add, check_amount, plain_text, refuse_where_impossible
from portal.refunds.deciding import NotYours, only_deciders
from portal.refunds.executing import locked
from portal.refunds.models import Refund, RefundOrigin, Resolution
from portal.refunds.settling import move
from portal.refunds.statuses import RefundStatus

# A transfer that is older than this was not made because of a refund here.
LONGEST_AGO: Final = timedelta(days=365)


class NotFailed(Conflict):
    code = "refund_not_failed"
    message = N_("This refund has not failed, or it has been resolved already. Nothing was changed.")


def replace(refund_id: str, reviewer: Reviewer) -> str:
    """Send a failed refund again: a new one of the same amount and reason, which is decided like all others. Returns its id.

    A second call returns the same one. Raises NotFailed, NotRefundable, Invalid when too little of the payment is left, Forbidden,
    NotFound. Who sends it again has proposed the new one.
    """
    only_deciders(reviewer)
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.replaced_by is not None:
            return row.replaced_by
        _refuse_unless_open(row)
        payment = session.get_one(Payment, row.payment_id)
        refuse_where_impossible(session, payment)
        check_amount(row.amount, queries.remaining(session, payment, row.invoice_id))
        new = add(
            session,
            payment,
            row.invoice_id,
            row.amount,
            row.reason,
            row.explanation,
            origin=RefundOrigin.STAFF,
            user_id=reviewer.id,
            client_key=f"again:{row.id}",
        )
        move(
            session,
            new,
            RefundStatus.REQUESTED,
            {"origin": RefundOrigin.STAFF, "reason": row.reason, "replaces": row.id},
        )
        row.replaced_by = new.id
        _resolve(session, row, reviewer, Resolution.SENT_AGAIN, {"replaced_by": new.id})
        return new.id


def pay_outside(refund_id: str, reviewer: Reviewer, *, paid_on: date, note: str) -> None:
    """Record that the customer got the money of a failed refund in another way than through Stripe; `note` says how.

    It is booked from the bank, counts as given back, and the customer is told. No credit note is issued: its numbers and its document are
    those of refunds through Stripe. A second call changes nothing. Raises NotYours, NotFailed, Invalid, NotFound.
    """
    _only_approvers(reviewer)
    note = _needed(note)
    today = company_days.today()
    if not today - LONGEST_AGO <= paid_on <= today:
        raise Invalid(N_("Please enter the day on which you paid: today, or within the last year."), field="paid_on")
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.resolution == Resolution.PAID_OUTSIDE:
            return
        _refuse_unless_open(row)
        payment = session.get_one(Payment, row.payment_id)
        check_amount(row.amount, queries.remaining(session, payment, row.invoice_id))
        row.paid_outside_on = paid_on
        at = min(company_days.noon(paid_on), clock.now())  # not in the future, all the same
        _resolve(session, row, reviewer, Resolution.PAID_OUTSIDE, {"paid_on": paid_on.isoformat(), "note": note}, note)
        ledger.post(
            session,
            "refund_outside",
            debit=LedgerAccount.REFUNDS,
            credit=LedgerAccount.BANK,
            amount=row.amount,
            subject=row.payment_id,
            reference=f"refund_outside:{row.id}",
            at=at,
            item=row.item,
        )
        crediting.credit(session, row, payment, at, movement=f"outside:{row.id}")
        jobs.mail.enqueue(
            session, refund_id=row.id, version=row.version, status=Resolution.PAID_OUTSIDE, before=row.status
        )


def close(refund_id: str, reviewer: Reviewer, *, note: str) -> None:
    """Record that nothing is owed for a failed refund, and why. A second call changes nothing. Raises as pay_outside does."""
    _only_approvers(reviewer)
    note = _needed(note)
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.resolution == Resolution.NOTHING_OWED:
            return
        _refuse_unless_open(row)
        _resolve(session, row, reviewer, Resolution.NOTHING_OWED, {"note": note}, note)


def _only_approvers(reviewer: Reviewer) -> None:
    only_deciders(reviewer)
    if not reviewer.may(Permission.RESOLVE_REFUNDS):
        raise NotYours


def _needed(note: str) -> str:
    note = plain_text(note, "note")
    if not note:
        raise Invalid(N_("Please add a note that others can follow."), field="note")
    return note


def _refuse_unless_open(row: Refund) -> None:
    if row.status not in statuses.GONE_WRONG or row.resolution:
        raise NotFailed


def _resolve(
    session: Session, row: Refund, reviewer: Reviewer, resolution: str, facts: dict[str, object], note: str = ""
) -> None:
    row.resolution, row.resolution_note = resolution, note
    row.resolved_by, row.resolved_at = reviewer.id, clock.now()
    touch(row)
    audit.record(session, f"refund.{resolution}", row.id, facts, customer_id=row.customer_id)
