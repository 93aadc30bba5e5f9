"""A customer who has paid 119 euros with a card, and a bank that wants the money back."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import stripe
from sqlalchemy import select

from portal.core import db
from portal.disputes import queries, service
from portal.disputes.models import Dispute
from portal.payments.models import Payment
from portal.payments.service import refresh
from portal.stripe_events import handlers
from tests.payments.conftest import Checkout, books, checkout

__all__ = ["checkout"]

# What is booked once the payment has arrived and its fee is known.
PAID = ["charge", "fee"]


@dataclass
class Case:
    """One payment and what its bank does about it; the bank and Stripe are played by the sandbox."""

    checkout: Checkout

    def pay(self, method: str = "pm_card_visa", *, known: bool = True) -> Case:
        """Pay the invoice; unless `known`, the portal has not heard of it yet."""
        started = self.checkout.start()
        self.checkout.confirm(started.intent_id, method)
        self.checkout.sandbox.control("finish")
        if known:
            refresh(started.payment_id)
        return self

    def dispute(self, *, inquiry: bool = False, reason: str = "fraudulent", **asked: object) -> Case:
        """`asked` may be an amount and a currency of the dispute's own."""
        charge, inquires = str(self.checkout.intents[0].latest_charge), "yes" if inquiry else "no"
        self.checkout.sandbox.control("disputes", charge=charge, reason=reason, inquiry=inquires, **asked)
        return self

    def decide(self, *verdicts: str) -> Case:
        for verdict in verdicts:
            self.checkout.sandbox.control("disputes/decide", dispute=self.at_stripe.id, verdict=verdict)
        return self

    def heard(self) -> Case:
        """The portal hears that something has happened."""
        assert service.sync_dispute(self.at_stripe.id)
        return self

    @property
    def at_stripe(self) -> stripe.Dispute:
        (only,) = self.checkout.sandbox.client.v1.disputes.list({"limit": 10}).data
        return only

    def events(self, prefix: str) -> list[bytes]:
        """Stripe's events of these types, as they were sent, oldest first."""
        found = self.checkout.sandbox.client.v1.events.list({"limit": 100}).data
        bodies = [one.to_dict() for one in reversed(found)]
        return [
            json.dumps(body).encode()
            for body in bodies
            if body["type"] in handlers.HANDLERS and body["type"].startswith(prefix)
        ]

    # What the portal knows

    @property
    def ours(self) -> Dispute:
        """The only dispute, with its steps, payment and customer."""
        with db.reading() as session:
            return queries.dispute(session, session.execute(select(Dispute.id)).scalar_one())

    @property
    def payment(self) -> Payment:
        return self.checkout.payment

    @property
    def history(self) -> list[str]:
        return [step.what for step in self.ours.steps]

    @property
    def money(self) -> dict[str, int]:
        """What is booked beside the payment itself: minor units by kind. Each kind may be there once."""
        found = [(kind, minor) for kind, _, minor in books() if kind not in PAID]
        assert len(found) == len(dict(found)), found
        return dict(found)


@pytest.fixture
def case(checkout: Checkout) -> Case:
    return Case(checkout)
