"""Automatic payment from a bank account: announced as its scheme asks, days on its way, and tried again for want of money alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine

from portal.accounts.models import Customer
from portal.core import clock, company_days, db
from portal.invoices import queries as invoices
from portal.invoices.models import Invoice
from portal.mandates.models import Mandate
from portal.mandates.statuses import CollectionStatus
from portal.payment_methods import keeping, queries, setups
from portal.payment_methods.models import PaymentMethod
from portal.payments import service as payments
from tests import factories
from tests.certain import as_sent
from tests.contract.support import ACCEPTED
from tests.mandates.conftest import Subscriber
from tests.smtp import text_of

WITHOUT_MONEY, CLOSED = "DE65370400440002222227", "DE62370400440532013001"
CREDITOR = "DE98ZZZ09999999999"

pytestmark = [
    pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,sepa_debit", PORTAL_COMPANY_CREDITOR_ID=CREDITOR),
]


@pytest.fixture
def debited(subscriber: Subscriber) -> Subscriber:
    """The default is a bank account, whose holder has given a mandate for it."""
    started = setups.start_setup(subscriber.customer_id, client_key="first-page", ip="203.0.113.7")
    how = {"payment_method": "pm_sepaDebit_success_de", "mandate_data": ACCEPTED}
    subscriber.sandbox.client.v1.setup_intents.confirm(started.intent_id, as_sent(how))
    setups.refresh_setup(started.setup_id)
    with db.reading() as session:
        kept = next(one for one in queries.of_customer(session, subscriber.customer_id) if one.is_debit)
    keeping.make_default(kept.id, subscriber.customer_id)
    return subscriber


def account(subscriber: Subscriber) -> PaymentMethod:
    with db.reading() as session:
        found = queries.default_method(session, subscriber.customer_id)
    assert found is not None and found.is_debit
    return found


@contextmanager
def days_later(subscriber: Subscriber, days: float) -> Iterator[None]:
    """So many days later, here and at Stripe, whose events have come; and the worker has looked."""
    subscriber.sandbox.control("clock", seconds=days * 24 * 3600)
    with time_machine.travel(clock.now() + timedelta(days=days)):
        for intent in subscriber.sandbox.client.v1.payment_intents.list().data:
            payments.sync_intent(intent.id)
        subscriber.work()
        yield


def standing(invoice_id: str) -> str:
    with db.reading() as session:
        return invoices.standings(session, [session.get_one(Invoice, invoice_id)])[invoice_id].status


def test_a_debit_is_announced_as_sepa_asks_and_pays_days_later(debited: Subscriber) -> None:
    debited.switch_on()
    invoice_id = debited.owe(days=4)
    with days_later(debited, 1):
        (notice,) = debited.mails("We will charge invoice")
        told = text_of(notice)
        day = company_days.day_of(debited.collection(invoice_id).next_attempt_at)
        assert clock.now() + timedelta(days=2) < company_days.begins(day), "two days before, as the mandate says"
        for words in ("€119.00", "SEPA debit DE •••• 3000", account(debited).mandate_reference, CREDITOR, f"{day.day}"):
            assert words in told
        with days_later(debited, 4):
            assert debited.payment.status == "processing" and standing(invoice_id) == "processing"
            assert debited.collection(invoice_id).status == CollectionStatus.ANNOUNCED
            with days_later(debited, 2):
                debited.work()
                assert debited.asked == 1, "it is on its way, and nothing is tried beside it"
            with days_later(debited, 6):
                assert debited.status(invoice_id) == "paid" and debited.charged == [119_00]
                assert debited.collection(invoice_id).status == CollectionStatus.PAID


def test_for_want_of_money_it_is_tried_once_more_and_told_by_one_mail_each_time(debited: Subscriber) -> None:
    debited.switch_on()
    invoice_id = debited.owe(days=0)
    debited.sandbox.control(
        "cards/behave", payment_method=account(debited).stripe_payment_method_id, like=WITHOUT_MONEY
    )
    debited.work()
    with days_later(debited, 4), days_later(debited, 6):
        (told,) = debited.mails("We could not charge")
        assert "not enough money in the bank account" in text_of(told)
        assert debited.mails("The direct debit for") == []
        collection = debited.collection(invoice_id)
        assert collection.status == CollectionStatus.RETRYING
        assert collection.next_attempt_at - clock.now() > timedelta(days=2), "it is announced, as the first one was"
        with days_later(debited, 5), days_later(debited, 6):
            assert debited.collection(invoice_id).status == CollectionStatus.GIVEN_UP
            assert debited.asked == 2 and len(debited.mails("We could not charge")) == 2
            with days_later(debited, 30):
                assert debited.asked == 2


def test_any_other_refusal_is_the_last_one(debited: Subscriber) -> None:
    debited.switch_on()
    invoice_id = debited.owe(days=0)
    debited.sandbox.control("cards/behave", payment_method=account(debited).stripe_payment_method_id, like=CLOSED)
    debited.work()
    with days_later(debited, 4), days_later(debited, 6):
        assert debited.collection(invoice_id).status == CollectionStatus.GIVEN_UP and debited.asked == 1
        assert len(debited.mails("was not paid automatically")) == 1


def test_what_the_default_cannot_pay_is_not_tried(debited: Subscriber) -> None:
    debited.switch_on()
    with db.transaction() as session:
        customer = session.get_one(Customer, debited.customer_id)
        dollars = factories.invoice(session, customer, due_on=company_days.today(), currency="usd").id
    debited.work()
    assert len(debited.mails("We need a payment method")) == 1 and standing(dollars) == "open"
    with days_later(debited, 4):
        assert debited.asked == 0 and debited.collection(dollars).failure_code == "no_payment_method"


def test_an_older_consent_speaks_of_cards_until_the_new_words_are_agreed_to(
    debited: Subscriber,
) -> None:
    older = debited.switch_on()
    with db.transaction() as session:
        session.get_one(Mandate, older.id).any_kind = False
    invoice_id = debited.owe(days=0)
    debited.work()
    assert standing(invoice_id) == "open" and len(debited.mails("We need a payment method")) == 1
    assert debited.switch_on().id != older.id and debited.switch_on().any_kind
    debited.work()
    assert standing(invoice_id) == "scheduled" and debited.mails("is off") == []
    with days_later(debited, 4):
        assert debited.payment.status == "processing"
