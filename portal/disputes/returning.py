"""A bank that takes a direct debit back has the last word: no evidence is looked at, and what the debit paid is owed again.

Source: Stripe's pages on SEPA, ACH and Bacs Direct Debit (disputes are final; a bank that fails after it has paid disputes, too).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import ledger
from portal.core import audit, clock, crash, method_kinds
from portal.core.money import Money
from portal.core.synced_rows import hold_for_review
from portal.disputes.models import Dispute
from portal.disputes.statuses import DisputeStatus
from portal.invoices import service as invoices
from portal.invoices.models import Invoice
from portal.ledger import LedgerAccount, Posting
from portal.payments import jobs as payments
from portal.payments import queries
from portal.payments.models import Allocation, Payment
from portal.webhook_endpoints import service as webhook_endpoints
from portal.webhook_endpoints.models import EventType


def is_final(payment: Payment) -> bool:
    """Whether a dispute of this payment cannot be answered."""
    kind = method_kinds.of(payment.method_kind)
    return kind is not None and kind.disputes is not None and kind.disputes.final


def follow(session: Session, dispute: Dispute, *, has_withdrawn: bool, has_returned: bool) -> None:
    """Open the invoice of a debit again that its bank has taken back for good, once, in the caller's transaction, which holds the payment.

    What is owed goes from disputes back to receivables. `has_withdrawn` says whether the money has left our balance; where it
    `has_returned` after all, staff look at it. Of a payment without an invoice nothing is owed again: it stays a loss.
    """
    payment = session.get_one(Payment, dispute.payment_id)
    if dispute.status != DisputeStatus.LOST or not is_final(payment) or not payment.has_invoices or payment.duplicate:
        return
    of_dispute = (
        Posting.subject == payment.id,
        Posting.kind == "debit_returned",
        Posting.reference.endswith(dispute.id),
    )
    if session.scalar(select(Posting.id).where(*of_dispute).limit(1)) is not None:
        if has_returned:
            hold_for_review(session, dispute, "the money came back after the invoice was opened again")
        return
    if not has_withdrawn:
        return
    disputed = dispute.amount if dispute.currency == payment.currency else payment.amount
    left = min(disputed.minor, payment.amount_minor)
    due_again: list[tuple[Invoice, Money]] = []
    claims = [one for one in queries.allocations_of(session, payment.id) if one.counts]
    for one in sorted(claims, key=lambda claim: claim.invoice_id):
        invoice = invoices.lock(session, one.invoice_id)
        amount = Money(min(left, one.amount_minor, invoice.paid_minor), payment.currency)
        if amount.minor > 0:
            left -= amount.minor
            _owe_again(session, dispute, payment, one, invoice, amount)
            due_again.append((invoice, amount))
    if not due_again:
        return
    _emit(session, payment, due_again)
    payments.mail_failed_debit.enqueue(session, payment_id=payment.id, charge_id=dispute.stripe_charge_id)
    crash.point("debit returned")


def _owe_again(
    session: Session, dispute: Dispute, payment: Payment, one: Allocation, invoice: Invoice, amount: Money
) -> None:
    """So much of what an allocation paid of its invoice, which is locked, is due again."""
    ledger.post(
        session,
        "debit_returned",
        debit=LedgerAccount.RECEIVABLES,
        credit=LedgerAccount.DISPUTES,
        amount=amount,
        subject=payment.id,
        reference=one.reference("debit_returned", dispute.id),
        item=invoice.item,
    )
    one.released_at = clock.now()
    invoices.uncount(session, invoice, amount)
    facts = {"number": invoice.number, "amount": str(amount), "dispute": dispute.id}
    audit.record(session, "invoice.debit_returned", invoice.id, facts, customer_id=payment.customer_id)


def _emit(session: Session, payment: Payment, due_again: Sequence[tuple[Invoice, Money]]) -> None:
    """Tell the customer's systems; `amount` is what is due again."""
    only = due_again[0][0] if len(due_again) == 1 else None
    facts = {
        "payment_id": payment.id,
        "status": payment.status,
        "amount": sum(amount.minor for _invoice, amount in due_again),
        "currency": payment.currency,
        "failure_code": None,
        "invoice_id": only.id if only else None,
        "invoice_number": only.number if only else None,
        "invoices": [
            {"invoice_id": invoice.id, "invoice_number": invoice.number, "amount": amount.minor}
            for invoice, amount in due_again
        ],
    }
    webhook_endpoints.emit(session, payment.customer_id, EventType.PAYMENT_RETURNED, facts)
