"""An app has a bank account debited by its reference: with its holder's consent alone, once, and told by when the money is expected."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select

from portal.core import db
from portal.core.errors import PortalError
from portal.core.money import Money
from portal.payment_methods import fence
from portal.payment_methods import service as cards
from portal.payments import queries, service
from portal.payments.models import Confirmation
from portal.payments.order_rules import Order
from tests.certain import as_sent
from tests.payments.conftest import Checkout, everything
from tests.payments.test_debits import GOOD, HOLDER, is_equal, later

CONSENT = {"ip_address": "203.0.113.7", "user_agent": "Mozilla/5.0"}

pytestmark = pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,sepa_debit")


def account(checkout: Checkout) -> str:
    """As the app makes it with Stripe's SDK."""
    given = {"type": "sepa_debit", "sepa_debit": {"iban": GOOD}, "billing_details": HOLDER}
    return checkout.sandbox.client.v1.payment_methods.create(as_sent(given)).id


def test_a_bank_account_is_debited_once_however_often_its_answer_is_lost(checkout: Checkout) -> None:
    order = Order(
        customer_id=checkout.customer_id,
        client_key="an-apps-debit",
        invoices=service.whole(checkout.invoice_id),
        method=account(checkout),
        mandate=CONSENT,
    )
    checkout.fail("reset_after", "/v1/payment_intents/*/confirm", times=2)
    with suppress(PortalError):
        service.process(order)
    done = service.process(order)
    assert (done.payment.status, done.next_action) == ("processing", None) and done.payment.expected_by is not None
    assert len(checkout.sandbox.client.v1.charges.list().data) == 1 and is_equal(checkout, underway=119_00)
    with db.reading() as session:
        kept = session.scalars(select(Confirmation)).one()
        assert queries.unanswered(session, done.payment.id) is None and kept.mandate is None
    with later(checkout, days=6):
        service.refresh(done.payment.id)
        assert checkout.invoice.status == "paid" and service.process(order).payment.status == "succeeded"


@pytest.mark.database("sqlite")
def test_without_consent_or_in_another_currency_nothing_is_debited(checkout: Checkout) -> None:
    cards.ensure_stripe_customer(checkout.customer_id)
    of_invoice: dict[str, Any] = {
        "customer_id": checkout.customer_id,
        "invoices": service.whole(checkout.invoice_id),
        "method": account(checkout),
    }
    dollars = {**of_invoice, "invoices": (), "amount": Money(25_00, "usd"), "description": "Helmet"}
    before = everything()
    with pytest.raises(fence.MandateMissing):
        service.process(Order(client_key="without-consent", **of_invoice))
    with pytest.raises(fence.NotAccepted):
        service.process(Order(client_key="in-dollars", mandate=CONSENT, **dollars))
    assert everything() == before and checkout.intents == []
