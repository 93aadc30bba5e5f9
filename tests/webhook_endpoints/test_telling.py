"""What is told of payments, invoices and refunds: once for each change, and nothing that is not the customer's to know."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

import portal.app  # noqa: F401  # brings every table into the metadata
from portal.core import db
from portal.core.money import Money
from portal.payments import intents
from portal.refunds import service as refunds
from portal.refunds import statuses
from portal.refunds.statuses import RefundStatus
from portal.webhook_endpoints import service
from portal.webhook_endpoints.models import EventType, WebhookEvent
from tests import factories
from tests.payments.conftest import Checkout, checkout
from tests.refunds.conftest import Counter, counter

__all__ = ["checkout", "counter"]

# Nothing is sent in these tests.
URL = "https://hooks.spree-bikes.test/events"


def told(*types: str) -> list[dict[str, Any]]:
    """The data of the events of these types, oldest first."""
    with db.reading() as session:
        rows = session.scalars(select(WebhookEvent).order_by(WebhookEvent.id))
        return [row.payload["data"] for row in rows if row.type in types]


def listen(customer_id: str) -> None:
    service.add_endpoint(customer_id, URL, list(EventType), "", "usr_1")


def test_a_payment_that_succeeds_is_told_once_with_its_invoice(checkout: Checkout) -> None:
    listen(checkout.customer_id)
    started = checkout.start()
    checkout.confirm(started.intent_id)
    checkout.sandbox.control("finish")
    for _ in range(2):
        intents.refresh(started.payment_id)
    invoice = checkout.invoice
    (payment,) = told("payment.succeeded")
    assert payment == {
        "payment_id": started.payment_id,
        "status": "succeeded",
        "amount": 119_00,
        "currency": "eur",
        "failure_code": None,
        "invoice_id": invoice.id,
        "invoice_number": invoice.number,
        "invoices": [{"invoice_id": invoice.id, "invoice_number": invoice.number, "amount": 119_00}],
    }
    (paid,) = told("invoice.paid")
    assert paid.pop("paid_at").endswith("Z")
    assert paid == {
        "invoice_id": invoice.id,
        "invoice_number": invoice.number,
        "status": "paid",
        "amount": 119_00,
        "currency": "eur",
    }
    assert told("payment.failed") == []


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedLostCard", "card_declined"),
        ("pm_card_chargeDeclinedStolenCard", "card_declined"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
    ],
)
@pytest.mark.database("sqlite")
def test_each_decline_is_told_without_a_word_of_fraud(checkout: Checkout, method: str, code: str) -> None:
    listen(checkout.customer_id)
    started = checkout.start()
    for _ in range(2):
        checkout.decline(started.intent_id, method)
        for _ in range(2):
            intents.refresh(started.payment_id)
    failed = told("payment.failed")
    assert len(failed) == 2
    assert {(one["status"], one["failure_code"], one["payment_id"]) for one in failed} == {
        ("requires_payment_method", code, started.payment_id)
    }
    assert told("payment.succeeded", "invoice.paid") == []


def test_an_invoice_that_is_paid_elsewhere_is_told_once(settings: object) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        invoice = factories.invoice(session, customer)
    listen(customer.id)
    by = factories.reviewer()
    for _ in range(2):
        factories.record_outside(invoice.id, by, reference="statement 12, p. 3", client_key="one-form-of-tom")
    (paid,) = told("invoice.paid")
    assert (paid["invoice_number"], paid["amount"]) == (invoice.number, 119_00)
    assert "statement" not in str(paid)


def test_the_steps_of_a_refund_are_told_without_what_staff_do_among_themselves(counter: Counter) -> None:
    listen(counter.customer_id)
    refund_id = counter.refunded(19_00)
    settled = counter.refund(refund_id)
    refunds.sync_refund(str(settled.stripe_refund_id))
    steps = told("refund.updated")
    assert [one["status"] for one in steps] == ["requested", "approved", "executing", "succeeded"]
    assert steps[-1] == {
        "refund_id": refund_id,
        "payment_id": counter.payment_id,
        "status": "succeeded",
        "amount": 19_00,
        "currency": "eur",
        "invoice_id": counter.invoice.id,
    }


@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:1")
@pytest.mark.database("sqlite")
def test_half_of_a_decision_is_not_told(counter: Counter) -> None:
    listen(counter.customer_id)
    refund_id = counter.ask()
    refunds.approve(refund_id, counter.approver)
    assert counter.refund(refund_id).status == RefundStatus.APPROVED_ONCE
    assert [one["status"] for one in told("refund.updated")] == ["requested"]
    refunds.approve(refund_id, counter.admin, amount=Money(100_00, "eur"))
    assert {one["status"] for one in told("refund.updated")} == {"requested"}
    assert len(told("refund.updated")) == 1


def test_what_is_told_as_another_state_is_one_that_customers_know() -> None:
    assert {statuses.public_status(status) for status in RefundStatus} == set(RefundStatus) - {
        RefundStatus.APPROVED_ONCE
    }
