"""Steps one to six and nine: Stripe's payments, refunds, disputes and events of the span, held against ours.

What ours do not know yet is learned in the usual way, by the services that webhooks call, too: reconciliation moves no money and makes
no payment of its own. Each step yields marks, and goes on behind the one it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import or_, select

from portal import gateway
from portal.core import audit, clock, company_days, db
from portal.core.errors import Conflict
from portal.disputes import queries as dispute_queries
from portal.disputes import service as disputes
from portal.disputes import statuses as dispute_statuses
from portal.disputes.models import Dispute
from portal.gateway import Charge, Intent
from portal.payments import service as payments
from portal.payments import statuses
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.reconciliation import lost
from portal.reconciliation.run import Checkpoint, DiscrepancyDraft, Run, batches, rows_after
from portal.refunds import service as refunds
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from portal.stripe_events import service as stripe_events

log = structlog.get_logger(__name__)

# An intent of ours that no payment of ours is about, and that nobody has confirmed by then, is called off.
STRAY_AFTER: Final = timedelta(hours=24)


# Payments


def intents(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """One and two: each intent of the span is a payment of ours, which says the same of it; strays are called off (nine)."""
    listed = gateway.current().list_intents(created_from=run.since, created_to=run.until, after=after)
    for batch in batches(listed):
        if run.recovering:
            lost.keep_numbers(batch)
        for intent, payment, fits in _held_against_rows(batch):
            run.count("intents")
            if payment is None:
                _unknown_intent(run, intent)
            elif not fits:
                _settle(run, payment)
        yield Checkpoint(batch[-1].id, batch[-1].created)


def _held_against_rows(batch: list[Intent]) -> list[tuple[Intent, Payment | None, bool]]:
    """Each intent with its payment, and whether the payment says all that the intent does."""
    with db.reading() as session:
        found = session.execute(select(Payment).where(Payment.stripe_intent_id.in_([intent.id for intent in batch])))
        rows = {row.stripe_intent_id: row for row in found.scalars()}
        held: list[tuple[Intent, Payment | None, bool]] = []
        for intent in batch:
            row = rows.get(intent.id)
            fits = row is not None and not (
                payments.mismatch(session, row, intent) or payments.has_changes(row, intent)
            )
            held.append((intent, row, fits))
    return held


def _settle(run: Run, payment: Payment) -> None:
    """What was read of the row may be younger than the list, and the other way round: what counts is fetched once more."""
    run.count("settled")
    if not run.dry and not payment.review_reason:
        payments.refresh(payment.id)
    intent = gateway.current().retrieve_intent(str(payment.stripe_intent_id))
    with db.reading() as session:
        row = session.get_one(Payment, payment.id)
        differs = payments.mismatch(session, row, intent)
    if differs:
        _record_difference(run, intent, row, differs)


def _record_difference(run: Run, intent: Intent, payment: Payment, differs: str) -> None:
    facts: dict[str, Any] = {"payment": payment.id, "intent": intent.id}
    received = intent.amount_received if intent.status == PaymentStatus.SUCCEEDED else intent.amount
    if received.currency == payment.currency and received != payment.amount:
        code = "payment_amount"
        facts |= _amounts(payment.amount_minor, received.minor, payment.currency)
    else:
        code = "payment_differs"
        facts |= {"difference": differs}
    run.record(DiscrepancyDraft(code, payment.id, facts, payment.id, intent.created))


def _amounts(ours: int, theirs: int, currency: str) -> dict[str, Any]:
    """As facts of a discrepancy: names that end in _minor are shown as money of `currency`."""
    return {"ours_minor": ours, "stripe_minor": theirs, "difference_minor": ours - theirs, "currency": currency}


def _unknown_intent(run: Run, intent: Intent) -> None:
    """By its metadata it may be ours all the same: its creation was answered to a process that died."""
    if run.recovering and intent.metadata.get("payment_id"):
        lost.take_back(run, intent)
        return
    if intent.metadata.get("payment_id"):
        run.count("found by metadata")
        if not run.dry and payments.sync_intent(intent.id):
            _cancel_stray(run, intent)
            return
        _cancel_stray(run, intent)
    if intent.status == PaymentStatus.SUCCEEDED and intent.charge is not None:
        _record_orphan(run, intent.charge)


def _cancel_stray(run: Run, intent: Intent) -> None:
    """Cancel an intent that carries a payment of ours in its metadata and is none's, once it has waited for a day."""
    if intent.status not in statuses.WAITING_FOR_CUSTOMER or clock.now() - intent.created < STRAY_AFTER:
        return
    with db.reading() as session:
        if session.scalar(select(Payment.id).where(Payment.stripe_intent_id == intent.id)) is not None:
            return
    run.count("strays canceled")
    if run.dry:
        return
    with suppress(gateway.UnexpectedState):
        gateway.current().cancel_intent(intent.id, f"cancel_stray:{intent.id}")
        with db.transaction() as session:
            audit.record(session, "payment.stray_canceled", intent.id, {"payment": intent.metadata.get("payment_id")})


def _record_orphan(run: Run, charge: Charge) -> None:
    facts = {"charge": charge.id, "intent": charge.intent_id, "amount_minor": charge.amount.minor}
    run.record(
        DiscrepancyDraft("orphan_charge", charge.id, facts | {"currency": charge.amount.currency}, None, charge.created)
    )


def charges(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """Three, for what is paid late: a charge of the span may belong to an intent that is older than it."""
    listed = gateway.current().list_charges(created_from=run.since, created_to=run.until, after=after)
    for batch in batches(listed):
        paid = [charge for charge in batch if charge.paid]
        with db.reading() as session:
            ids = [charge.intent_id for charge in paid if charge.intent_id]
            found = session.execute(select(Payment).where(Payment.stripe_intent_id.in_(ids)))
            rows = {row.stripe_intent_id: row for row in found.scalars()}
        for charge in paid:
            run.count("charges")
            row = rows.get(charge.intent_id)
            if row is None and run.recovering and charge.intent_id:
                _unknown_intent(run, gateway.current().retrieve_intent(charge.intent_id))
            elif row is None:
                heard = charge.intent_id and not run.dry and payments.sync_intent(charge.intent_id)
                if not heard:
                    _record_orphan(run, charge)
            elif row.status != PaymentStatus.SUCCEEDED and not row.review_reason:
                run.count("settled")
                if not run.dry:
                    payments.refresh(row.id)
        yield Checkpoint(batch[-1].id, batch[-1].created)


def open_payments(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """Three: what Stripe's list of the span did not show and is not at its end. All of it at night; else what cannot wait for a person."""
    waiting = statuses.OPEN_AT_STRIPE if run.is_full_run else statuses.OPEN_AT_STRIPE - statuses.WAITING_FOR_CUSTOMER
    query = select(Payment.id, Payment.stripe_intent_id, Payment.created_at).where(
        Payment.status.in_(sorted(waiting)), Payment.stripe_intent_id.is_not(None), Payment.review_reason == ""
    )
    if not run.is_full_run:  # a debit that is not expected yet is looked at by its own job, and at night
        query = query.where(or_(Payment.expected_on.is_(None), Payment.expected_on <= company_days.today()))
    for rows in rows_after(query, Payment.id, after):
        for row in rows:
            if run.since <= row.created_at <= run.until and not run.is_full_run:
                continue  # seen in the list
            run.count("open payments")
            if not run.dry:
                _sync_again(run, row.id, row.stripe_intent_id)
        yield Checkpoint(rows[-1].id)


def _sync_again(run: Run, payment_id: str, intent_id: str) -> None:
    try:
        payments.sync(payment_id)
    except gateway.MissingAtStripe:
        run.record(
            DiscrepancyDraft("payment_missing", payment_id, {"payment": payment_id, "intent": intent_id}, payment_id)
        )
    except Conflict as error:  # a card that is gone, a person who looks at it: its row says so
        log.info("open_payment_left", payment_id=payment_id, code=error.code)


# Refunds and disputes


def refunds_made(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """Four: each refund of the span is a row of ours in the same state, whoever made it."""
    listed = gateway.current().list_refunds_made(created_from=run.since, created_to=run.until, after=after)
    for batch in batches(listed):
        with db.reading() as session:
            found = session.execute(select(Refund).where(Refund.stripe_refund_id.in_([refund.id for refund in batch])))
            rows = {row.stripe_refund_id: row for row in found.scalars()}
        if run.recovering:
            lost.keep_credit_note_numbers(batch)
        for refund in batch:
            run.count("refunds")
            row = rows.get(refund.id)
            if row is not None and row.amount != refund.amount:
                facts = {"refund": row.id, "stripe_refund": refund.id}
                facts |= _amounts(row.amount_minor, refund.amount.minor, row.currency)
                run.record(DiscrepancyDraft("refund_amount", row.id, facts, row.payment_id, refund.created))
            elif row is None or (row.status != refund.status and not row.review_reason):
                run.count("settled")
                if not run.dry:
                    refunds.sync_refund(refund.id)
            elif row.status != refund.status:
                facts = {"refund": row.id, "ours": row.status, "stripe": refund.status}
                run.record(DiscrepancyDraft("refund_status", row.id, facts, row.payment_id, refund.created))
        yield Checkpoint(batch[-1].id, batch[-1].created)


def open_refunds(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """Four: refunds that Stripe knows and that are not at their end, from before the span, too."""
    under_way = sorted({RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION, RefundStatus.EXECUTING})
    query = select(Refund.id, Refund.stripe_refund_id, Refund.payment_id).where(
        Refund.status.in_(under_way), Refund.stripe_refund_id.is_not(None), Refund.review_reason == ""
    )
    for rows in rows_after(query, Refund.id, after):
        for row in rows:
            run.count("open refunds")
            if run.dry:
                continue
            try:
                refunds.refresh(row.id)
            except gateway.MissingAtStripe:
                facts = {"refund": row.id, "stripe_refund": row.stripe_refund_id}
                run.record(DiscrepancyDraft("refund_missing", row.id, facts, row.payment_id))
        yield Checkpoint(rows[-1].id)


def disputes_opened(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """Five: each dispute of the span is known here as it is at Stripe."""
    listed = gateway.current().list_disputes(created_from=run.since, created_to=run.until, after=after)
    for batch in batches(listed):
        for dispute in batch:
            run.count("disputes")
            with db.reading() as session:
                row = dispute_queries.by_stripe_id(session, dispute.id)
            if row is None or row.status != dispute.status:
                run.count("settled")
                if not run.dry:
                    disputes.sync_dispute(dispute.id)
        yield Checkpoint(batch[-1].id, batch[-1].created)


def open_disputes(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """Five: disputes that are not over, from before the span, too; at night."""
    if not run.is_full_run:
        return
    query = select(Dispute.id, Dispute.stripe_dispute_id, Dispute.payment_id).where(
        Dispute.status.not_in(sorted(dispute_statuses.FINAL))
    )
    for rows in rows_after(query, Dispute.id, after):
        for row in rows:
            run.count("open disputes")
            if run.dry:
                continue
            try:
                disputes.sync_dispute(row.stripe_dispute_id)
            except gateway.MissingAtStripe:
                facts = {"dispute": row.id, "stripe_dispute": row.stripe_dispute_id}
                run.record(DiscrepancyDraft("dispute_missing", row.id, facts, row.payment_id))
        yield Checkpoint(rows[-1].id)


# Events


def undelivered(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """Six: events that did not reach us are taken in as if they had; what they point to was mostly found by now."""
    listed = gateway.current().list_undelivered(created_from=run.since, created_to=run.until, after=after)
    for batch in batches(listed):
        for _, body in batch:
            run.count("undelivered events")
            if not run.dry and stripe_events.take_in(body):
                run.count("events taken in")
        yield Checkpoint(batch[-1][0])
