"""Rows for tests, with what a test does not care about filled in. Each is written in the caller's transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Customer, DocumentRecipient, RecipientMail
from portal.core import clock, company_days, db
from portal.core.db import new_id
from portal.core.four_eyes import Reviewer
from portal.disputes.models import NO_DEADLINE, OPENED, Dispute, DisputeStep, EarlyFraudWarning
from portal.documents.models import Receipt
from portal.evidence.models import Evidence
from portal.identity import passwords
from portal.identity.models import CustomerRole, User
from portal.invoices import outside, totals
from portal.invoices import service as invoices
from portal.invoices.models import Invoice, InvoiceCredit, InvoiceLine, OutsidePayment
from portal.invoices.write_offs import WriteOff
from portal.jobs.models import JobRow
from portal.payments import queries as payments
from portal.payments import settling
from portal.payments.models import Allocation, Payment
from portal.refunds.models import Refund, RefundStep
from portal.refunds.policy import BANK_TAKES
from portal.stripe_events.models import StripeEvent
from portal.webhook_endpoints import models as events
from portal.webhook_endpoints.models import Delivery, DeliveryStatus, EventType, WebhookEndpoint, WebhookEvent

_numbers = count(1)

PASSWORD = "seven pale trams at dawn"


@cache
def _hash(password: str) -> str:
    return passwords.hashed(password)


def customer(session: Session, **values: Any) -> Customer:
    """A company in Berlin which reads English; any column may be given."""
    row = Customer(
        **{
            "id": new_id("cus"),
            "name": "Spree Bikes GmbH",
            "email": "ada@spree-bikes.test",
            "address": "Oberbaumstraße 5\n10997 Berlin",
            "country": "DE",
            "tax_id": "DE987654321",
            "language": "en",
            "created_at": clock.now(),
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def recipient(session: Session, customer: Customer, **values: Any) -> DocumentRecipient:
    """A further recipient of all documents, confirmed, who reads German; any column may be given."""
    row = DocumentRecipient(
        **{
            "id": new_id("rcp"),
            "customer_id": customer.id,
            "email": "books@spree-bikes.test",
            "language": "de",
            "mails": " ".join(RecipientMail),
            "with_xml": False,
            "created_at": clock.now(),
            "confirmed_at": clock.now(),
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def invoice(
    session: Session,
    customer: Customer,
    lines: Sequence[tuple[str, int, int, int]] = (("Green electricity", 1_000, 100_00, 1900),),
    **values: Any,
) -> Invoice:
    """An open invoice, which is in the books; each line is (description, quantity in thousandths, unit price in minor units, rate in
    basis points).
    """
    reckoned = totals.reckon([(price, quantity, rate) for _words, quantity, price, rate in lines])
    row = Invoice(
        **{
            "id": new_id("inv"),
            "number": f"INV-TEST-{next(_numbers):05d}",
            "customer_id": customer.id,
            "currency": "eur",
            "net_minor": reckoned.net_minor,
            "tax_minor": reckoned.tax_minor,
            "total_minor": reckoned.total_minor,
            "issued_on": company_days.today(),
            "due_on": company_days.today() + timedelta(days=14),
            "created_at": clock.now(),
            "paid_minor": reckoned.total_minor if values.get("status") == "paid" else 0,
            **values,
        }
    )
    session.add(row)
    session.flush()
    for position, ((words, quantity, price, rate), amounts) in enumerate(zip(lines, reckoned.lines, strict=True), 1):
        session.add(
            InvoiceLine(
                id=new_id("lin"),
                invoice_id=row.id,
                position=position,
                description=words,
                quantity_thousandths=quantity,
                unit_price_minor=price,
                tax_rate_basis_points=rate,
                net_minor=amounts.net_minor,
                tax_minor=amounts.tax_minor,
            )
        )
    session.flush()
    session.refresh(row, ["lines"])
    invoices.book(session, row)
    return row


def payment(session: Session, customer: Customer, invoice: Invoice | None = None, **values: Any) -> Payment:
    """A payment that has succeeded: of the invoice's total, or of 50 euros for a deposit."""
    now = clock.now()
    opening = values.pop("opening", invoice.opening if invoice else None)
    row = Payment(
        **{
            "id": new_id("pay"),
            "customer_id": customer.id,
            "has_invoices": invoice is not None,
            "client_key": new_id("key"),
            "amount_minor": invoice.total_minor if invoice else 50_00,
            "currency": invoice.currency if invoice else "eur",
            "description": f"Invoice {invoice.number}" if invoice else "Deposit",
            "status": "succeeded",
            "stripe_intent_id": f"pi_{new_id('test')}",
            "phase": "known" if values.get("stripe_intent_id", "pi_") else "recorded",
            "stripe_charge_id": f"ch_{new_id('test')}",
            "card_brand": "visa",
            "card_last4": "4242",
            "created_at": now,
            "updated_at": now,
            "succeeded_at": now,
            **values,
        }
    )
    if invoice is not None:
        row.allocations = [allocation(row, invoice, opening=opening)]
    session.add(row)
    session.flush()
    if row.succeeded_at is not None and not row.has_invoices:
        settling.sell(session, row, row.succeeded_at)
    return row


def allocation(payment: Payment, invoice: Invoice, **values: Any) -> Allocation:
    """All of a payment is for this invoice."""
    is_over = payment.status == "canceled" or payment.duplicate is not None
    return Allocation(
        **{
            "id": new_id("alc"),
            "position": 1,
            "invoice_id": invoice.id,
            "opening": invoice.opening,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "settled_at": payment.succeeded_at if payment.status == "succeeded" and not is_over else None,
            "released_at": payment.updated_at if is_over else None,
            **values,
        }
    )


def refund(session: Session, payment: Payment, **values: Any) -> Refund:
    """A refund that has succeeded, of all that was paid; asked for by its customer."""
    now = clock.now()
    amount = values.get("amount_minor", payment.amount_minor)
    paid = payments.allocations_of(session, payment.id)
    row = Refund(
        **{
            "id": new_id("rfd"),
            "payment_id": payment.id,
            "invoice_id": paid[0].invoice_id if paid else None,
            "customer_id": payment.customer_id,
            "client_key": new_id("key"),
            "origin": "customer",
            "asked_at": now,
            "asked_minor": amount,
            "amount_minor": amount,
            "currency": payment.currency,
            "reason": "product_not_received",
            "status": "succeeded",
            "stripe_refund_id": f"re_{new_id('test')}",
            "phase": "known" if values.get("stripe_refund_id", "re_") else "recorded",
            "sent_at": now,
            "expected_by": (now + BANK_TAKES).date(),
            "succeeded_at": now,
            "updated_at": now,
            **values,
        }
    )
    session.add(row)
    session.flush()
    session.add(RefundStep(id=new_id("rfs"), refund_id=row.id, at=now, status=row.status))
    session.flush()
    return row


def receipt(session: Session, payment: Payment, **values: Any) -> Receipt:
    """The receipt of a payment, without a PDF; nobody was mailed it."""
    row = Receipt(
        **{
            "id": new_id("rct"),
            "number": f"R-TEST-{next(_numbers):05d}",
            "payment_id": payment.id,
            "customer_id": payment.customer_id,
            "total_minor": payment.amount_minor,
            "currency": payment.currency,
            "facts": {},
            "code": new_id("")[-20:],
            "issued_at": clock.now(),
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def dispute(session: Session, payment: Payment, **values: Any) -> Dispute:
    """A dispute of the whole payment that Stripe does not know, and that asks nothing of us; its money is not booked."""
    now = clock.now()
    row = Dispute(
        **{
            "id": new_id("dsp"),
            "payment_id": payment.id,
            "customer_id": payment.customer_id,
            "stripe_dispute_id": new_id("du"),
            "stripe_charge_id": payment.stripe_charge_id,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "reason": "product_not_received",
            "status": "under_review",
            "evidence_due_by": None,
            "deadline": NO_DEADLINE,
            "has_evidence": False,
            "is_refundable": False,
            "created_at": now,
            "updated_at": now,
            **values,
        }
    )
    session.add(row)
    session.flush()
    session.add(DisputeStep(id=new_id("dst"), dispute_id=row.id, number=1, at=row.created_at, what=OPENED))
    session.flush()
    return row


def evidence(session: Session, dispute: Dispute, **values: Any) -> Evidence:
    """A draft of the evidence for a dispute."""
    row = Evidence(
        **{
            "dispute_id": dispute.id,
            "customer_id": dispute.customer_id,
            "texts": {"uncategorized_text": "The customer was signed in and paid with 3-D Secure."},
            "documents": {},
            "gathered_at": clock.now(),
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def fraud_warning(session: Session, payment: Payment, **values: Any) -> EarlyFraudWarning:
    """A warning of a card's issuer that Stripe does not know, and that can be acted on."""
    now = clock.now()
    row = EarlyFraudWarning(
        **{
            "id": new_id("efw"),
            "payment_id": payment.id,
            "customer_id": payment.customer_id,
            "stripe_warning_id": new_id("issfr"),
            "fraud_type": "unauthorized_use_of_card",
            "actionable": True,
            "created_at": now,
            "updated_at": now,
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def user(
    session: Session,
    customer: Customer | None,
    customer_role: str = CustomerRole.OWNER,
    *,
    password: str | None = PASSWORD,
    **values: Any,
) -> User:
    """Someone who signs in for this customer: as owner, payer or viewer. With `password=None` their invitation is still open."""
    row = User(
        **{
            "id": new_id("usr"),
            "email": f"ada{next(_numbers)}@spree-bikes.test",
            "name": "Ada Brandt",
            "role": "customer",
            "customer_id": customer.id if customer else None,
            "customer_role": customer_role if customer else None,
            "password_hash": _hash(password) if password else None,
            "language": "en",
            "active": True,
            "created_at": clock.now(),
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def staff(session: Session, role: str = "support", **values: Any) -> User:
    """A member of staff: support, approver or admin."""
    return user(
        session, None, **{"role": role, "name": "Tom Staff", "email": f"{role}{next(_numbers)}@portal.test", **values}
    )


def reviewer(role: str = "approver") -> Reviewer:
    """A member of staff who decides, in a transaction of its own."""
    with db.transaction() as session:
        return Reviewer(staff(session, role).id, role)


def record_outside(invoice_id: str, by: Reviewer | None = None, **values: Any) -> OutsidePayment:
    """A bank transfer of all that is due of an invoice, recorded by one of staff; from the threshold on it waits for a second one."""
    facts: dict[str, Any] = {
        "paid_on": company_days.today(),
        "how": "bank_transfer",
        "reference": "Statement 11",
        "reason": "on the statement",
        "client_key": f"record-{next(_numbers)}-of-tests",
    }
    return outside.record(invoice_id, by or reviewer(), **(facts | values))


def proposed_credit(session: Session, invoice: Invoice, **values: Any) -> InvoiceCredit:
    """A credit of 11.90 over all of an invoice that waits for a second person, proposed at the command line."""
    row = InvoiceCredit(
        **{
            "id": new_id("icr"),
            "invoice_id": invoice.id,
            "status": "proposed",
            "amount_minor": 11_90,
            "currency": invoice.currency,
            "lines": [],
            "reason": "One came back",
            "proposed_at": clock.now(),
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def proposed_write_off(session: Session, invoice: Invoice, **values: Any) -> WriteOff:
    """A write-off of all of an invoice that waits for a second person, proposed at the command line."""
    row = WriteOff(
        **{
            "id": new_id("wof"),
            "invoice_id": invoice.id,
            "status": "proposed",
            "amount_minor": invoice.due_minor,
            "currency": invoice.currency,
            "reason": "Insolvent",
            "proposed_at": clock.now(),
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def stripe_event(session: Session, **values: Any) -> StripeEvent:
    """An event that Stripe sent and the portal has not applied yet."""
    now = clock.now()
    row = StripeEvent(
        **{
            "id": f"evt_{next(_numbers)}",
            "type": "payment_intent.succeeded",
            "object_id": "pi_1",
            "intent_id": "pi_1",
            "api_version": "2026-10-28.endive",
            "created_at": now,
            "received_at": now,
            "body": b'{"object": "event"}',
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def endpoint(session: Session, customer: Customer, **values: Any) -> WebhookEndpoint:
    """A system of the customer's that wants to hear of everything; made by an app."""
    row = WebhookEndpoint(
        **{
            "id": new_id("wep"),
            "customer_id": customer.id,
            "url": "https://hooks.spree-bikes.test/events",
            "description": "The books",
            "events": list(events.EventType),
            "created_at": clock.now(),
            "created_by": "app",
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def delivery(session: Session, customer: Customer, to: WebhookEndpoint | None = None, **values: Any) -> Delivery:
    """An event that has arrived at the customer's system."""
    now = clock.now()
    to = to or endpoint(session, customer)
    event_type = values.get("type", EventType.INVOICE_PAID)
    facts = {"invoice_id": "inv_1", "invoice_number": "INV-2026-000041", "amount": 119_00, "currency": "eur"}
    event = WebhookEvent(
        id=new_id("evt"),
        customer_id=customer.id,
        type=event_type,
        created_at=now,
        payload={"type": event_type, "timestamp": now.isoformat(), "data": facts},
    )
    session.add(event)
    session.flush()
    row = Delivery(
        **{
            "id": new_id("dlv"),
            "event_id": event.id,
            "endpoint_id": to.id,
            "customer_id": customer.id,
            "type": event_type,
            "status": DeliveryStatus.DELIVERED,
            "attempts": 1,
            "status_code": 200,
            "answer": "thanks",
            "created_at": now,
            "last_attempt_at": now,
            "delivered_at": now,
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def failed_job(session: Session, **values: Any) -> JobRow:
    """A job that has failed in all its tries."""
    now = clock.now()
    row = JobRow(
        **{
            "id": new_id("job"),
            "name": "documents.render",
            "args": {"receipt_id": "rct_1"},
            "status": "dead",
            "attempts": 12,
            "run_at": now,
            "last_error": "OSError: no space left",
            "created_at": now,
            "finished_at": now,
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def csrf_token(client: FlaskClient) -> str:
    """What a form of this browser has to carry, as `csrf_token` or in the header X-CSRFToken."""
    # One of the smallest pages, which everybody may read; that it is as it should be, others look at.
    page = FlaskClient.open(client, "/verify", follow_redirects=True)
    found = re.search(r'"X-CSRFToken": "([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]


def sign_in(client: FlaskClient, user: User, password: str = PASSWORD) -> None:
    """Sign in as a browser does, by the form."""
    form = {"email": user.email, "password": password, "csrf_token": csrf_token(client)}
    answer = client.post("/sign-in", data=form)
    assert answer.status_code == 303, answer.get_data(as_text=True)
