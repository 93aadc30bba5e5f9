"""What Stripe says of an intent becomes what the portal says of the payment: `apply` is the one place where a status changes.

Webhooks, the page after paying, the answer to a confirmation, and the follow-up job all end here, by way of portal.stripe_sync.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from portal import gateway, ledger
from portal.core import audit, clock, config, crash, metrics
from portal.core.enums import Unknown, parse
from portal.core.method_kinds import DEBITS
from portal.core.money import Money
from portal.core.synced_rows import touch
from portal.gateway import Charge, Intent
from portal.ledger import LedgerAccount, revenue
from portal.payment_methods import jobs as card_jobs
from portal.payment_methods import queries as payment_methods
from portal.payment_methods import service as cards
from portal.payments import allocating, debits, jobs, queries, statuses
from portal.payments.models import Payment, PaymentStep
from portal.payments.statuses import PaymentStatus
from portal.webhook_endpoints import service as webhook_endpoints
from portal.webhook_endpoints.models import EventType

log = structlog.get_logger(__name__)


def apply(session: Session, payment: Payment, intent: Intent) -> None:
    """Bring a row in line with an intent that fits it and tells what it does not know yet; in the caller's transaction.

    Success writes the posting, marks the invoice paid and leaves the job for the receipt, all in this one transaction.
    """
    if payment.status == PaymentStatus.SUCCEEDED:
        _book_fee(session, payment, intent)
    elif intent.charge is not None and payment.method_kind in DEBITS and _is_where_it_was(payment, intent):
        debits.book(session, payment, intent.charge)
    else:
        _change(session, payment, intent)


def mismatch(session: Session, payment: Payment, intent: Intent) -> str:
    """Why this intent cannot be this payment's, or cannot have come to where it is; an empty text where all fits."""
    if intent.id != payment.stripe_intent_id:
        return f"the intent {intent.id} is not this payment's"
    if intent.amount != payment.amount:
        return f"Stripe's intent is over {intent.amount}, the payment over {payment.amount}"
    if intent.customer_id not in payment_methods.stripe_customers_of(session, payment.customer_id):
        return "Stripe's intent belongs to another customer"
    if intent.livemode != config.current().livemode:
        return "Stripe's intent is of the other mode (live or test)"
    if intent.status == PaymentStatus.SUCCEEDED and intent.amount_received != payment.amount:
        return f"Stripe received {intent.amount_received} instead of {payment.amount}"
    if payment.status in statuses.FINAL and payment.status != intent.status:
        return f"Stripe says {intent.status} of a payment that is {payment.status}"
    return ""


def has_changes(payment: Payment, intent: Intent) -> bool:
    """Whether Stripe tells of an intent what the row does not know yet, for an intent that fits the row."""
    if payment.status in statuses.FINAL:
        charge = intent.charge
        if payment.status == PaymentStatus.SUCCEEDED:
            return payment.fee_minor is None and charge is not None and charge.balance_transaction is not None
        return charge is not None and charge.method_type in DEBITS and debits.has_news(payment, charge)
    if intent.charge is not None and intent.charge.method_type in DEBITS and debits.has_news(payment, intent.charge):
        return True
    failure = intent.failure
    now = (
        intent.status,
        intent.charge.id if intent.charge else payment.stripe_charge_id,
        failure.code if failure else "",
        failure.decline_code if failure else "",
        failure.advice_code if failure else "",
    )
    known = (payment.failure_code, payment.decline_code, payment.advice_code)
    return now != (payment.status, payment.stripe_charge_id, *known)


def _is_where_it_was(payment: Payment, intent: Intent) -> bool:
    """Whether no more has happened to a debit than that Stripe has entered it, or has taken it out again."""
    charge = intent.charge.id if intent.charge else None
    return (payment.status, payment.stripe_charge_id) == (intent.status, charge)


def _change(session: Session, payment: Payment, intent: Intent) -> None:
    before = payment.status
    payment.status = parse(PaymentStatus, intent.status)
    if isinstance(payment.status, Unknown):
        log.error("unknown_payment_status", payment_id=payment.id, status=intent.status)
    payment.stripe_payment_method_id = intent.payment_method_id or payment.stripe_payment_method_id
    payment.failure_code = intent.failure.code if intent.failure else ""
    payment.decline_code = intent.failure.decline_code if intent.failure else ""
    payment.advice_code = intent.failure.advice_code if intent.failure else ""
    payment.verification_url = intent.verification.url if intent.verification else ""
    if payment.verification_url:
        jobs.mail_verification.enqueue(session, payment_id=payment.id)
    if intent.charge is not None:
        _note_charge(session, payment, intent.charge)
        if payment.method_kind in DEBITS:
            debits.book(session, payment, intent.charge)
    if intent.status == PaymentStatus.SUCCEEDED:
        _succeed(session, payment, intent)
    if intent.status == PaymentStatus.CANCELED:
        allocating.release(session, payment, clock.now())
    invoice_ids = [one.invoice_id for one in queries.allocations_of(session, payment.id)]
    cards.follow_payment(
        session,
        payment.customer_id,
        intent.failure,
        intent_id=intent.id,
        # A bank account is no card that is tried out, whatever its bank says days later: its press counts for nothing.
        paid=intent.status == PaymentStatus.SUCCEEDED or payment.method_kind in DEBITS,
        subjects=(*payment.card_is_tried_for(invoice_ids), intent.payment_method_id),
    )
    touch(payment)
    session.add(PaymentStep.of(payment))
    audit.record(
        session,
        "payment.status",
        payment.id,
        {"before": before, "after": payment.status, "failure": payment.decline_code or payment.failure_code},
        customer_id=payment.customer_id,
    )
    crash.point("payment changed")
    metrics.PAYMENTS.labels(payment.method_kind or "none", str(payment.status)).inc()
    if payment.succeeded_at is not None:
        taken = payment.succeeded_at - payment.created_at
        metrics.SETTLED_SECONDS.labels(payment.method_kind or "none").observe(max(taken.total_seconds(), 0))
    if payment.status == PaymentStatus.SUCCEEDED:
        _emit(session, payment, EventType.PAYMENT_SUCCEEDED)
    elif _has_failed(session, payment):
        emit_failure(session, payment)
        told_otherwise = queries.is_tried_automatically(session, payment)  # by the mail of portal.mandates
        if payment.is_by_debit and intent.charge is not None and is_refused(payment) and not told_otherwise:
            jobs.mail_failed_debit.enqueue(session, payment_id=payment.id, charge_id=intent.charge.id)


def _note_charge(session: Session, payment: Payment, charge: Charge) -> None:
    """What was tried last; of another kind than a card nothing is left of a card that was tried before.

    Where it is kept as well, its mandate is learned with it.
    """
    if charge.id != payment.stripe_charge_id:
        payment.fee_minor = None
        if payment.save_card and charge.mandate_id:
            card_jobs.follow_mandate.enqueue(session, stripe_mandate_id=charge.mandate_id)
    payment.stripe_charge_id = charge.id
    payment.expected_on = debits.expected_on(charge) if charge.method_type in DEBITS else None
    card = charge.card
    payment.method_kind = charge.method_type[:30]
    payment.card_brand = card.brand if card else ""
    payment.card_last4 = card.last4 if card else charge.account_last4
    payment.card_wallet = card.wallet if card else ""


def _has_failed(session: Session, payment: Payment) -> bool:
    """Whether systems are told now that a try has failed, or that a payment is over of which a card was tried."""
    if payment.status == PaymentStatus.CANCELED:
        return queries.last_card_tried(session, payment.id) is not None
    return is_refused(payment) and queries.unanswered(session, payment.id) is None


def is_refused(payment: Payment) -> bool:
    """Whether the last try has failed, and nobody has tried again."""
    return payment.status == PaymentStatus.REQUIRES_PAYMENT_METHOD and bool(
        payment.failure_code or payment.decline_code
    )


def emit_failure(session: Session, payment: Payment) -> None:
    """Tell the customer's systems that a try has failed, or that what was tried is over.

    While another try has no answer the payment is on its way for everybody: then it is told when that one is answered (see confirming),
    and else with the change.
    """
    code, decline_code = gateway.shown_codes(payment.failure_code, payment.decline_code)
    _emit(
        session, payment, EventType.PAYMENT_FAILED, failure_code=(decline_code or code) if is_refused(payment) else None
    )


def _emit(session: Session, payment: Payment, event_type: str, failure_code: str | None = None) -> None:
    allocations = queries.allocations_of(session, payment.id)
    only = allocations[0] if len(allocations) == 1 else None
    facts = {
        "payment_id": payment.id,
        "status": payment.status,
        "amount": payment.amount_minor,
        "currency": payment.currency,
        "failure_code": failure_code,
        "invoice_id": only.invoice_id if only else None,
        "invoice_number": only.invoice.number if only else None,
        "invoices": [
            {"invoice_id": one.invoice_id, "invoice_number": one.invoice.number, "amount": one.amount_minor}
            for one in allocations
        ],
    }
    webhook_endpoints.emit(session, payment.customer_id, event_type, facts)


def _succeed(session: Session, payment: Payment, intent: Intent) -> None:
    # A charge is made when its bank is asked: of a debit that is days before it succeeds, and Stripe does not say when that was.
    is_debit = payment.method_kind in DEBITS
    payment.succeeded_at = clock.now() if intent.charge is None or is_debit else intent.charge.created
    payment.failure_code = payment.decline_code = payment.advice_code = ""
    if not payment.has_invoices:
        sell(session, payment, payment.succeeded_at)
    for amount, item, reference in _paid_of(session, payment, intent):
        ledger.post(
            session,
            "charge",
            debit=LedgerAccount.UNDERWAY if is_debit else LedgerAccount.STRIPE,
            credit=LedgerAccount.RECEIVABLES,
            amount=amount,
            subject=payment.id,
            reference=reference,
            at=payment.succeeded_at,
            item=item,
        )
    _book_fee(session, payment, intent)
    crash.point("charge posted")
    if payment.has_invoices:
        allocating.settle(session, payment, payment.succeeded_at)
    jobs.issue_receipt.enqueue(session, payment_id=payment.id)
    if payment.save_card and payment.stripe_payment_method_id:
        card_jobs.upsert.enqueue(session, stripe_payment_method_id=payment.stripe_payment_method_id)


def _paid_of(session: Session, payment: Payment, intent: Intent) -> list[tuple[Money, ledger.Item, str]]:
    """What was paid of each item, with how its posting is called: of each invoice, or of the payment itself."""
    if not payment.has_invoices:
        return [(payment.amount, payment.item, f"charge:{intent.id}")]
    return [
        (one.amount, ledger.Item(payment.customer_id, one.invoice_id), one.reference("charge", intent.id))
        for one in queries.allocations_of(session, payment.id)
    ]


def sell(session: Session, payment: Payment, at: datetime) -> None:
    """A payment without an invoice is the invoice as well, without a stated tax; money that was too much sells nothing."""
    if payment.duplicate is not None:
        revenue.overpay(session, payment.amount, payment.item, subject=payment.id, at=at)
        return
    parts = [revenue.Part(None, payment.amount_minor, 0)]
    revenue.sell(session, "sale", parts, payment.item, currency=payment.currency, subject=payment.id, at=at)


def _book_fee(session: Session, payment: Payment, intent: Intent) -> None:
    """Stripe tells the fee when the balance transaction exists, which may be after the success."""
    movement = intent.charge.balance_transaction if intent.charge else None
    if movement is None or payment.fee_minor is not None:
        return
    if intent.charge is not None and intent.charge.method_type in DEBITS:
        debits.book(session, payment, intent.charge)
        return
    payment.fee_minor = movement.fee.minor
    touch(payment)
    # As of the charge: a period holds all postings of one movement, or none.
    at = payment.succeeded_at or movement.created
    ledger.post_exchange(
        session,
        "charge",
        paid=payment.amount,
        settled=movement.amount,
        subject=payment.id,
        transaction_id=movement.id,
        at=at,
    )
    ledger.post_fee(session, "fee", movement.fee, payment.id, movement.id, at)
