"""What Stripe says of a refund becomes what the portal says of it: `apply` is the one place where Stripe's statuses are taken over.

Webhooks, the answer to our own call, and the follow-up job all end here, by way of portal.stripe_sync.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import gateway, ledger
from portal.core import audit, clock, company_days, crash
from portal.core.db import new_id
from portal.core.enums import Unknown, parse
from portal.core.errors import NotFound
from portal.core.method_kinds import KINDS
from portal.core.money import Money
from portal.core.synced_rows import touch
from portal.ledger import LedgerAccount
from portal.payments.models import Payment
from portal.refunds import crediting, jobs, policy, statuses
from portal.refunds.models import Refund, RefundStep
from portal.refunds.statuses import RefundStatus
from portal.webhook_endpoints import service as webhook_endpoints
from portal.webhook_endpoints.models import EventType

log = structlog.get_logger(__name__)


def mismatch(session: Session, row: Refund, found: gateway.Refund) -> str:
    """Why this refund of Stripe's cannot be this row's, or an empty text."""
    payment = session.get_one(Payment, row.payment_id)
    if found.id != row.stripe_refund_id:
        return f"the refund {found.id} is not this row's"
    if found.amount != row.amount:
        return f"Stripe's refund is over {found.amount}, ours over {row.amount}"
    if found.intent_id != payment.stripe_intent_id:
        return "Stripe's refund belongs to another payment"
    status = parse(RefundStatus, found.status)
    if status != row.status and not statuses.may_follow(row.status, status):
        return f"Stripe says {found.status} of a refund that is {row.status}"
    return ""


def apply(session: Session, row: Refund, found: gateway.Refund) -> None:
    """Take over what Stripe says of a refund that fits its row, in the caller's transaction: postings, steps, mails and the credit note's
    job. The same refund twice changes nothing.
    """
    _book(session, row, found)
    crash.point("refund posted")
    _note_reference(session, row, found)
    if found.status != row.status:
        _move(session, row, found)


def _book(session: Session, row: Refund, found: gateway.Refund) -> None:
    """Each movement is posted once, whenever Stripe tells of it; see ledger.post. What it gives back is posted beside it."""
    payment = session.get_one(Payment, row.payment_id)
    if found.movement is not None:
        ledger.post(
            session,
            "refund",
            debit=LedgerAccount.REFUNDS,
            credit=LedgerAccount.STRIPE,
            amount=row.amount,
            subject=row.payment_id,
            reference=f"refund:{found.id}",
            at=found.movement.created,
            item=row.item,
        )
        crediting.credit(session, row, payment, found.movement.created)
        _book_exchange_and_fee(session, row, -row.amount, found.movement)
    if found.return_movement is not None:
        ledger.post(
            session,
            "refund_failed",
            debit=LedgerAccount.STRIPE,
            credit=LedgerAccount.REFUNDS,
            amount=row.amount,
            subject=row.payment_id,
            reference=f"refund_failed:{found.id}",
            at=found.return_movement.created,
            item=row.item,
        )
        crediting.take_again(session, row, found.return_movement.created)
        _book_exchange_and_fee(session, row, row.amount, found.return_movement)


def _book_exchange_and_fee(session: Session, row: Refund, moved: Money, movement: gateway.BalanceTransaction) -> None:
    """What Stripe settled it in, and what it took for it or gave back with it, where it did."""
    ledger.post_exchange(
        session,
        "refund",
        paid=moved,
        settled=movement.amount,
        subject=row.payment_id,
        transaction_id=movement.id,
        at=movement.created,
    )
    ledger.post_fee(session, "refund_fee", movement.fee, row.payment_id, movement.id, movement.created)


def _note_reference(session: Session, row: Refund, found: gateway.Refund) -> None:
    if found.acquirer_reference_number and found.acquirer_reference_number != row.acquirer_reference_number:
        row.acquirer_reference_number = found.acquirer_reference_number
        touch(row)
        facts = {"reference": found.acquirer_reference_number}
        audit.record(session, "refund.acquirer_reference_number", row.id, facts, customer_id=row.customer_id)


def _move(session: Session, row: Refund, found: gateway.Refund) -> None:
    before, status = row.status, parse(RefundStatus, found.status)
    if isinstance(status, Unknown):
        log.error("unknown_refund_status", refund_id=row.id, status=status)
    row.sent_at = row.sent_at or found.created
    if row.expected_by is None:
        kind = KINDS.get(session.get_one(Payment, row.payment_id).method_kind)
        takes = timedelta(days=kind.refunds.arrives_within) if kind else policy.BANK_TAKES
        row.expected_by = company_days.day_of(row.sent_at + takes)
    if status == RefundStatus.SUCCEEDED:
        row.succeeded_at = clock.now()
        jobs.issue_credit_note.enqueue(session, refund_id=row.id)
    if status in statuses.GONE_WRONG:
        row.failed_at = clock.now()
        row.failure_reason = found.failure_reason or status
        if before == RefundStatus.SUCCEEDED:
            jobs.revoke_credit_note.enqueue(session, refund_id=row.id)
    move(session, row, status, {"failure": row.failure_reason})


# Rows


def move(
    session: Session,
    row: Refund,
    status: RefundStatus | Unknown,
    facts: dict[str, object] | None = None,
    *,
    held: bool = False,
) -> None:
    """Put a refund into a status, with its step, its audit event and the mail about it, in the caller's transaction.

    What is `held` can still be undone: nobody is told before `announce`.
    """
    before, row.status = row.status, status
    touch(row)
    session.add(RefundStep(id=new_id("rfs"), refund_id=row.id, at=row.updated_at, status=status))
    audit.record(
        session,
        "refund.status",
        row.id,
        {"before": before, "after": status, "amount": str(row.amount), **(facts or {})},
        customer_id=row.customer_id,
    )
    crash.point("refund moved")
    if not held:
        announce(session, row, before)


def announce(session: Session, row: Refund, before: RefundStatus | Unknown) -> None:
    """Tell by mail, and the customer's systems, that a refund came from status `before` to where it is."""
    jobs.mail.enqueue(session, refund_id=row.id, version=row.version, status=row.status, before=before)
    # A new refund comes from its first status.
    if statuses.public_status(row.status) != statuses.public_status(before) or row.status == before:
        _emit(session, row)


def _emit(session: Session, row: Refund) -> None:
    """Tell the customer's systems what has become of a refund."""
    facts = {
        "refund_id": row.id,
        "payment_id": row.payment_id,
        "invoice_id": row.invoice_id,
        "status": statuses.public_status(row.status),
        "amount": row.amount_minor,
        "currency": row.currency,
    }
    webhook_endpoints.emit(session, row.customer_id, EventType.REFUND_UPDATED, facts)


def lock_payment_of(session: Session, refund_id: str) -> None:
    """The payment is locked before its refunds: what is left of it cannot change meanwhile. Raises NotFound."""
    payment_id = session.scalar(select(Refund.payment_id).where(Refund.id == refund_id))
    if payment_id is None:
        raise NotFound
    lock_payment(session, payment_id)


def lock_payment(session: Session, payment_id: str, customer_id: str | None = None) -> Payment:
    """Raises NotFound, also for a payment that is not this customer's."""
    query = select(Payment).where(Payment.id == payment_id)
    if customer_id is not None:
        query = query.where(Payment.customer_id == customer_id)
    found = session.execute(query.with_for_update().execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found
