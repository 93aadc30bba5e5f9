"""Direct debits: days on their way, then paid or failed, and at every moment in the books what Stripe has in the balance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.content import language
from portal.core import clock, company_days, db
from portal.invoices import queries as invoices
from portal.jobs import outbox
from portal.ledger import LedgerAccount, Posting
from portal.payment_methods import service as cards
from portal.payment_methods.models import CardAttempt
from portal.payments import service
from portal.payments.models import Payment
from portal.reconciliation import queries as discrepancies
from portal.reconciliation import service as reconciliation
from portal.reconciliation.models import RunKind
from tests import factories
from tests.certain import as_sent
from tests.contract.support import ACCEPTED
from tests.crashing import dies
from tests.payments.conftest import Checkout, audited
from tests.smtp import Mailbox, text_of

HOLDER = {"name": "Jenny Rosen", "email": "jenny.rosen@example.com"}
# Linked, so that no small amounts are paid in to verify it.
ACH = {"account_holder_type": "company", "financial_connections_account": "fca_1"}
ADDRESS = {"line1": "1 High Street", "city": "London", "postal_code": "EC1A 1BB", "country": "GB"}
GOOD, REFUSED = "DE89370400440532013000", "DE62370400440532013001"

pytestmark = pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,sepa_debit")


def debit(checkout: Checkout, iban: str = GOOD) -> Payment:
    """As the browser does it: the bank is asked, and says nothing for days."""
    started = checkout.start()
    how: dict[str, Any] = {"type": "sepa_debit", "sepa_debit": {"iban": iban}, "billing_details": HOLDER}
    params = {"payment_method_data": how, "mandate_data": ACCEPTED}
    checkout.sandbox.client.v1.payment_intents.confirm(started.intent_id, as_sent(params))
    service.refresh(started.payment_id)
    return checkout.payment


@contextmanager
def later(checkout: Checkout, *, days: float) -> Iterator[None]:
    """So many days later, here and at Stripe."""
    checkout.sandbox.control("clock", seconds=days * 24 * 3600)
    with time_machine.travel(clock.now() + timedelta(days=days)):
        yield


def account(which: LedgerAccount) -> int:
    """Debits minus credits, in minor units."""
    with db.reading() as session:
        rows = list(session.scalars(select(Posting)))
    return sum(one.amount_minor * ((one.debit == which) - (one.credit == which)) for one in rows)


def at_stripe(checkout: Checkout) -> int:
    listed = checkout.sandbox.client.v1.balance_transactions.list({"limit": 100})
    return sum(one.net for one in listed.data)


def is_equal(checkout: Checkout, *, underway: int) -> bool:
    return (account(LedgerAccount.STRIPE), account(LedgerAccount.UNDERWAY)) == (at_stripe(checkout), -underway)


def found_by_a_run() -> list[str]:
    reconciliation.execute(reconciliation.begin(RunKind.COMMAND, to_now=True))
    with db.reading() as session:
        return [one.code for one in discrepancies.open_discrepancies(session)]


def standing(checkout: Checkout) -> tuple[str, object]:
    invoice = checkout.invoice
    with db.reading() as session:
        found = invoices.standings(session, [invoice])[invoice.id]
    return found.status, found.on


def test_a_debit_is_on_its_way_for_days_and_then_pays(checkout: Checkout) -> None:
    payment = debit(checkout)
    expected = company_days.working_days_after(company_days.today(), 5)
    assert (payment.status, payment.expected_by, payment.method_words) == ("processing", expected, "sepa_debit 3000")
    assert standing(checkout) == ("processing", expected)
    assert is_equal(checkout, underway=119_00) and account(LedgerAccount.RECEIVABLES) == 119_00
    with later(checkout, days=2):
        assert found_by_a_run() == [], "it takes its days, and nothing is stuck"
        service.refresh(payment.id)
        assert checkout.payment.version == found(payment).version and is_equal(checkout, underway=119_00)
    with later(checkout, days=4):
        service.refresh(payment.id)
        paid = checkout.payment
        assert (paid.status, paid.expected_by, checkout.invoice.status) == ("succeeded", None, "paid")
        assert is_equal(checkout, underway=0) and account(LedgerAccount.RECEIVABLES) == 0
        assert found_by_a_run() == []


def found(payment: Payment) -> Payment:
    with db.reading() as session:
        return session.get_one(Payment, payment.id)


def test_a_debit_that_fails_opens_the_invoice_again_and_a_card_pays_it(checkout: Checkout) -> None:
    cards.begin_payment(checkout.customer_id, "203.0.113.7", checkout.invoice_id)
    payment = debit(checkout, REFUSED)
    with later(checkout, days=6):
        service.refresh(payment.id)
        with db.reading() as session:
            assert session.scalar(select(CardAttempt.id)) is None, "no card was tried out"
        failed = checkout.payment
        assert (failed.status, failed.fee_minor, failed.expected_by) == ("requires_payment_method", None, None)
        assert failed.failure_code and standing(checkout) == ("open", None)
        assert is_equal(checkout, underway=0) and account(LedgerAccount.RECEIVABLES) == 119_00
        assert found_by_a_run() == []
        checkout.confirm(str(failed.stripe_intent_id))
        checkout.sandbox.control("finish")
        service.refresh(payment.id)
        assert (checkout.payment.method_words, checkout.invoice.status) == ("visa 4242", "paid")
        assert is_equal(checkout, underway=0) and found_by_a_run() == []


def test_what_nobody_heard_of_for_days_is_learned_by_its_money(checkout: Checkout) -> None:
    """Its failure, and the card that was tried after it, are all that a look at the intent shows."""
    started = checkout.start()
    how = {"type": "sepa_debit", "sepa_debit": {"iban": REFUSED}, "billing_details": HOLDER}
    params = as_sent({"payment_method_data": how, "mandate_data": ACCEPTED})
    checkout.sandbox.client.v1.payment_intents.confirm(started.intent_id, params)
    with later(checkout, days=6):
        checkout.confirm(started.intent_id)
        checkout.sandbox.control("finish")
        service.refresh(started.payment_id)
        assert checkout.invoice.status == "paid" and not is_equal(checkout, underway=0)
        assert found_by_a_run() == [] and is_equal(checkout, underway=0)
        kinds = Counter(one.type for one in checkout.sandbox.client.v1.balance_transactions.list().data)
        assert kinds == {"payment": 1, "payment_failure_refund": 1, "charge": 1}


def test_whoever_dies_while_a_debit_is_booked_it_is_booked_once(checkout: Checkout) -> None:
    started = checkout.start()
    how = {"type": "sepa_debit", "sepa_debit": {"iban": REFUSED}, "billing_details": HOLDER}
    params = as_sent({"payment_method_data": how, "mandate_data": ACCEPTED})
    checkout.sandbox.client.v1.payment_intents.confirm(started.intent_id, params)
    dies("debit booked", lambda: service.refresh(started.payment_id))
    assert account(LedgerAccount.UNDERWAY) == 0 and checkout.payment.debit_charge_id is None
    service.refresh(started.payment_id)
    service.refresh(started.payment_id)
    assert is_equal(checkout, underway=119_00)
    with later(checkout, days=6):
        dies("debit booked", lambda: service.refresh(started.payment_id))
        assert checkout.payment.status == "processing" and account(LedgerAccount.UNDERWAY) == -119_00
        service.refresh(started.payment_id)
        assert is_equal(checkout, underway=0) and checkout.payment.status == "requires_payment_method"


@pytest.mark.parametrize(
    ("kind", "details", "currency", "days", "label"),
    [
        ("us_bank_account", ACH, "usd", 4, "us_bank_account 6789"),
        ("bacs_debit", {"account_number": "00012345", "sort_code": "108800"}, "gbp", 6, "bacs_debit 2345"),
    ],
)
@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,us_bank_account,bacs_debit")
@pytest.mark.database("sqlite")
def test_american_and_british_debits_go_the_same_way(
    checkout: Checkout, kind: str, details: dict[str, str], currency: str, days: int, label: str
) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, checkout.customer_id)
        invoice = factories.invoice(session, customer, currency=currency)
    there = Checkout(checkout.sandbox, checkout.customer_id, invoice.id)
    started = there.start()
    how = {"type": kind, kind: details, "billing_details": HOLDER | {"address": ADDRESS}}
    client = there.sandbox.client.v1
    client.payment_intents.confirm(started.intent_id, as_sent({"payment_method_data": how, "mandate_data": ACCEPTED}))
    service.refresh(started.payment_id)
    assert (there.payment.status, there.payment.method_words) == ("processing", label)
    assert is_equal(there, underway=119_00)
    with later(there, days=days + 1):
        service.refresh(started.payment_id)
        assert (there.payment.status, there.invoice.status) == ("succeeded", "paid")
        assert is_equal(there, underway=0) and found_by_a_run() == []


@pytest.mark.database("sqlite")
def test_a_debit_is_stuck_once_its_bank_has_had_all_its_days(checkout: Checkout) -> None:
    payment = debit(checkout)
    with time_machine.travel(clock.now() + timedelta(days=22)):
        reconciliation.execute(reconciliation.begin(RunKind.COMMAND, to_now=True))
        with db.reading() as session:
            codes = [(one.code, one.payment_id) for one in discrepancies.open_discrepancies(session)]
    assert codes == [("stuck", payment.id)]


@pytest.mark.database("sqlite")
def test_everybody_is_told_by_when_the_money_is_expected_and_why_it_did_not_come(
    app: Flask, smtp: Mailbox, checkout: Checkout
) -> None:
    payment = debit(checkout, REFUSED)
    expected = company_days.working_days_after(company_days.today(), 5)
    with db.transaction() as session:
        customer = session.get_one(Customer, checkout.customer_id)
        person, clerk = factories.user(session, customer), factories.staff(session)
    for who, address in (
        (person, f"/payments/{payment.id}/outcome?poll=2"),
        (person, f"/payments/{payment.id}"),
        (person, f"/invoices/{checkout.invoice_id}"),
        (person, f"/payments/invoices/{checkout.invoice_id}"),
        (clerk, f"/support/payments/{payment.id}"),
    ):
        browser = app.test_client()
        factories.sign_in(browser, who)
        shown = browser.get(address, follow_redirects=True).get_data(as_text=True)
        assert language.date_text(expected, "en") in shown and 'hx-trigger="load delay' not in shown, address
    with later(checkout, days=6), app.app_context():
        service.refresh(payment.id)
        while outbox.run_due():
            pass
        service.refresh(payment.id)
        while outbox.run_due():
            pass
    (mail,) = [one for one in smtp.messages if "direct debit" in str(one["Subject"])]
    told = text_of(mail)
    assert mail["To"] == customer.email and "due again" in told and "did not carry out the direct debit" in told
    assert "3001" in told and "/pay/" in told and audited("payment.status") >= 2


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,us_bank_account")
def test_an_account_that_is_typed_in_is_told_where_it_is_verified_and_then_debited(
    app: Flask, checkout: Checkout, smtp: Mailbox
) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, checkout.customer_id)
        checkout.invoice_id = factories.invoice(session, customer, currency="usd").id
    started = checkout.start()
    typed = {"account_holder_type": "company", "account_number": "000123456789", "routing_number": "110000000"}
    how: dict[str, Any] = {"type": "us_bank_account", "us_bank_account": typed, "billing_details": HOLDER}
    params = {"payment_method_data": how, "mandate_data": ACCEPTED}
    checkout.sandbox.client.v1.payment_intents.confirm(started.intent_id, as_sent(params))
    service.refresh(started.payment_id)
    url = checkout.payment.verification_url
    assert checkout.payment.status == "requires_action" and url
    with app.app_context():
        while outbox.run_due():
            pass
    (mail,) = [one for one in smtp.messages if "verify" in one["Subject"]]
    assert url in text_of(mail) and checkout.invoice.number in text_of(mail)
    with later(checkout, days=8):
        with suppress(outbox.Reschedule):
            service.follow_up(started.payment_id)
        assert checkout.payment.status == "requires_action", "its holder has ten days"
        checkout.sandbox.client.v1.payment_intents.verify_microdeposits(started.intent_id, {"amounts": [32, 45]})
        service.refresh(started.payment_id)
        assert (checkout.payment.status, checkout.payment.verification_url) == ("processing", "")
