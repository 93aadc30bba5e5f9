"""What a database that was restored from a backup has lost, brought back from what Stripe has: steps of a run in recovery mode.

Payments of ours that no row knows become rows again, numbers that stand at Stripe stay used, and documents are issued as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import exists, select

from portal import gateway
from portal.core import audit, db, numbering
from portal.documents import service as receipts
from portal.documents.models import PaymentDocument, RefundDocument
from portal.documents.service import Kept
from portal.gateway import Intent
from portal.invoices import queries as invoices
from portal.payment_methods import service as cards
from portal.payments import service as payments
from portal.payments import statuses
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.reconciliation.run import BATCH, Checkpoint, DiscrepancyDraft, Run
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus

log = structlog.get_logger(__name__)

# Discrepancies that keep the recovery mode on: money of ours that could not be brought back.
LOST: Final = payments.LOST


def take_back(run: Run, intent: Intent) -> None:
    """An intent of the run that carries a payment of ours in its metadata, and that is no row's."""
    run.count("found by metadata")
    if run.dry:
        return
    with db.reading() as session:
        row = session.get(Payment, intent.metadata["payment_id"])
    other = row is not None and row.stripe_intent_id not in {None, intent.id}
    if row is not None and intent.customer_id:
        cards.link_customer(row.customer_id, intent.customer_id)
    if other and intent.status in statuses.WAITING_FOR_CUSTOMER:
        intent = payments.cancel_lost(intent)
    if row is not None and other and intent.status == PaymentStatus.CANCELED:
        return
    if row is not None:
        payments.sync_intent(intent.id)
        return
    why_not = payments.bring_back(intent)
    if not why_not:
        run.count("brought back")
    elif intent.charge is not None and intent.charge.paid:
        charge = intent.charge
        facts: dict[str, Any] = {
            "charge": charge.id,
            "intent": intent.id,
            "amount_minor": charge.amount.minor,
            "currency": charge.amount.currency,
            "description": intent.description,
        }
        run.record(DiscrepancyDraft(why_not, charge.id, facts, None, intent.created))


def keep_numbers(batch: Iterable[Intent]) -> None:
    """The receipts' and invoices' numbers that these intents tell of are used, whatever comes of their documents."""
    found: dict[str, int] = {}
    for intent in batch:
        kept = receipts.kept_receipt(intent.metadata)
        invoice = invoices.place_in_series(intent.description) if intent.metadata.get("invoice_id") else None
        if kept is not None:
            found[kept.kind] = max(found.get(kept.kind, 0), kept.number)
        found[numbering.INVOICES] = max(found.get(numbering.INVOICES, 0), invoice or 0)
    _keep(found)


def keep_credit_note_numbers(batch: Iterable[gateway.Refund]) -> None:
    """Likewise for refunds."""
    found: dict[str, int] = {}
    for kept in (receipts.kept_credit_note(refund.metadata) for refund in batch):
        if kept is not None:
            found[kept.kind] = max(found.get(kept.kind, 0), kept.number)
    _keep(found)


def _keep(found: dict[str, int]) -> None:
    with db.transaction() as session:
        known = numbering.lasts(session)
        for series in sorted(found):
            if found[series] > known.get(series, 0):
                numbering.keep(session, series, found[series])


def documents(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """In recovery: whatever has succeeded and has no document gets the one that was given out for it, as Stripe's metadata tell.

    What was never given out gets a new number after the recovery, by its usual job.
    """
    if run.dry or not run.recovering:
        return
    issued = exists().where(PaymentDocument.payment_id == Payment.id)
    while True:
        query = select(Payment).where(Payment.status == PaymentStatus.SUCCEEDED, ~issued, Payment.id > (after or ""))
        with db.reading() as session:
            rows = session.execute(query.order_by(Payment.id).limit(BATCH)).scalars().all()
        for row in rows:
            _receipt_again(run, row)
        if not rows:
            break
        after = rows[-1].id
        yield Checkpoint(after)
    _credit_notes_again(run)


def _receipt_again(run: Run, payment: Payment) -> None:
    intent = gateway.current().retrieve_intent(str(payment.stripe_intent_id))
    kept = receipts.kept_receipt(intent.metadata)
    if kept is not None and _may_be_given_back(kept, payment.id):
        _issue(run, partial(receipts.issue, payment.id, kept))


def _issue(run: Run, issue: Callable[[], object]) -> None:
    try:
        issue()
    except receipts.NotAddingUp:
        log.exception("document_not_brought_back")  # its usual job fails in the same way, and staff are told
    else:
        run.count("documents brought back")


def _credit_notes_again(run: Run) -> None:
    """In the order in which they were issued: together they share out what the receipt states."""
    failed = select(RefundDocument.refund_id).join(Refund, Refund.id == RefundDocument.refund_id)
    with db.reading() as session:
        void = session.execute(failed.where(Refund.status == RefundStatus.FAILED, RefundDocument.revoked_at.is_(None)))
        void_of = list(void.scalars())
    for refund_id in void_of:  # else what they gave back would count twice
        receipts.revoke_credit_note(str(refund_id))
    issued = exists().where(RefundDocument.refund_id == Refund.id)
    numbered = exists().where(PaymentDocument.payment_id == Refund.payment_id)
    query = select(Refund).where(Refund.status == RefundStatus.SUCCEEDED, ~issued, numbered)
    with db.reading() as session:
        rows = session.execute(query.order_by(Refund.id)).scalars().all()
    found = []
    for row in rows:
        kept = receipts.kept_credit_note(gateway.current().retrieve_refund(str(row.stripe_refund_id)).metadata)
        if kept is not None and _may_be_given_back(kept, row.id):
            found.append((kept.issued_at, row.id, kept))
    for _moment, refund_id, kept in sorted(found, key=lambda one: one[:2]):
        _issue(run, partial(receipts.issue_credit_note, refund_id, kept))


def _may_be_given_back(kept: Kept, subject: str) -> bool:
    """False when the number was given to something else after the restore, before the portal noticed it: that stays, and is told."""
    with db.transaction() as session:
        if receipts.is_free(session, kept):
            return True
        log.error("number_given_twice", number=kept.text, subject=subject)
        audit.record(session, "numbering.given_twice", subject, {"number": kept.text})
        return False
