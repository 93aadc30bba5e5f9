"""What Stripe says of a refund becomes what the portal says of it: `settle` is the one place where Stripe's states are taken over.

Webhooks, the answer to our own call, and the follow-up job all end here.
"""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import gateway, ledger
from portal.core import audit, clock, company_days, db
from portal.core.db import new_id
from portal.core.errors import Conflict, NotFound, Unavailable
from portal.core.money import Money
from portal.jobs import outbox
from portal.payments.models import Payment
from portal.refunds import policy, states
from portal.refunds.models import Refund, RefundStep
from portal.webhook_endpoints import service as deliveries
from portal.webhook_endpoints.models import REFUND_UPDATED

log = structlog.get_logger(__name__)

# A fetch that is overtaken by another change is made again; more than this many times means something is wrong.
MOST_RACES: Final = 5


def refresh(refund_id: str) -> gateway.Refund:
    """Fetch the refund from Stripe and settle it. When the row changed during the fetch, fetch again: old news never wins.

    Raises NotFound, Conflict for a refund that Stripe does not know, and the gateway's errors.
    """
    for _ in range(MOST_RACES):
        with db.reading() as session:
            row = session.get(Refund, refund_id)
        if row is None:
            raise NotFound
        if row.stripe_refund_id is None:
            raise Conflict
        found = gateway.current().retrieve_refund(row.stripe_refund_id)
        if settle(refund_id, found, seen_version=row.version):
            return found
    raise Unavailable


def adopt(refund_id: str, found: gateway.Refund) -> None:
    """Store which of Stripe's refunds is this row's, then settle what it says. A second call changes nothing.

    A row that has another one already is marked for staff: money may have gone back twice.
    """
    with db.transaction() as session:
        row = locked(session, refund_id)
        is_new = row.stripe_refund_id is None
        if is_new:
            if (
                row.state in states.UNSENT
            ):  # it was sent all the same: the database was restored from a backup meanwhile
                move(session, row, states.EXECUTING)
            row.stripe_refund_id = found.id
            row.sent_at = row.sent_at or found.created
            touch(row)
            facts = {"stripe_refund": found.id}
            audit.record(session, "refund.known_at_stripe", row.id, facts, customer_id=row.customer_id)
        elif row.stripe_refund_id != found.id:
            mark(session, row, f"Stripe has a second refund {found.id} for this row")
        version, stored = row.version, row.stripe_refund_id
    # Who was not the first to store it may hold old news: much may have happened to the refund since this answer was written.
    if stored == found.id and not (is_new and settle(refund_id, found, seen_version=version)):
        refresh(refund_id)


def settle(refund_id: str, found: gateway.Refund, *, seen_version: int) -> bool:
    """Bring the row in line with the refund as Stripe had it while the row was at `seen_version`.

    Returns False, having done nothing, when the row has moved on since. The same refund twice changes nothing. Postings, steps, the
    mails and the credit note's job are written in this one transaction. A refund that does not fit the row is left to staff.
    """
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.version != seen_version:
            return False
        mismatch = _mismatch(session, row, found)
        if mismatch:
            mark(session, row, mismatch)
            return True
        _book(session, row, found)
        _note_reference(session, row, found)
        if found.status != row.state:
            _move(session, row, found)
        return True


def _mismatch(session: Session, row: Refund, found: gateway.Refund) -> str:
    """Why this refund of Stripe's cannot be this row's, or an empty text."""
    payment = session.get_one(Payment, row.payment_id)
    if found.id != row.stripe_refund_id:
        return f"the refund {found.id} is not this row's"
    if found.amount != row.amount:
        return f"Stripe's refund is over {found.amount}, ours over {row.amount}"
    if found.intent_id != payment.stripe_intent_id:
        return "Stripe's refund belongs to another payment"
    if found.status != row.state and not states.may_follow(row.state, found.status):
        return f"Stripe says {found.status} of a refund that is {row.state}"
    return ""


def _book(session: Session, row: Refund, found: gateway.Refund) -> None:
    """Each movement is posted once, whenever Stripe tells of it; see ledger.post."""
    if found.movement is not None:
        ledger.post(
            session,
            "refund",
            debit=ledger.REFUNDS,
            credit=ledger.STRIPE,
            amount=row.amount,
            subject=row.payment_id,
            reference=f"refund:{found.id}",
            at=found.movement.created,
        )
        _book_exchange_and_fee(session, row, -row.amount, found.movement)
    if found.return_movement is not None:
        ledger.post(
            session,
            "refund_failed",
            debit=ledger.STRIPE,
            credit=ledger.REFUNDS,
            amount=row.amount,
            subject=row.payment_id,
            reference=f"refund_failed:{found.id}",
            at=found.return_movement.created,
        )
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
    if found.bank_reference and found.bank_reference != row.bank_reference:
        row.bank_reference = found.bank_reference
        touch(row)
        facts = {"reference": found.bank_reference}
        audit.record(session, "refund.bank_reference", row.id, facts, customer_id=row.customer_id)


def _move(session: Session, row: Refund, found: gateway.Refund) -> None:
    before = row.state
    if found.status not in states.STATES:
        log.error("unknown_refund_status", refund_id=row.id, status=found.status)
    row.sent_at = row.sent_at or found.created
    row.expected_by = row.expected_by or company_days.day_of(row.sent_at + policy.BANK_TAKES)
    if found.status == states.SUCCEEDED:
        row.succeeded_at = clock.now()
        outbox.enqueue(session, "receipts.issue_credit_note", key=f"credit_note:{row.id}", refund_id=row.id)
    if found.status in {states.FAILED, states.CANCELED}:
        row.failed_at = clock.now()
        row.failure_reason = found.failure_reason or found.status
        if before == states.SUCCEEDED:
            key = f"revoke_credit_note:{row.id}"
            outbox.enqueue(session, "receipts.revoke_credit_note", key=key, refund_id=row.id)
    move(session, row, found.status, {"failure": row.failure_reason})


# Rows


def move(session: Session, row: Refund, state: str, facts: dict[str, object] | None = None) -> None:
    """Put a refund into a state, with its step, its audit event and the mail about it, in the caller's transaction."""
    before, row.state = row.state, state
    touch(row)
    session.add(RefundStep(id=new_id("rfs"), refund_id=row.id, at=row.updated_at, state=state))
    audit.record(
        session,
        "refund.state",
        row.id,
        {"before": before, "after": state, "amount": str(row.amount), **(facts or {})},
        customer_id=row.customer_id,
    )
    outbox.enqueue(
        session, "refunds.mail", key=f"refund_mail:{row.id}:{row.version}", refund_id=row.id, state=state, before=before
    )
    if states.told(state) != states.told(before) or state == before:  # a new refund comes from its first state
        _announce(session, row)


def _announce(session: Session, row: Refund) -> None:
    """Tell the customer's systems what has become of a refund."""
    facts = {
        "refund_id": row.id,
        "payment_id": row.payment_id,
        "status": states.told(row.state),
        "amount": row.amount_minor,
        "currency": row.currency,
    }
    deliveries.announce(session, row.customer_id, REFUND_UPDATED, facts)


def mark(session: Session, row: Refund, finding: str) -> None:
    """Staff must look at this refund; it changes no more by itself until they have decided."""
    if row.finding == finding:
        return
    row.finding = finding
    touch(row)
    log.error("refund_needs_staff", refund_id=row.id, finding=finding)
    audit.record(session, "refund.finding", row.id, {"finding": finding}, customer_id=row.customer_id)


def locked(session: Session, refund_id: str) -> Refund:
    """The row, with its payment locked before it: what is left of a payment cannot change meanwhile. Raises NotFound."""
    payment_id = session.execute(select(Refund.payment_id).where(Refund.id == refund_id)).scalar_one_or_none()
    if payment_id is None:
        raise NotFound
    lock_payment(session, payment_id)
    return session.execute(
        select(Refund).where(Refund.id == refund_id).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()


def lock_payment(session: Session, payment_id: str, customer_id: str | None = None) -> Payment:
    """Raises NotFound, also for a payment that is not this customer's."""
    query = select(Payment).where(Payment.id == payment_id)
    if customer_id is not None:
        query = query.where(Payment.customer_id == customer_id)
    found = session.execute(query.with_for_update().execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def touch(row: Refund) -> None:
    row.version += 1
    row.updated_at = clock.now()
