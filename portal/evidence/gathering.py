"""The first draft of evidence, from our own records: what the bank of a card asks about, told as facts, in the English that banks read.

Source: Stripe, "Dispute categories" and "Evidence best practices": who paid, with which proof, what for, what was supplied, what was
given back, and what the same card has paid before without a complaint. For fraud Visa counts two earlier payments of 120 to 364 days
before, from the same account: portal.evidence.compelling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from portal import gateway
from portal.core import company_days
from portal.core.audit import AuditEvent
from portal.disputes.models import Dispute, EarlyFraudWarning
from portal.documents import queries as documents
from portal.documents.models import Document
from portal.evidence import fields
from portal.identity import queries as users
from portal.invoices.models import Invoice
from portal.mandates.models import Mandate
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.refunds import queries as refunds

# What the activity log looks back at before the payment, and how many lines it has at most.
LOOKED_BACK: Final = timedelta(days=60)
MOST_EVENTS: Final = 40
# Earlier payments of the same card that count as evidence: by their age when the bank disputes, and by that at the disputed payment.
EARLIER_FROM: Final = timedelta(days=364)
EARLIER_TO: Final = timedelta(days=120)
MOST_EARLIER: Final = 2

# How a session was begun, where not with a password.
_SIGNED_IN_BY: Final = {
    "passkey": "signed in with a passkey",
    "app": "signed in from an app of ours",
    "link": "signed in with a link sent to the e-mail address",
}
_ACTIVITIES: Final = {
    "session.started": "signed in with a password",
    "app.signed_in": "signed in with an app",
    "payment.started": "started a payment",
    "payment.confirmation_begun": "confirmed a payment",
    "mandate.given": "agreed to automatic payment",
    "payment_method_setup.started": "began to save a card",
}


def texts_of(session: Session, dispute: Dispute, checks: gateway.CardChecks | None) -> dict[str, str]:
    """The texts for this dispute, by the names of portal.evidence.fields; empty ones are left out.

    `dispute` has its payment and its customer loaded; `checks` are what the card's bank has checked, where that is known.
    """
    payment, customer = dispute.payment, dispute.customer
    invoices = invoices_of(session, payment)
    written = _documents_of(session, payment)
    found = {
        fields.STATEMENT: "\n\n".join(_statement(session, dispute, invoices, checks)),
        "product_description": sold(payment, invoices),
        "service_date": min(one.issued_on for one in invoices).isoformat() if invoices else _day(payment.succeeded_at),
        "refund_refusal_explanation": "\n".join(_given_back(session, payment)),
        "access_activity_log": "\n".join(_activity(session, payment, written)),
        "customer_name": customer.name,
        "customer_email_address": customer.email,
        "billing_address": ", ".join([*customer.address_lines, *([customer.country] if customer.country else [])]),
        "customer_purchase_ip": network(session, payment),
    }
    asked = {field.name: field for field in fields.for_reason(dispute.reason)}
    return {name: text[: asked[name].longest] for name, text in found.items() if text and name in asked}


def documents_of(session: Session, dispute: Dispute) -> list[Document]:
    """Our documents about the disputed payment that a bank may be sent: those that are rendered."""
    return [one for one in _documents_of(session, dispute.payment) if one.pdf_sha256 is not None]


def earlier_payments(session: Session, dispute: Dispute) -> Sequence[Payment]:
    """The newest MOST_EARLIER payments of the same customer's same card that were neither disputed nor warned of nor given back; the
    dispute has its payment loaded."""
    payment = dispute.payment
    paid_at = payment.succeeded_at
    if paid_at is None or not payment.card_last4:
        return []
    disputed = select(Dispute.id).where(Dispute.payment_id == Payment.id).exists()
    warned = select(EarlyFraudWarning.id).where(EarlyFraudWarning.payment_id == Payment.id).exists()
    query = (
        select(Payment)
        .where(Payment.customer_id == payment.customer_id, Payment.status == PaymentStatus.SUCCEEDED)
        .where(Payment.created_at >= dispute.created_at - EARLIER_FROM, Payment.created_at <= paid_at - EARLIER_TO)
        .where(Payment.card_brand == payment.card_brand, Payment.card_last4 == payment.card_last4)
        .where(Payment.stripe_charge_id.is_not(None), ~disputed, ~warned)
        .order_by(Payment.created_at.desc(), Payment.id.desc())
        .limit(MOST_EARLIER * 5)
    )
    kept = (one for one in session.scalars(query) if not refunds.of_payment(session, one.id))
    return [one for one, _ in zip(kept, range(MOST_EARLIER), strict=False)]


# The statement, a paragraph each


def _statement(
    session: Session, dispute: Dispute, invoices: Sequence[Invoice], checks: gateway.CardChecks | None
) -> Iterator[str]:
    payment = dispute.payment
    named = [f"invoice {one.number} of {one.issued_on.isoformat()}" for one in invoices]
    paid_for = " and ".join(named) or f"“{payment.description}”"
    when = _moment(payment.succeeded_at)
    if payment.pay_link_id is not None:
        yield (
            f"The customer paid {payment.amount} for {paid_for} on {when}, through the payment link that we had e-mailed with the invoice."
        )
    else:
        yield f"The customer paid {payment.amount} for {paid_for} on {when}, in their account of our billing portal."
    if payment.paid_by is not None:
        name = users.names(session, [payment.paid_by]).get(payment.paid_by, "")
        yield f"The person who paid was signed in{f' as {name}' if name else ''}."
    elif payment.pay_link_id is None:
        mandate = _mandate(session, payment)
        if mandate is not None:
            yield "\n".join(_permission(mandate))
    if checks is not None:
        yield from _checked(checks)
    earlier = earlier_payments(session, dispute)
    if earlier:
        lines = [
            f"- {_day(one.succeeded_at)}: {one.amount} for “{one.description}”, charge {one.stripe_charge_id}"
            for one in earlier
        ]
        yield "\n".join(["The same account has paid with the same card before, and none of it was disputed:", *lines])


def _permission(mandate: Mandate) -> Iterator[str]:
    yield (
        f"The payment was collected under a permission that the customer gave on {_moment(mandate.given_at)} from the network address "
        f"{mandate.ip}, and was announced by e-mail before. The words that were agreed to ({mandate.language}):"
    )
    yield from (f"> {sentence}" for sentence in mandate.sentences)


_PASSED: Final = "pass"


def _checked(checks: gateway.CardChecks) -> Iterator[str]:
    if checks.three_d_secure:
        how = f", {checks.flow}" if checks.flow else ""
        version = f" {checks.version}" if checks.version else ""
        yield f"The bank that issued the card answered 3-D Secure{version} with “{checks.three_d_secure}”{how}."
    passed = [
        name
        for name, result in (
            ("security code", checks.security_code),
            ("postal code", checks.postal_code),
            ("street", checks.street),
        )
        if result == _PASSED
    ]
    if passed:
        yield f"The bank confirmed the {' and the '.join(passed)}."


# The other texts


def invoices_of(session: Session, payment: Payment) -> list[Invoice]:
    """The invoices that were paid, with their lines; none of a payment without one."""
    ids = [one.invoice_id for one in payments.allocations_of(session, payment.id)]
    return [session.get_one(Invoice, one, options=[selectinload(Invoice.lines)]) for one in ids]


def sold(payment: Payment, invoices: Sequence[Invoice]) -> str:
    """What was paid for; the invoices have their lines loaded."""
    if invoices:
        return "\n".join(line for invoice in invoices for line in _billed(invoice))
    if payment.lines:
        return "\n".join(f"- {item.description}" for item in payment.lines)
    return payment.description


def _billed(invoice: Invoice) -> Iterator[str]:
    yield f"Invoice {invoice.number} of {invoice.issued_on.isoformat()}:"
    for line in invoice.lines:
        yield f"- {line.description} ({line.quantity} × {invoice.in_currency(line.unit_price_minor)})"


def _given_back(session: Session, payment: Payment) -> Iterator[str]:
    for refund in refunds.of_payment(session, payment.id):
        asked = f"{_moment(refund.asked_at)}: a refund of {refund.amount} was asked for"
        if refund.succeeded_at is not None and refund.has_succeeded:
            yield f"{asked}, and was paid back on {_day(refund.succeeded_at)}."
        elif refund.rejection:
            yield f"{asked}, and was refused: {refund.rejection}"
        else:
            yield f"{asked}; it is {refund.status}."


def _activity(session: Session, payment: Payment, written: Sequence[Document]) -> Iterator[str]:
    """What the customer's own people did, newest first, and the mails that their mail server took."""
    events = session.scalars(
        select(AuditEvent)
        .where(AuditEvent.customer_id == payment.customer_id, AuditEvent.action.in_(_ACTIVITIES))
        .where(AuditEvent.at >= payment.created_at - LOOKED_BACK, AuditEvent.actor_kind == "customer")
        .order_by(AuditEvent.number.desc())
        .limit(MOST_EVENTS)
    )
    lines = [(event.at, f"{_activity_of(event)}{_from(event.ip)}") for event in events]
    lines += [
        (one.mailed_at, f"{one.number} was taken by the customer’s mail server")
        for one in written
        if one.mailed_at is not None
    ]
    for at, what in sorted(lines, reverse=True):
        yield f"{_moment(at)}: {what}"


def _activity_of(event: AuditEvent) -> str:
    by = event.facts.get("by") if event.action == "session.started" else None
    return _SIGNED_IN_BY.get(str(by), _ACTIVITIES[event.action])


def _from(address: str) -> str:
    return f", network address {address}" if address else ""


# Who starts a payment with a card at hand: somebody signed in, or behind the link of an invoice.
_PAYERS: Final = ("customer", "pay_link")


def network(session: Session, payment: Payment) -> str:
    """Where the payment was started from; of a collected one, where the permission was given."""
    started = session.scalar(
        select(AuditEvent.ip)
        .where(AuditEvent.subject == payment.id, AuditEvent.actor_kind.in_(_PAYERS), AuditEvent.ip != "")
        .order_by(AuditEvent.number)
        .limit(1)
    )
    mandate = None if started or payment.paid_by or payment.pay_link_id else _mandate(session, payment)
    return started or (mandate.ip if mandate else "")


def payer_of(session: Session, payment: Payment) -> str | None:
    """Who was signed in and paid; of a collected payment, who gave the permission."""
    if payment.paid_by is not None:
        return payment.paid_by
    mandate = _mandate(session, payment)
    return mandate.given_by if mandate else None


def _mandate(session: Session, payment: Payment) -> Mandate | None:
    """The permission that was in force when a payment was collected."""
    query = (
        select(Mandate)
        .where(Mandate.customer_id == payment.customer_id, Mandate.given_at <= payment.created_at)
        .order_by(Mandate.given_at.desc())
        .limit(1)
    )
    return session.scalars(query).first()


def _documents_of(session: Session, payment: Payment) -> list[Document]:
    return documents.of_payments(session, [payment.id])


# How things are written


def _moment(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if at else ""


def _day(at: datetime | None) -> str:
    return company_days.day_of(at).isoformat() if at else ""
