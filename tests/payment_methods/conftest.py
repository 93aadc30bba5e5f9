"""A customer without cards, and Stripe's sandbox to add some at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import pytest
import stripe

from portal import gateway
from portal.core import clock, config, db
from portal.core.db import new_id
from portal.payment_methods import card_testing, queries, setups, stripe_customers
from portal.payment_methods.models import PaymentMethod, PaymentMethodSetup
from tests import factories
from tests.live import SandboxServer

VISA = "4242424242424242"
MASTERCARD = "5555555555554444"


@dataclass
class Wallet:
    """Where one customer keeps cards; the bank and the browser are played through the SDK."""

    sandbox: SandboxServer
    customer_id: str

    def start(self, key: str = "first-page", ip: str = "203.0.113.7") -> setups.SetupStarted:
        return setups.start_setup(self.customer_id, client_key=key, ip=ip)

    def method(self, number: str = VISA, month: int = 12, year: int = 2040) -> str:
        """A payment method as the browser makes it, with the publishable key; attached to nobody."""
        card: Any = {"number": number, "exp_month": month, "exp_year": year, "cvc": "123"}
        browser = stripe.StripeClient(config.current().stripe_publishable_key, base_addresses={"api": self.sandbox.url})
        return browser.v1.payment_methods.create({"type": "card", "card": card}).id

    def confirm(self, intent_id: str, method: str) -> None:
        """As the browser does it. Raises stripe.CardError when the bank says no."""
        self.sandbox.client.v1.setup_intents.confirm(intent_id, {"payment_method": method})

    def add(self, number: str = VISA, month: int = 12, year: int = 2040) -> PaymentMethodSetup:
        """The whole way, as if no webhook came; returns the row at its end."""
        key = f"page-{number[-4:]}-{month}-{year}-{len(self.intents)}"
        started = self.start(key)
        self.confirm(started.intent_id, self.method(number, month, year))
        setups.refresh_setup(started.setup_id)
        return self.setup(started.setup_id)

    def fail(self, fault: str, path: str, *, times: int = 1) -> None:
        self.sandbox.control("faults", fault=fault, path=path, times=times, method="*")

    def setup(self, setup_id: str) -> PaymentMethodSetup:
        with db.reading() as session:
            return session.get_one(PaymentMethodSetup, setup_id)

    @property
    def only_setup(self) -> PaymentMethodSetup:
        with db.reading() as session:
            (row,) = session.query(PaymentMethodSetup).all()
            return row

    def change(self, row: type[Any], row_id: str, **values: Any) -> None:
        """Write straight into a row, as time or an accident would have left it."""
        with db.transaction() as session:
            for name, value in values.items():
                setattr(session.get_one(row, row_id), name, value)

    @property
    def cards(self) -> list[PaymentMethod]:
        with db.reading() as session:
            return queries.of_customer(session, self.customer_id)

    @property
    def intents(self) -> list[stripe.SetupIntent]:
        """What Stripe holds, newest first."""
        return self.sandbox.client.v1.setup_intents.list({"limit": 100}).data

    @property
    def attached(self) -> set[str]:
        """The payment methods that Stripe keeps for this customer."""
        holder = stripe_customers.ensure_stripe_customer(self.customer_id)
        return {method.id for method in self.sandbox.client.v1.customers.payment_methods.list(holder).data}


def card(wallet: Wallet, **values: Any) -> str:
    """A kept card that Stripe does not know of; returns its id."""
    facts = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2040, "is_default": False} | values
    row = PaymentMethod(
        id=new_id("method"),
        customer_id=wallet.customer_id,
        stripe_payment_method_id=new_id("pm"),
        created_at=clock.now(),
        **facts,
    )
    with db.transaction() as session:
        session.add(row)
    return row.id


def declined(customer_id: str, number: int, *, ip: str = "203.0.113.7", same_card: bool = False) -> None:
    """Tries that banks have declined, with a card each or all with one."""
    for _ in range(number):
        attempt = new_id("setatt")
        with db.transaction() as session:
            card_testing.begin(session, customer_id, ip, attempt)
            card_testing.fail(session, customer_id, attempt, "one-card" if same_card else attempt, attempt)


@contextmanager
def stripe_is_not_asked(sandbox: SandboxServer) -> Iterator[None]:
    """Any call to Stripe in the block would use up one of the failures that wait for it."""
    sandbox.control("faults", fault="error_before", path="*", times=100)
    yield
    with urlopen(f"{sandbox.url}/_sandbox/state.json") as answer:  # noqa: S310  # our own http:// address
        (waiting,) = json.load(answer)["faults"]
    assert waiting["remaining"] == 100
    sandbox.control("faults/clear")


@pytest.fixture
def wallet(settings: config.Settings, sandbox: SandboxServer) -> Iterator[Wallet]:
    gateway.forget()
    with db.transaction() as session:
        customer = factories.customer(session)
    yield Wallet(sandbox, customer.id)
    gateway.forget()
