"""Answers that are lost, and tries that come hours or days later, when Stripe has forgotten the key: nothing is charged or given back
twice.

Stripe keeps a key for 24 hours, and the portal trusts one for 23. Both clocks are moved together, Stripe's by its control and the
portal's in this process. On SQLite, whose clock is this process's; tests elsewhere age the rows on both databases.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
import time_machine
from flask import Flask

from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.errors import Conflict, PortalError
from portal.core.money import Money
from portal.documents import job_handlers as document_handlers
from portal.jobs import outbox
from portal.payments import job_handlers as payment_handlers
from portal.payments import service as payments
from portal.payments.models import Payment
from portal.payments.order_rules import Order
from portal.refunds import job_handlers as refund_handlers
from portal.refunds import service as refunds
from portal.refunds.models import Refund
from portal.refunds.policy import RefundReason
from portal.refunds.statuses import RefundStatus
from tests import factories
from tests.live import SandboxServer
from tests.payments.conftest import Checkout
from tests.refunds.conftest import Counter, counter
from tests.simulation.invariants import violations
from tests.smtp import Mailbox

# The fixture is used here too, and importing the jobs registers what the worker runs.
__all__ = ["REGISTERED", "counter"]
REGISTERED = (payment_handlers, document_handlers, refund_handlers)

pytestmark = pytest.mark.database("sqlite")

CREATE, CONFIRM, REFUND = "/v1/payment_intents", "/v1/payment_intents/*/confirm", "/v1/refunds"
# The key is sent again; it still lives and is not trusted any more; Stripe has forgotten it.
HOURS = (22.0, 23.5, 25.0)
ARRIVED, NEVER_ARRIVED = "reset_after", "reset_before"


@dataclass
class Time:
    """What time it is, for the portal in this process and for Stripe."""

    sandbox: SandboxServer
    began: datetime = field(default_factory=clock.now)
    hours: float = 0

    @contextmanager
    def later(self, hours: float) -> Iterator[None]:
        """So many hours after the last time."""
        self.hours += hours
        self.sandbox.control("clock", seconds=hours * 3600)
        with time_machine.travel(self.began + timedelta(hours=self.hours)):
            yield


@pytest.fixture
def time(counter: Counter) -> Time:
    return Time(counter.sandbox)


def paid_intents(checkout: Checkout) -> int:
    return sum(intent.status == "succeeded" for intent in checkout.intents)


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("fault", [ARRIVED, NEVER_ARRIVED])
def test_an_intent_whose_creation_was_not_answered(counter: Counter, time: Time, fault: str, hours: float) -> None:
    before = len(counter.intents)
    order = Order(counter.customer_id, "an-order-of-100", amount=Money(100_00, "eur"), description="Deposit")
    counter.fail(fault, CREATE, times=2, method="POST")
    with pytest.raises(PortalError):
        payments.process(order)
    with time.later(hours):
        found = payments.process(order)
        assert found.payment.attempt == (2 if fault == NEVER_ARRIVED and hours > 23 else 1)
        assert [intent.id for intent in counter.intents[:-before]] == [found.payment.stripe_intent_id]
        counter.confirm(str(found.payment.stripe_intent_id))
        assert payments.process(order).payment.has_succeeded
    assert paid_intents(counter) == before + 1


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("fault", [ARRIVED, NEVER_ARRIVED])
@pytest.mark.parametrize("off_session", [True, False])
def test_a_confirmation_that_was_not_answered(
    counter: Counter, time: Time, fault: str, hours: float, off_session: bool
) -> None:
    """It is sent again by the worker alone, within the life of its key, and only where nobody waits in front of a page for it."""
    card = counter.keep_card()
    with db.transaction() as session:
        owner = session.get_one(Payment, counter.payment_id).customer_id
        invoice_id = factories.invoice(session, session.get_one(Customer, owner)).id
    counter.fail(fault, CONFIRM, times=2)
    payment = payments.pay_with_card(
        owner, payments.whole(invoice_id), card.id, client_key="one-press", off_session=off_session
    )
    assert not payment.has_succeeded
    with time.later(hours):
        for _ in range(2):
            again = payments.pay_with_card(
                owner, payments.whole(invoice_id), card.id, client_key="one-press", off_session=off_session
            )
        is_charged = fault == ARRIVED or (off_session and hours < 23)
        assert again.has_succeeded == is_charged
        assert paid_intents(counter) == 1 + int(is_charged)
        assert len(counter.sandbox.client.v1.charges.list().data) == 1 + int(is_charged)


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("fault", [ARRIVED, NEVER_ARRIVED])
def test_a_refund_that_was_not_answered(counter: Counter, time: Time, fault: str, hours: float) -> None:
    refund_id = counter.approved()
    counter.fail(fault, REFUND, times=2, method="POST")
    with pytest.raises(PortalError):
        counter.execute(refund_id)
    with time.later(hours):
        counter.execute(refund_id)
        counter.execute(refund_id)
        is_known = fault == ARRIVED or hours < 23
        assert counter.refund(refund_id).status == (RefundStatus.SUCCEEDED if is_known else RefundStatus.UNKNOWN)
        assert len(counter.at_stripe) == int(is_known)
    with time.later(25):
        if not is_known:
            refunds.send_again(refund_id, counter.approver)
        counter.execute(refund_id)
        counter.execute(refund_id)
        assert [one.amount for one in counter.at_stripe] == [119_00]


# All at once: orders, presses and refunds over a week, whose answers are lost again and again

FAULTS = ("reset_before", "reset_after", "truncate", "error_before", "error_after", "conflict", "rate_limit")
PURCHASES = 16
# Between two tries.
SPANS_HOURS = (0.05, 1.0, 11.0, 22.0, 23.5, 25.0)
TRIES = 8


@dataclass
class Purchase:
    customer_id: str
    invoice_id: str
    payment_method_id: str
    off_session: bool


@dataclass
class Week:
    """Customers who try again, a worker that comes by, and staff who look."""

    counter: Counter
    dice: random.Random
    purchases: list[Purchase]
    lost: int = 0

    def disturb(self) -> None:
        for path in (CREATE, CONFIRM, REFUND):
            for _ in range(5):
                self.counter.fail(self.dice.choice(FAULTS), path, times=self.dice.randint(1, 3), method="POST")

    def try_again(self) -> None:
        for purchase in self.dice.sample(self.purchases, len(self.purchases) // 2):
            self.pay(purchase)
        self.ask_for_refunds()
        outbox.run_due(most=1_000)

    def pay(self, one: Purchase) -> None:
        """With the key of before, or, of a customer who sees nothing of it, with another one."""
        key = f"{one.invoice_id[-20:]}-try-{self.dice.randint(1, 2)}"
        try:
            if one.off_session:
                payments.pay_with_card(
                    one.customer_id,
                    payments.whole(one.invoice_id),
                    one.payment_method_id,
                    client_key=key,
                    off_session=True,
                )
            else:
                payments.process(
                    Order(one.customer_id, key, invoices=payments.whole(one.invoice_id), method=one.payment_method_id)
                )
        except Conflict:  # it is paid, or under way
            return
        except PortalError:
            self.lost += 1

    def ask_for_refunds(self) -> None:
        """Each paid order is given back, half of it now and half of it some other time."""
        with db.reading() as session:
            paid = session.query(Payment).filter(Payment.status == "succeeded").all()
        for payment in self.dice.sample(paid, len(paid) // 2):
            half = payment.money(payment.amount_minor // 2)
            number = self.dice.randint(1, 2)
            asked = refunds.propose(
                self.counter.admin.id,
                payment.id,
                half,
                RefundReason.GOODWILL,
                "",
                client_key=f"part-{number}:{payment.id}",
            )
            with suppress(PortalError):
                refunds.approve(asked, self.counter.approver)

    def decide(self) -> None:
        """Staff have what nobody knows sent once more, unless Stripe shows it after all."""
        with db.reading() as session:
            unknown = session.query(Refund).filter(Refund.status == RefundStatus.UNKNOWN).all()
        for row in unknown:
            with suppress(refunds.ShownByStripe):
                refunds.send_again(row.id, self.counter.approver)
        self.lost += len(unknown)


@pytest.mark.parametrize("seed", range(2))
def test_a_week_of_lost_answers(counter: Counter, app: Flask, smtp: Mailbox, time: Time, seed: int) -> None:
    dice = random.Random(f"keys:{seed}")
    purchases = []
    for number in range(PURCHASES):
        with db.transaction() as session:
            customer = factories.customer(session)
            invoice = factories.invoice(session, customer)
        card = Checkout(counter.sandbox, customer.id, invoice.id).keep_card()
        purchases.append(Purchase(customer.id, invoice.id, card.id, off_session=number % 2 == 0))
    week = Week(counter, dice, purchases)
    with app.app_context():
        for _ in range(TRIES):
            with time.later(dice.choice(SPANS_HOURS)):
                week.disturb()
                week.try_again()
                counter.sandbox.control("faults/clear")
                week.decide()
        for _ in range(4):
            with time.later(25):
                outbox.run_due(most=1_000)
                week.decide()
        with time.later(0.1):
            outbox.run_due(most=1_000)
            assert violations(counter.sandbox.client) == []
    with db.reading() as session:
        succeeded = session.query(Payment).filter(Payment.status == "succeeded").count()
        given_back = session.query(Refund).filter(Refund.status == RefundStatus.SUCCEEDED).count()
    assert succeeded > PURCHASES / 3 and given_back > PURCHASES / 3 and week.lost > PURCHASES / 4, "too little happened"
