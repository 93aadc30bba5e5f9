"""A direct debit that its bank takes back: final, the invoice is due again, and everybody who has to know is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import clock, db
from portal.jobs import outbox
from portal.ledger import LedgerAccount
from portal.payments import service
from portal.payments.models import Payment
from portal.refunds import service as refunds
from portal.reminders import queries as reminders
from portal.webhook_endpoints.models import WebhookEvent
from tests import factories
from tests.crashing import dies
from tests.disputes.conftest import Case
from tests.payments.conftest import Checkout
from tests.payments.test_debits import GOOD, account, debit, is_equal, later
from tests.smtp import Mailbox, text_of

DISPUTED = "DE35370400440532013002"

pytestmark = pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,sepa_debit")


def taken_back(checkout: Checkout) -> Case:
    """It has succeeded, and then the bank has taken it back; of that nobody has heard here yet."""
    case = Case(checkout)
    service.refresh(debit(checkout, DISPUTED).id)
    checkout.sandbox.control("clock", seconds=5 * 24 * 3600 + 1)
    service.refresh(checkout.payment.id)
    assert checkout.invoice.status == "paid" and is_equal(checkout, underway=0)
    checkout.sandbox.control("finish")
    return case


def test_the_invoice_is_due_again_once_and_a_card_pays_it(checkout: Checkout) -> None:
    case = taken_back(checkout)
    with db.transaction() as session:
        factories.endpoint(session, session.get_one(Customer, checkout.customer_id), events=["payment.returned"])
    with time_machine.travel(clock.now() + timedelta(days=6)):
        dies("debit returned", case.heard)
        assert checkout.invoice.status == "paid" and account(LedgerAccount.DISPUTES) == 0
        case.heard().heard()
        assert (case.ours.status, checkout.invoice.status, checkout.invoice.amount_due.minor) == (
            "lost",
            "open",
            119_00,
        )
        assert (account(LedgerAccount.RECEIVABLES), account(LedgerAccount.DISPUTES)) == (119_00, 0)
        assert is_equal(checkout, underway=0)
        taken = checkout.payment
        invoice = checkout.invoice
        with db.reading() as session:
            assert reminders.hinders(session, invoice) is None, "it is owed, and certain"
            (told,) = session.scalars(select(WebhookEvent).where(WebhookEvent.type == "payment.returned"))
        assert (told.payload["data"]["payment_id"], told.payload["data"]["amount"]) == (taken.id, 119_00)
        started = checkout.start("second-click")
        assert started.payment_id != taken.id
        checkout.confirm(started.intent_id)
        checkout.sandbox.control("finish")
        service.refresh(started.payment_id)
        assert checkout.invoice.status == "paid" and account(LedgerAccount.RECEIVABLES) == 0
        case.heard()
        assert checkout.invoice.status == "paid" and is_equal(checkout, underway=0)


def test_a_bank_that_takes_it_back_before_its_success_was_heard_of_leaves_the_invoice_open(checkout: Checkout) -> None:
    case = Case(checkout)
    service.refresh(debit(checkout, DISPUTED).id)
    assert checkout.payment.status == "processing" and checkout.payment.stripe_charge_id
    checkout.sandbox.control("clock", seconds=5 * 24 * 3600 + 1)
    checkout.sandbox.control("finish")
    with time_machine.travel(clock.now() + timedelta(days=6)):
        case.heard()
        assert (case.ours.status, checkout.payment.status, checkout.invoice.status) == ("lost", "succeeded", "open")
        assert (account(LedgerAccount.RECEIVABLES), account(LedgerAccount.DISPUTES)) == (119_00, 0)
        service.refresh(checkout.payment.id)
        assert checkout.invoice.status == "open" and is_equal(checkout, underway=0)


@pytest.mark.database("sqlite")
def test_customer_and_staff_are_told(app: Flask, smtp: Mailbox, checkout: Checkout) -> None:
    case = taken_back(checkout)
    with db.transaction() as session:
        person = factories.user(session, session.get_one(Customer, checkout.customer_id))
    with time_machine.travel(clock.now() + timedelta(days=6)), app.app_context():
        case.heard()
        while outbox.run_due():
            pass
        to_customer = [text_of(one) for one in smtp.messages if "direct debit" in str(one["Subject"])]
        to_staff = [text_of(one) for one in smtp.messages if "is disputed" in str(one["Subject"])]
    assert len(to_customer) == len(to_staff) == 1
    assert "taken the direct debit back" in to_customer[0] and "/pay/" in to_customer[0]
    assert "takes no evidence" in to_staff[0] and "due again" in to_staff[0]
    browser = app.test_client()
    factories.sign_in(browser, person)
    told = browser.get(f"/payments/{checkout.payment.id}/dispute").get_data(as_text=True)
    assert "Your bank has taken this direct debit back" in told and "you keep the money" not in told


@pytest.mark.database("sqlite")
def test_what_was_refunded_before_is_not_owed_again(checkout: Checkout) -> None:
    payment = debit(checkout, GOOD)
    checkout.sandbox.control("clock", seconds=5 * 24 * 3600 + 1)
    service.refresh(payment.id)
    intent_id = str(payment.stripe_intent_id)
    checkout.sandbox.client.v1.refunds.create({"payment_intent": intent_id, "amount": 19_00})
    with time_machine.travel(clock.now() + timedelta(days=6)):
        refunds.sync_refunds_of(intent_id)
        checkout.sandbox.control("clock", seconds=5 * 24 * 3600)
    with time_machine.travel(clock.now() + timedelta(days=11)):
        refunds.sync_refunds_of(intent_id)
        Case(checkout).dispute(reason="debit_not_authorized").heard()
        assert (checkout.invoice.status, checkout.invoice.amount_due.minor) == ("open", 100_00)
        assert (account(LedgerAccount.RECEIVABLES), account(LedgerAccount.DISPUTES)) == (100_00, 0)
        assert is_equal(checkout, underway=0)


@pytest.mark.database("sqlite")
def test_after_its_window_nothing_of_a_debit_is_given_back(checkout: Checkout) -> None:
    payment = debit(checkout)
    with later(checkout, days=6):
        service.refresh(payment.id)
    for days, possible in ((180, True), (190, False)):
        with time_machine.travel(clock.now() + timedelta(days=days)), db.reading() as session:
            refusal = refunds.why_not_refundable(session, session.get_one(Payment, payment.id))
            assert (refusal is None) is possible, days
