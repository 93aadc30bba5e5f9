"""dj-stripe, with which shops built on Django copy everything from Stripe into tables of their own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.clients.installing import DJ_STRIPE, only_on_request, pip
from tests.sandbox.conftest import RunningSandbox

PROGRAM = Path(__file__).with_name("dj_stripe_sync.py")
EVENTS = 60


def live_a_little(sandbox: RunningSandbox) -> None:
    """Customers, payments in several states, refunds, a dispute and a payout, with at least `EVENTS` events."""
    v1 = sandbox.client.v1
    customers = [
        v1.customers.create({"email": f"{name}@example.com", "payment_method": "pm_card_visa"}) for name in "abc"
    ]
    for customer in customers:
        card = v1.customers.payment_methods.list(customer.id).data[0].id
        v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card}})
        for amount in (1000, 2000, 3000):
            sandbox.pay(card, customer=customer.id, amount=amount)
    sandbox.pay("pm_card_createDispute", customer=customers[0].id)
    refunded = sandbox.pay("pm_card_visa", customer=customers[0].id)
    for amount in (500, 1500):
        v1.refunds.create({"payment_intent": refunded.id, "amount": amount})
    sandbox.pay("pm_card_visa", capture_method="manual")
    with pytest.raises(stripe.CardError):
        sandbox.pay("pm_card_chargeDeclined", customer=customers[1].id)
    automatic: Any = {"enabled": True, "allow_redirects": "never"}
    v1.setup_intents.create(
        {
            "customer": customers[2].id,
            "payment_method": "pm_card_visa",
            "confirm": True,
            "automatic_payment_methods": automatic,
        }
    )
    v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/nobody", "enabled_events": ["*"]})
    sandbox.control("finish")
    sandbox.control("clock", seconds=3 * 24 * 3600)
    sandbox.control("payouts")


@pytest.mark.timeout(500)  # the first time brings packages
def test_dj_stripe_copies_everything_by_its_own_calls(sandbox: RunningSandbox) -> None:
    only_on_request()
    python = pip("dj-stripe", DJ_STRIPE)
    live_a_little(sandbox)
    done = subprocess.run(
        [str(python), str(PROGRAM), sandbox.url], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    copied = json.loads(done.stdout)
    v1 = sandbox.client.v1
    for name, there in (
        ("Customer", v1.customers),
        ("PaymentIntent", v1.payment_intents),
        ("Charge", v1.charges),
        ("Refund", v1.refunds),
        ("Dispute", v1.disputes),
        ("SetupIntent", v1.setup_intents),
        ("Payout", v1.payouts),
        ("Event", v1.events),
    ):
        found = len(list(there.list({"limit": 100}).auto_paging_iter()))
        assert found > 0, name
        assert copied[name] == found, name
    assert copied["Event"] >= EVENTS
