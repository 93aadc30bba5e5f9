"""A customer with a card and automatic payment, and days that go by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage

import pytest
import time_machine
from flask import Flask

from portal import gateway
from portal.accounts.models import Customer
from portal.core import clock, company_days, config, db
from portal.invoices.models import Invoice
from portal.jobs import outbox
from portal.mandates import policy, service
from portal.mandates.models import Collection, Mandate
from portal.payment_methods import queries as cards
from portal.payment_methods.models import PaymentMethod
from portal.payments.models import Payment
from tests import factories
from tests.live import SandboxServer
from tests.payments.conftest import keep_card
from tests.smtp import Mailbox

GOOD = "4242424242424242"
POOR = "4000000000009995"  # insufficient funds
WRONG_CODE = "4000000000000127"
STOLEN = "4000000000009979"
ASKS = "4000002760003184"  # 3-D Secure, always


@dataclass
class Subscriber:
    """Ada's company, whose default card is charged for an invoice of 119 euros; the bank is played through the sandbox."""

    app: Flask
    sandbox: SandboxServer
    smtp: Mailbox
    customer_id: str
    user_id: str

    # What the customer does

    def keep_card(self, method: str = "pm_card_visa") -> PaymentMethod:
        return keep_card(self.sandbox, self.customer_id, method)

    def agreed(self, locale: str = "en") -> str:
        return policy.digest(policy.terms(config.current().company.name, locale))

    def switch_on(self) -> Mandate:
        return service.switch_on(self.customer_id, self.user_id, ip="203.0.113.7", locale="en", agreed=self.agreed())

    def owe(self, days: int) -> str:
        """An open invoice that is due in so many days; returns its id."""
        with db.transaction() as session:
            customer = session.get_one(Customer, self.customer_id)
            return factories.invoice(session, customer, due_on=company_days.today() + timedelta(days=days)).id

    def bank(self, like: str) -> None:
        """The default card's bank answers from now on as it does for this test card."""
        with db.reading() as session:
            card = cards.default_method(session, self.customer_id)
        assert card is not None
        self.sandbox.control("cards/behave", payment_method=card.stripe_payment_method_id, like=like)

    # What the worker does

    def work(self) -> None:
        """One sweep, and all that is due after it."""
        service.sweep()
        with self.app.app_context():
            while outbox.run_due():
                pass

    @contextmanager
    def later(self, days: float) -> Iterator[None]:
        """Within the block it is so many days after the time before it, and the worker has looked."""
        with time_machine.travel(clock.now() + timedelta(days=days)):
            self.work()
            yield

    # What is true

    def collection(self, invoice_id: str) -> Collection:
        with db.reading() as session:
            return session.query(Collection).filter_by(invoice_id=invoice_id).one()

    def status(self, invoice_id: str) -> str:
        with db.reading() as session:
            return session.get_one(Invoice, invoice_id).status

    @property
    def payment(self) -> Payment:
        with db.reading() as session:
            return session.query(Payment).one()

    @property
    def charged(self) -> list[int]:
        """What Stripe has really taken, in minor units."""
        return [charge.amount for charge in self.sandbox.client.v1.charges.list({"limit": 100}).data if charge.paid]

    @property
    def asked(self) -> int:
        """How often the bank was asked."""
        return len(self.sandbox.client.v1.charges.list({"limit": 100}).data)

    def mails(self, words: str) -> list[EmailMessage]:
        """The mails whose subject has these words."""
        return [mail for mail in self.smtp.messages if words in mail["Subject"]]


@pytest.fixture
def subscriber(app: Flask, sandbox: SandboxServer, smtp: Mailbox) -> Iterator[Subscriber]:
    """It is nine in the morning, so that the days of a test do not depend on the hour at which it runs."""
    gateway.forget()
    with db.transaction() as session:
        customer = factories.customer(session)
        user = factories.user(session, customer)
    one = Subscriber(app, sandbox, smtp, customer.id, user.id)
    one.keep_card()
    with time_machine.travel(datetime.combine(company_days.today() + timedelta(days=1), time(9), UTC)):
        yield one
    gateway.forget()
