"""Stripe tells the portal nothing at all for days: the books are right all the same, no later than fifteen minutes after."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import func, select

from portal.core import db
from portal.core.clock import now
from portal.core.db import new_id
from portal.jobs.models import JobRow
from portal.payments.models import Payment
from portal.stripe_events.models import StripeEvent
from tests import factories
from tests.flows.conftest import move
from tests.live import Clock, LivePortal
from tests.simulation.invariants import violations
from tests.waiting import eventually

# Three steps of time that passes, with a minute of real time in each for the work, are less than the fifteen minutes.
STEP = timedelta(minutes=4)
STEPS = 3
WORK_SECONDS = 60


class Ada:
    """A customer with an app, whose bank and whose merchant act at Stripe without the portal."""

    def __init__(self, portal: LivePortal) -> None:
        self.portal = portal
        self.stripe = portal.sandbox.client
        with db.transaction() as session:
            self._user = factories.user(session, factories.customer(session))

    def order(self, card: str | None, **more: Any) -> str:
        """Buy for 25 euros with a card of this behaviour, or without one yet; returns the payment intent's id."""
        name = new_id("order")
        order = {"amount": 25_00, "currency": "eur", "description": f"Order {name}", **more}
        if card is not None:
            order["payment_method_id"] = self._method(card)
        words = {"grant_type": "password", "email": self._user.email, "password": factories.PASSWORD}
        token = self._post("auth/token", words)["access_token"]
        payment = self._post("payments/process", order, {"Authorization": f"Bearer {token}", "Idempotency-Key": name})
        with db.reading() as session:
            intent_id = session.get_one(Payment, payment["id"]).stripe_intent_id
        assert intent_id is not None
        return intent_id

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        answer = requests.post(f"{self.portal.url}/api/{path}", json=body, headers=headers, timeout=60)
        assert answer.ok, answer.text
        return dict(answer.json())

    def _method(self, card: str) -> str:
        return self.stripe.v1.payment_methods.create({"type": "card", "card": {"token": card}}).id

    def charge_of(self, intent_id: str) -> str:
        charge = self.stripe.v1.payment_intents.retrieve(intent_id).latest_charge
        assert isinstance(charge, str)
        return charge

    def confirm(self, intent_id: str) -> None:
        """What Stripe's SDK in the app does with the secret; the app is closed before it says so to anyone."""
        self.stripe.v1.payment_intents.confirm(intent_id, {"payment_method": self._method("tok_visa")})

    def answer_bank(self, intent_id: str) -> None:
        step: Any = self.stripe.v1.payment_intents.retrieve(intent_id).next_action
        address = step.use_stripe_sdk["stripe_js"] if step.type == "use_stripe_sdk" else step.redirect_to_url.url
        requests.post(address, data={"outcome": "complete"}, allow_redirects=False, timeout=30).raise_for_status()

    def give_back_at_the_dashboard(self, intent_id: str, amount: int) -> str:
        return self.stripe.v1.refunds.create({"payment_intent": intent_id, "amount": amount}).id


@pytest.mark.timeout(600)
def test_what_happened_at_stripe_days_later_is_in_the_books_within_fifteen_minutes(
    live_portal: LivePortal, clock: Clock
) -> None:
    live_portal.sandbox.control("webhooks", action="drop", share=1)
    ada, control = Ada(live_portal), live_portal.sandbox.control
    given_back, disputed, sent_back = (ada.order("tok_visa") for _ in range(3))
    left_open, left_at_the_bank, canceled = ada.order(None), ada.order("tok_threeDSecure2Required"), ada.order(None)
    refund = ada.give_back_at_the_dashboard(sent_back, 10_00)
    with db.reading() as session:
        assert session.scalar(select(func.count(StripeEvent.id))) == 0, "webhooks do arrive"

    move(clock, days=2)
    eventually(lambda: _nothing_is_due(clock), within=WORK_SECONDS, what="the look of the night")
    ada.give_back_at_the_dashboard(given_back, 5_00)
    control("disputes", charge=ada.charge_of(disputed), reason="product_not_received")
    control("refunds/fail", refund=refund)
    ada.confirm(left_open)
    ada.answer_bank(left_at_the_bank)
    ada.stripe.v1.payment_intents.cancel(canceled)
    ada.order("tok_visa")
    control("payouts")
    assert violations(ada.stripe, worker_runs=False) != []
    let_minutes_pass(ada, clock)


def let_minutes_pass(ada: Ada, clock: Clock) -> None:
    """Less than fifteen minutes, after which every invariant must hold."""
    for _ in range(STEPS):
        move(clock, minutes=STEP.total_seconds() / 60)
        eventually(lambda: _nothing_is_due(clock), within=WORK_SECONDS, what="the jobs that came due")
    eventually(lambda: _assert_kept(ada), within=WORK_SECONDS)


def _nothing_is_due(clock: Clock) -> bool:
    due = JobRow.status == "queued", JobRow.run_at <= now() + clock.offset
    with db.reading() as session:
        return session.scalar(select(JobRow.id).where(*due).limit(1)) is None


def _assert_kept(ada: Ada) -> bool:
    assert violations(ada.stripe, worker_runs=False) == []
    return True
