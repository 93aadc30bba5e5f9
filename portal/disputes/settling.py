"""What Stripe says of a dispute becomes what the portal knows of it: `_apply` is the one place where a dispute changes.

Status and money are two things: a status says what the bank thinks, and only a balance transaction says that money has moved. Each of
these is booked once, together with its step.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import gateway, ledger, stripe_sync
from portal.core import audit, clock, config, crash, db
from portal.core.db import new_id
from portal.core.enums import Unknown, parse
from portal.core.errors import NotFound
from portal.core.synced_rows import hold_for_review, touch
from portal.disputes import jobs, queries, returning, statuses
from portal.disputes.models import (
    FUNDS_REINSTATED,
    FUNDS_WITHDRAWN,
    NO_DEADLINE,
    OPENED,
    Dispute,
    DisputeStep,
)
from portal.disputes.statuses import DisputeStatus
from portal.gateway import BalanceTransaction
from portal.ledger import LedgerAccount
from portal.payments import queries as payments_by
from portal.payments import service as payments
from portal.payments.models import Payment

log = structlog.get_logger(__name__)

# The worker looks after every open dispute by itself: webhooks may be lost, and banks take weeks. Seconds.
CHECK_EVERY_SECONDS: Final = 6 * 3600
# Staff are reminded this long before the evidence is due.
REMIND_BEFORE: Final = timedelta(days=3)

FIRST_HEARD: Final = "opened"
ESCALATED: Final = "escalated"


def sync_dispute(stripe_dispute_id: str) -> gateway.Dispute | None:
    """Fetch a dispute and take over what it says. Returns it, or None when the charge is none of ours; a second call changes nothing.

    Raises as stripe_sync.sync does.
    """
    return stripe_sync.sync(KIND, stripe_dispute_id)


def payment_of(intent_id: str | None, charge_id: str) -> str | None:
    """Our payment of this intent. One that has not heard yet of the charge, or that it succeeded, hears of it first, by a look at Stripe.

    A direct debit knows its charge for days before it succeeds.
    """
    if intent_id is None:
        return None
    with db.reading() as session:
        payment = payments_by.by_intent(session, intent_id)
    if payment is None or payment.stripe_charge_id != charge_id or not payment.has_succeeded:
        if not payments.sync_intent(intent_id):
            return None
        with db.reading() as session:
            payment = payments_by.by_intent(session, intent_id)
    return payment.id if payment else None


def locked_payment(session: Session, payment_id: str) -> Payment:
    """Whoever comes at the same time waits here, also when there is no dispute yet that could be locked."""
    return session.execute(select(Payment).where(Payment.id == payment_id).with_for_update()).scalar_one()


def _lock_payment_of(session: Session, dispute_id: str) -> None:
    payment_id = session.scalar(select(Dispute.payment_id).where(Dispute.id == dispute_id))
    if payment_id is None:
        raise NotFound
    locked_payment(session, payment_id)


def _mismatch(session: Session, dispute: Dispute, found: gateway.Dispute) -> str:
    """Why this dispute cannot be about its payment, or an empty text."""
    if found.charge_id != session.get_one(Payment, dispute.payment_id).stripe_charge_id:
        return f"the disputed charge {found.charge_id} is not this payment's"
    if found.livemode != config.current().livemode:
        return "Stripe's dispute is of the other mode (live or test)"
    return ""


def _discrepancy(payment: Payment, found: gateway.Dispute) -> str:
    """In what this dispute differs from its payment, as banks do when they convert it or add to it, or an empty text."""
    if found.amount.currency != payment.currency:
        return f"Stripe's dispute is in {found.amount.currency}, the payment in {payment.currency}"
    if found.amount > payment.amount:
        return f"Stripe's dispute is over {found.amount}, the payment over {payment.amount}"
    return ""


def _note_discrepancy(session: Session, dispute: Dispute, discrepancy: str) -> None:
    if dispute.discrepancy == discrepancy:
        return
    facts = {"before": dispute.discrepancy, "discrepancy": discrepancy}
    dispute.discrepancy = discrepancy
    touch(dispute)
    log.warning("dispute_differs", dispute_id=dispute.id, discrepancy=discrepancy)
    if discrepancy:
        audit.record(session, "dispute.discrepancy", dispute.id, facts, customer_id=dispute.customer_id)
    else:
        audit.record(session, "dispute.discrepancy_gone", dispute.id, facts, customer_id=dispute.customer_id)


# Changes


def _open(session: Session, payment_id: str, found: gateway.Dispute) -> Dispute:
    payment = session.get_one(Payment, payment_id)
    dispute = Dispute(
        id=new_id("dsp"),
        payment_id=payment.id,
        customer_id=payment.customer_id,
        stripe_dispute_id=found.id,
        stripe_charge_id=found.charge_id,
        review_reason="",
        discrepancy="",
        created_at=found.created,
        updated_at=clock.now(),
        version=1,
    )
    _take_over(dispute, found)
    session.add(dispute)
    session.flush()
    _add_step(session, dispute, OPENED, at=found.created)
    if found.status not in {DisputeStatus.NEEDS_RESPONSE, DisputeStatus.WARNING_NEEDS_RESPONSE}:
        _add_step(session, dispute, found.status)
    audit.record(
        session,
        "dispute.opened",
        dispute.id,
        {"payment": payment.id, "amount": str(found.amount), "reason": found.reason, "status": found.status},
        customer_id=payment.customer_id,
    )
    crash.point("dispute opened")
    _tell_staff(session, dispute, FIRST_HEARD)
    if dispute.waits_for_evidence:
        jobs.gather_evidence.enqueue(session, dispute_id=dispute.id)
    _keep_following(session, dispute)
    _remind_in_time(session, dispute)
    return dispute


def _take_over(dispute: Dispute, found: gateway.Dispute) -> None:
    """Everything that Stripe knows better than we do."""
    dispute.amount_minor, dispute.currency = found.amount.minor, found.amount.currency
    dispute.reason, dispute.status = found.reason, parse(DisputeStatus, found.status)
    dispute.evidence_due_by = found.evidence_due_by
    dispute.has_evidence, dispute.is_refundable = found.has_evidence, found.is_charge_refundable
    dispute.card_brand, dispute.network_reason_code = found.card_brand[:20], found.network_reason_code[:20]
    dispute.visa_ce3_status = found.visa_ce3_status[:40]
    dispute.visa_ce3_actions = ",".join(sorted(found.visa_ce3_actions))[:400]
    dispute.closed_at = None if dispute.is_open else dispute.closed_at or clock.now()
    due = dispute.evidence_due_by if dispute.waits_for_evidence else None
    dispute.deadline = due or NO_DEADLINE
    if isinstance(dispute.status, Unknown):
        log.error("unknown_dispute_status", stripe_dispute_id=found.id, status=found.status)


def _facts(dispute: Dispute) -> dict[str, object]:
    """What may change, as the audit trail tells it."""
    return {
        "status": dispute.status,
        "amount": str(dispute.amount),
        "reason": dispute.reason,
        "evidence_due_by": str(dispute.evidence_due_by),
        "has_evidence": dispute.has_evidence,
        "is_refundable": dispute.is_refundable,
        "network_reason_code": dispute.network_reason_code,
        "visa_ce3": dispute.visa_ce3_status,
        "visa_ce3_missing": dispute.visa_ce3_actions,
    }


def _apply(session: Session, dispute: Dispute, found: gateway.Dispute, _nothing: object = None) -> None:
    """Postings, steps, audit events and the jobs that tell staff, in the caller's transaction.

    A dispute over more than the payment, or in another currency, is followed and booked as it is, and the discrepancy stands beside it.
    Money that moves at Stripe is a fact, whatever a status says.
    """
    _note_discrepancy(session, dispute, _discrepancy(session.get_one(Payment, dispute.payment_id), found))
    if statuses.may_follow(dispute.status, parse(DisputeStatus, found.status)):
        _change(session, dispute, found)
    else:
        hold_for_review(session, dispute, f"Stripe says {found.status} of a dispute that is {dispute.status}")
    crash.point("dispute changed")
    _book(session, dispute, found)
    returning.follow(
        session,
        dispute,
        has_withdrawn=any(one.amount.minor < 0 for one in found.balance_transactions),
        has_returned=any(one.amount.minor > 0 for one in found.balance_transactions),
    )


def _change(session: Session, dispute: Dispute, found: gateway.Dispute) -> None:
    before = _facts(dispute)
    _take_over(dispute, found)
    changes = {
        name: {"before": before[name], "after": after}
        for name, after in _facts(dispute).items()
        if before[name] != after
    }
    if not changes:
        return
    touch(dispute)
    if "status" in changes:
        _add_step(session, dispute, dispute.status)
        audit.record(session, "dispute.status", dispute.id, changes.pop("status"), customer_id=dispute.customer_id)
        if before["status"] in statuses.INQUIRY and dispute.status == DisputeStatus.NEEDS_RESPONSE:
            _tell_staff(session, dispute, ESCALATED)
        if before["status"] in statuses.FINAL and dispute.is_open:
            _keep_following(session, dispute)
    if changes:
        audit.record(session, "dispute.changed", dispute.id, changes, customer_id=dispute.customer_id)
    if "evidence_due_by" in changes:
        _remind_in_time(session, dispute)


def _add_step(
    session: Session, dispute: Dispute, what: str, *, at: datetime | None = None, transaction_id: str | None = None
) -> None:
    so_far = select(func.count()).where(DisputeStep.dispute_id == dispute.id)
    session.add(
        DisputeStep(
            id=new_id("dst"),
            dispute_id=dispute.id,
            number=session.execute(so_far).scalar_one() + 1,
            at=at or clock.now(),
            what=what,
            stripe_transaction_id=transaction_id,
        )
    )


# Money


def _book(session: Session, dispute: Dispute, found: gateway.Dispute) -> None:
    booked = set(
        session.execute(
            select(DisputeStep.stripe_transaction_id).where(
                DisputeStep.dispute_id == dispute.id, DisputeStep.stripe_transaction_id.is_not(None)
            )
        ).scalars()
    )
    for movement in found.balance_transactions:
        moved = movement.amount or -movement.fee
        if movement.id in booked or not moved:
            continue
        what = FUNDS_WITHDRAWN if moved.minor < 0 else FUNDS_REINSTATED
        _add_step(session, dispute, what, at=movement.created, transaction_id=movement.id)
        _post(session, dispute, movement)
        crash.point("dispute posted")
        touch(dispute)
        audit.record(
            session,
            "dispute.money",
            dispute.id,
            {"transaction": movement.id, "amount": str(movement.amount), "fee": str(movement.fee)},
            customer_id=dispute.customer_id,
        )


def _post(session: Session, dispute: Dispute, movement: BalanceTransaction) -> None:
    """The amount and the fee, apart; each by its sign, in the currency of settlement."""
    amount, fee = movement.amount, movement.fee
    for kind, value, debit, credit in (
        (queries.WITHDRAWN, -amount, LedgerAccount.DISPUTES, LedgerAccount.STRIPE),
        (queries.REINSTATED, amount, LedgerAccount.STRIPE, LedgerAccount.DISPUTES),
        (queries.FEE, fee, LedgerAccount.FEES, LedgerAccount.STRIPE),
        (queries.FEE_RETURNED, -fee, LedgerAccount.STRIPE, LedgerAccount.FEES),
    ):
        if value.minor > 0:
            ledger.post(
                session,
                kind,
                debit=debit,
                credit=credit,
                amount=value,
                subject=dispute.payment_id,
                reference=f"{kind}:{movement.id}",
                at=movement.created,
            )


# Jobs


def _tell_staff(session: Session, dispute: Dispute, occasion: str) -> None:
    jobs.mail_opened.enqueue(session, dispute_id=dispute.id, occasion=occasion)


def _keep_following(session: Session, dispute: Dispute) -> None:
    jobs.follow_up.enqueue_in(session, CHECK_EVERY_SECONDS, dispute_id=dispute.id, version=dispute.version)


def _remind_in_time(session: Session, dispute: Dispute) -> None:
    """Where less time is left than that, the mail that tells of the dispute is the reminder."""
    due = dispute.evidence_due_by
    if due is None:
        return
    left = (due - REMIND_BEFORE - clock.now()).total_seconds()
    if left > 0:
        jobs.remind.enqueue_in(session, left, dispute_id=dispute.id, due_by=due.isoformat())


KIND: Final[stripe_sync.Opened[Dispute, gateway.Dispute]] = stripe_sync.Opened(
    model=Dispute,
    column="stripe_dispute_id",
    fetch=lambda stripe_id: gateway.current().retrieve_dispute(stripe_id),
    gather=lambda _found: None,
    differs=_mismatch,
    hold=hold_for_review,
    has_changes=lambda _dispute, _found: True,  # what is booked already is known by its step
    apply=_apply,
    lock_first=_lock_payment_of,
    owner=lambda found: payment_of(found.intent_id, found.charge_id),
    lock_owner=locked_payment,
    open=_open,
)
