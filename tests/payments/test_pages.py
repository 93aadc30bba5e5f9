"""The pages on which a customer pays, through HTTP, with Stripe's sandbox behind them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.money import Money
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.payment_methods.models import PaymentMethod
from portal.payments import intents, queries, service
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.web import pages, polling
from tests import factories
from tests.certain import present
from tests.payments.conftest import Checkout, checkout, everything

__all__ = ["checkout"]

# What the service does is tested on both databases; these are the pages over it.
pytestmark = pytest.mark.database("sqlite")

KEY = "the-first-click-of-a-browser"


@pytest.fixture
def payer(app: Flask, checkout: Checkout) -> FlaskClient:
    """A browser signed in as the checkout's customer."""
    with db.transaction() as session:
        person = factories.user(session, session.get_one(Customer, checkout.customer_id))
    browser = app.test_client()
    factories.sign_in(browser, person)
    return browser


def start(browser: FlaskClient, invoice: str, /, **form: str) -> TestResponse:
    return browser.post(
        f"/payments/invoices/{invoice}/start",
        data={"client_key": KEY, **form},
        headers={"X-CSRFToken": factories.csrf_token(browser), "Accept": "application/json"},
    )


def text(browser: FlaskClient, address: str, status: int = 200) -> str:
    answer = browser.get(address)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return html.unescape(answer.get_data(as_text=True))


def set_status(payment_id: str, status: str, **values: Any) -> None:
    with db.transaction() as session:
        row = session.get_one(Payment, payment_id)
        row.status = PaymentStatus(status)
        for name, value in values.items():
            setattr(row, name, value)


# The page with the card form


def test_an_open_invoice_is_paid_on_a_page_that_names_the_amount(payer: FlaskClient, checkout: Checkout) -> None:
    answer = payer.get(f"/payments/invoices/{checkout.invoice_id}")
    page = answer.get_data(as_text=True)
    assert "Pay €119.00" in page
    assert f'src="{checkout.sandbox.js_url}"' in page
    policy = answer.headers["Content-Security-Policy"]
    assert checkout.sandbox.url in policy.partition("frame-src")[2].partition(";")[0]
    assert checkout.intents == []  # looking costs nothing: the intent is made by the click


@pytest.mark.parametrize("status", ["paid", "void"])
def test_an_invoice_that_is_not_open_shows_itself_instead(payer: FlaskClient, checkout: Checkout, status: str) -> None:
    with db.transaction() as session:
        session.get_one(Invoice, checkout.invoice_id).status = InvoiceStatus(status)
    answer = payer.get(f"/payments/invoices/{checkout.invoice_id}")
    assert (answer.status_code, answer.location) == (303, f"/invoices/{checkout.invoice_id}")


def begun(payer: FlaskClient, checkout: Checkout, *, has_invoice: bool) -> tuple[str, str]:
    """The page of a payment that a browser has begun, and its intent."""
    if has_invoice:
        return f"/payments/invoices/{checkout.invoice_id}", checkout.start().intent_id
    payment_id = other(payer).location.split("/")[2]
    started = service.ensure_confirmable(payment_id, checkout.customer_id, save_card=False)
    return f"/payments/{payment_id}/pay", started.intent_id


@pytest.mark.parametrize("has_invoice", [True, False])
def test_after_a_reload_in_mid_payment_the_page_asks_stripe_before_it_offers_to_pay(
    payer: FlaskClient, checkout: Checkout, has_invoice: bool
) -> None:
    address, intent_id = begun(payer, checkout, has_invoice=has_invoice)
    checkout.confirm(intent_id)  # and no webhook has told of it
    answer = payer.get(address)
    assert answer.status_code == 303
    page = text(payer, answer.location)
    assert "Paid" in page and 'id="pay-form"' not in page
    if has_invoice:
        assert answer.location == f"/payments/{checkout.payment.id}/outcome"
        assert "Paid. Thank you!" in page


@pytest.mark.parametrize("has_invoice", [True, False])
def test_while_the_bank_has_the_word_the_page_is_checking_and_offers_no_pay(
    payer: FlaskClient, checkout: Checkout, has_invoice: bool
) -> None:
    checkout.sandbox.control("payments/slow", times=1, seconds=3600)
    address, intent_id = begun(payer, checkout, has_invoice=has_invoice)
    checkout.confirm(intent_id)
    page = text(payer, address)
    assert "We are checking your payment" in page and "checking=yes" in page
    assert 'id="pay-form"' not in page and "Try again" not in page


def test_while_stripe_does_not_answer_a_begun_payment_is_checked_and_not_offered_again(
    payer: FlaskClient, checkout: Checkout
) -> None:
    started = checkout.start()
    checkout.fail("error_before", f"/v1/payment_intents/{started.intent_id}", times=4)
    pay = f"/payments/invoices/{checkout.invoice_id}"
    outcome = f"/payments/{started.payment_id}/outcome"
    for address in (pay, f"{outcome}?poll=1&checking=yes", f"{outcome}?poll=5&checking=yes"):
        page = text(payer, address)
        assert "We are checking your payment" in page and 'id="pay-form"' not in page, address
    assert "The payment failed" in text(payer, f"{outcome}?poll=10&checking=yes")
    assert 'id="pay-form"' in text(payer, pay)


@pytest.mark.parametrize("of_invoice", [True, False])
def test_a_press_that_comes_too_late_says_where_the_outcome_stands(
    payer: FlaskClient, checkout: Checkout, of_invoice: bool
) -> None:
    started = checkout.start()
    checkout.confirm(started.intent_id)
    if of_invoice:
        answer = start(payer, checkout.invoice_id)
    else:
        form = {"csrf_token": factories.csrf_token(payer)}
        answer = payer.post(f"/payments/{started.payment_id}/start", data=form, headers={"Accept": "application/json"})
    assert problem(answer, 409)["outcome_url"] == f"/payments/{started.payment_id}/outcome"


CLOSED = {"paid": "is already paid. You were not charged again", "void": "was voided. You do not have to pay it"}


@pytest.mark.parametrize("status", CLOSED)
def test_a_press_on_a_page_whose_invoice_was_closed_meanwhile_leads_to_the_invoice(
    payer: FlaskClient, checkout: Checkout, status: str
) -> None:
    card = checkout.keep_card()
    with db.transaction() as session:
        invoice = session.get_one(Invoice, checkout.invoice_id)
        invoice.status = InvoiceStatus(status)  # by a transfer that staff recorded, say
        invoice.paid_at, invoice.voided_at = (clock.now(), None) if status == "paid" else (None, clock.now())
    shown = f"/invoices/{checkout.invoice_id}"
    told = problem(start(payer, checkout.invoice_id), 409)
    assert (told["code"], told["go_on"]) == ({"paid": "already_paid", "void": "invoice_void"}[status], shown)
    page = text(payer, shown)
    assert CLOSED[status] in page and "Pay €119.00" not in page
    form = {"client_key": KEY, "method": card.stripe_payment_method_id, "csrf_token": factories.csrf_token(payer)}
    without_script = f"/payments/invoices/{checkout.invoice_id}/start"
    presses: list[Callable[[], TestResponse]] = [
        lambda: press(payer, checkout.invoice_id, card.id),
        lambda: payer.post(without_script, data=form),
    ]
    for pressed in presses:
        assert payer.get(present(pressed().location)).location == shown
        assert {"paid": "You were not charged again", "void": CLOSED["void"]}[status] in text(payer, shown)
    assert (checkout.intents, checkout.payments) == ([], [])


def test_a_payment_that_the_bank_waits_for_can_be_finished(payer: FlaskClient, checkout: Checkout) -> None:
    checkout.confirm(checkout.start().intent_id, "pm_card_authenticationRequired")
    page = text(payer, f"/payments/invoices/{checkout.invoice_id}")
    assert 'id="finish"' in page
    assert "This payment is incomplete" in page
    assert re.search(r'<div class="checkout-action[^>]* hidden>', page), "Pay is not offered beside it"
    assert "Finish this payment" in text(payer, f"/payments/of-invoice/{checkout.invoice_id}")


def test_who_does_not_want_to_finish_calls_it_off_and_pays_with_another_card(
    payer: FlaskClient, checkout: Checkout
) -> None:
    checkout.confirm(checkout.start().intent_id, "pm_card_authenticationRequired")
    intents.refresh(checkout.payment.id)
    form = {"csrf_token": factories.csrf_token(payer)}
    answer = payer.post(f"/payments/{checkout.payment.id}/cancellation", data=form)
    assert (answer.status_code, answer.location) == (303, f"/payments/invoices/{checkout.invoice_id}?now=yes")
    page = text(payer, answer.location)
    assert "You were not charged" in page and 'id="finish"' not in page and 'id="pay-form"' in page
    assert [intent.status for intent in checkout.intents] == ["canceled"]


def test_an_invoice_of_someone_else_is_not_there(payer: FlaskClient, checkout: Checkout) -> None:
    with db.transaction() as session:
        foreign = factories.invoice(session, factories.customer(session)).id
    text(payer, f"/payments/invoices/{foreign}", 404)
    before = everything()
    assert start(payer, foreign).status_code == 404
    assert (everything(), checkout.intents) == (before, [])


# The click


def test_a_click_answers_with_what_the_browser_needs_and_no_more(payer: FlaskClient, checkout: Checkout) -> None:
    answer = start(payer, checkout.invoice_id)
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json == {
        "payment_id": checkout.payment.id,
        "status": "requires_payment_method",
        "client_secret": checkout.intents[0].client_secret,
        "outcome_url": f"/payments/{checkout.payment.id}/outcome",
        "return_url": f"http://127.0.0.1:8000/payments/{checkout.payment.id}/return".replace(
            "127.0.0.1:8000", answer.request.host
        ),
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert start(payer, checkout.invoice_id).json == answer.json  # the second click of the same page


def test_what_the_browser_says_about_money_is_ignored(payer: FlaskClient, checkout: Checkout) -> None:
    smuggled = {
        "amount": "1", "amount_minor": "1", "currency": "jpy", "status": "succeeded", "customer_id": "cus_1",
        "invoice_id": "inv_1", "payment_id": "pay_1", "description": "x", "payment_method": "pm_card_visa", "confirm": "true",
    }  # fmt: skip
    assert start(payer, checkout.invoice_id, **smuggled).status_code == 200
    (intent,) = checkout.intents
    assert (intent.amount, intent.currency, intent.status) == (119_00, "eur", "requires_payment_method")
    assert (checkout.payment.amount, checkout.payment.status) == (Money(119_00, "eur"), "requires_payment_method")
    assert checkout.payment.customer_id == checkout.customer_id


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    told = json.loads(answer.get_data())
    assert told["status"] == status
    assert told["request_id"] == answer.headers["X-Request-Id"]
    assert told["detail"]
    return dict(told)


def test_a_paid_invoice_is_a_conflict(payer: FlaskClient, checkout: Checkout) -> None:
    started = checkout.start()
    checkout.confirm(started.intent_id)
    intents.refresh(started.payment_id)
    problem(start(payer, checkout.invoice_id, client_key="a-click-in-the-other-tab"), 409)
    assert len(checkout.intents) == 1


def test_stripe_is_down_and_nothing_is_lost(payer: FlaskClient, checkout: Checkout) -> None:
    checkout.fail("error_before", "/v1/payment_intents", times=2)
    answer = start(payer, checkout.invoice_id)
    told = problem(answer, 503)
    assert "You were not charged" in told["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert checkout.payment.status == PaymentStatus.CREATED
    again = start(payer, checkout.invoice_id)  # the same click, when Stripe is back
    assert again.status_code == 200
    assert again.json is not None
    assert again.json["payment_id"] == checkout.payment.id


@pytest.mark.parametrize("key", ["", "short", "x" * 200])
def test_a_click_without_a_proper_key_is_refused(payer: FlaskClient, checkout: Checkout, key: str) -> None:
    problem(start(payer, checkout.invoice_id, client_key=key), 422)
    assert checkout.payments == []


def test_someone_who_clicks_too_often_has_to_wait(payer: FlaskClient, checkout: Checkout) -> None:
    with db.transaction() as session:
        session.get_one(
            Invoice, checkout.invoice_id
        ).status = InvoiceStatus.VOID  # so that Stripe need not be asked each time
    answers = [start(payer, checkout.invoice_id).status_code for _ in range(30)]
    assert set(answers) == {409}
    answer = start(payer, checkout.invoice_id)
    problem(answer, 429)
    assert 0 < int(answer.headers["Retry-After"]) <= 60


# One press with a saved card


def press(browser: FlaskClient, invoice: str, payment_method_id: str, key: str = KEY) -> TestResponse:
    form = {"payment_method_id": payment_method_id, "client_key": key, "csrf_token": factories.csrf_token(browser)}
    return browser.post(f"/payments/invoices/{invoice}/card", data=form)


def test_an_invoice_offers_the_default_card_and_one_press_pays_it(payer: FlaskClient, checkout: Checkout) -> None:
    ways = f"/payments/invoices/{checkout.invoice_id}/ways"
    assert "•••• " not in text(payer, ways)
    card = checkout.keep_card()
    assert "Pay €119.00 with Visa •••• 4242" in text(payer, ways)
    answer = press(payer, checkout.invoice_id, card.id)
    assert (answer.status_code, answer.location) == (303, f"/payments/{checkout.payment.id}/outcome")
    assert "Paid. Thank you!" in text(payer, answer.location)
    assert press(payer, checkout.invoice_id, card.id).location == answer.location  # the second click
    assert len(checkout.sandbox.client.v1.charges.list().data) == 1


def test_a_declined_press_says_why_and_leads_to_the_other_ways(payer: FlaskClient, checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.bank(card, "4000000000009995")
    page = text(payer, press(payer, checkout.invoice_id, card.id).location)
    assert "There is not enough money on this card" in page
    assert f"/payments/{checkout.payment.id}/pay" in page


def test_a_press_whose_bank_wants_to_ask_goes_on_by_itself(payer: FlaskClient, checkout: Checkout) -> None:
    card = checkout.keep_card("pm_card_authenticationRequired")
    answer = press(payer, checkout.invoice_id, card.id)
    assert answer.location == f"/payments/invoices/{checkout.invoice_id}?finish=now"
    assert "data-now" in text(payer, answer.location)
    assert "data-now" not in text(payer, f"/payments/invoices/{checkout.invoice_id}")
    assert "•••• " not in text(payer, f"/payments/invoices/{checkout.invoice_id}/ways")  # nothing new meanwhile


def test_a_press_whose_answer_was_lost_waits_and_then_tells(payer: FlaskClient, checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.fail("reset_after", "/v1/payment_intents/*/confirm", times=2)
    answer = press(payer, checkout.invoice_id, card.id)
    assert (
        problem(start(payer, checkout.invoice_id, client_key="a-click-meanwhile"), 409)["code"] == "payment_in_progress"
    )
    page = text(payer, f"{answer.location}?poll=1")
    assert "Your bank is confirming the payment" in page
    assert "outcome?poll=2" in page
    assert "Paid. Thank you!" in text(payer, f"{answer.location}?poll=5")


def test_a_card_whose_security_code_is_asked_for_is_not_offered_for_one_press(
    payer: FlaskClient, checkout: Checkout
) -> None:
    card = checkout.keep_card()
    checkout.bank(card, "4000000000000127")
    press(payer, checkout.invoice_id, card.id)
    ways = text(payer, f"/payments/invoices/{checkout.invoice_id}/ways")
    assert "•••• " not in ways and "Pay €119.00" in ways
    assert "data-asks-code" in text(payer, f"/payments/invoices/{checkout.invoice_id}")


@pytest.mark.settings(PORTAL_ASK_CVC_OF_SAVED_CARDS="true")
def test_where_every_code_is_asked_for_nothing_is_paid_by_one_press(payer: FlaskClient, checkout: Checkout) -> None:
    checkout.keep_card()
    assert "•••• " not in text(payer, f"/payments/invoices/{checkout.invoice_id}/ways")


def test_a_press_with_an_expired_or_foreign_card(payer: FlaskClient, checkout: Checkout) -> None:
    card = checkout.keep_card()
    with db.transaction() as session:
        session.get_one(PaymentMethod, card.id).exp_year = 2020
    answer = press(payer, checkout.invoice_id, card.id)
    assert answer.location == f"/payments/invoices/{checkout.invoice_id}"
    assert "This card has expired" in text(payer, answer.location)
    assert press(payer, checkout.invoice_id, "method_of_someone_else", "another-key").status_code == 404
    assert checkout.payments == []


def test_a_payment_that_the_bank_asked_about_offers_the_card_it_was_asked_for(
    payer: FlaskClient, checkout: Checkout
) -> None:
    asks, _other = checkout.keep_card("pm_card_authenticationRequired"), checkout.keep_card()
    service.pay_with_card(
        checkout.customer_id, service.whole(checkout.invoice_id), asks.id, client_key="by-itself", off_session=True
    )
    link = payer.get(f"/payments/{checkout.payment.id}/pay")
    page = text(payer, link.location)
    assert "Confirm this payment with your bank" in page
    assert re.search(rf'value="{asks.stripe_payment_method_id}" checked', page)


# Without the page's script


@pytest.mark.parametrize("has_invoice", [True, False])
def test_a_saved_card_pays_without_any_script(payer: FlaskClient, checkout: Checkout, has_invoice: bool) -> None:
    card = checkout.keep_card()
    address = f"/payments/invoices/{checkout.invoice_id}"
    if not has_invoice:
        amount = Money(50_00, "eur")
        payment_id = service.record_custom_payment(
            checkout.customer_id, amount, "Deposit", client_key="the-first-click-of-all"
        )
        address = f"/payments/{payment_id}"
    page = text(payer, address if has_invoice else f"{address}/pay")
    form = {
        "client_key": re.findall(r'name="client_key" value="([^"]+)"', page)[0],
        "method": card.stripe_payment_method_id,
    }
    button = re.search(r'<button[^>]*id="pay-button"[^>]*>', page)
    assert button and "disabled" not in button[0]
    assert 'id="new-card" class="for-scripts" hidden' in page
    form["csrf_token"] = factories.csrf_token(payer)
    answers = [payer.post(f"{address}/start", data=form) for _ in range(2)]  # and a double click
    assert {answer.location for answer in answers} == {
        f"/payments/{checkout.intents[0].metadata['payment_id']}/outcome"
    }
    assert "Paid. Thank you!" in text(payer, answers[0].location)
    assert [intent.amount_received for intent in checkout.intents] == [119_00 if has_invoice else 50_00]


def test_what_needs_a_script_says_so_when_it_is_not_there(payer: FlaskClient, checkout: Checkout) -> None:
    assert re.search(
        r'<button[^>]*id="pay-button"[^>]* disabled', text(payer, f"/payments/invoices/{checkout.invoice_id}")
    )
    card = checkout.keep_card()
    checkout.bank(card, "4000000000000127")
    form = {"client_key": KEY, "csrf_token": factories.csrf_token(payer)}
    for method in ("new", "", "pm_of_someone_else", card.stripe_payment_method_id, card.stripe_payment_method_id):
        answer = payer.post(
            f"/payments/invoices/{checkout.invoice_id}/start",
            data={**form, "method": method, "client_key": f"{KEY}-{method}"},
        )
        page = text(payer, answer.location)
        if method != card.stripe_payment_method_id:
            assert "requires JavaScript" in page, method
    # The bank has refused it for its code, which is typed into Stripe's form.
    assert "requires JavaScript" in page


# What became of it


OUTCOMES = {
    PaymentStatus.SUCCEEDED: ("Paid. Thank you!", False),
    PaymentStatus.PROCESSING: ("Your bank is confirming the payment", True),
    PaymentStatus.CREATED: ("Your bank is confirming the payment", True),
    PaymentStatus.REQUIRES_CAPTURE: ("Your bank is confirming the payment", True),
    PaymentStatus.REQUIRES_PAYMENT_METHOD: ("The payment failed", False),
    PaymentStatus.REQUIRES_CONFIRMATION: ("The payment failed", False),
    PaymentStatus.REQUIRES_ACTION: ("This payment is incomplete", False),
    PaymentStatus.CANCELED: ("This payment was canceled", False),
}


def test_the_outcome_is_told_in_every_state_and_asks_again_only_while_it_is_open(
    payer: FlaskClient, checkout: Checkout
) -> None:
    assert set(OUTCOMES) == set(PaymentStatus)
    started = checkout.start()
    for status, (words, asks_again) in OUTCOMES.items():
        set_status(started.payment_id, status)
        page = text(payer, f"/payments/{started.payment_id}/outcome?poll=1")  # only each fifth poll asks Stripe
        assert words in page, status
        assert ("hx-trigger" in page and f"poll={2}" in page) == asks_again, status


def test_stripe_is_asked_within_a_limit_however_often_the_outcome_is(payer: FlaskClient, checkout: Checkout) -> None:
    started = checkout.start()
    address = f"/payments/{started.payment_id}/outcome?poll=0"
    for _ in range(20):
        text(payer, address)
    checkout.confirm(checkout.intents[0].id)
    assert "Paid. Thank you!" not in text(payer, address)
    pages.limiter.reset()  # as after a minute
    assert "Paid. Thank you!" in text(payer, address)


def test_the_outcome_stops_asking_after_its_last_poll(payer: FlaskClient, checkout: Checkout) -> None:
    started = checkout.start()
    set_status(started.payment_id, PaymentStatus.PROCESSING, stripe_intent_id=None)
    last = text(payer, f"/payments/{started.payment_id}/outcome?poll={polling.MOST_POLLS - 1}")
    assert f"poll={polling.MOST_POLLS}" in last
    for poll in (str(polling.MOST_POLLS), "999999", "1e9"):
        page = text(payer, f"/payments/{started.payment_id}/outcome?poll={poll}")
        assert ("outcome?poll=" in page) == (poll == "1e9"), poll  # what is no number is the first poll
    assert "Please do not pay again" in text(payer, f"/payments/{started.payment_id}/outcome?poll={polling.MOST_POLLS}")


def test_an_outcome_that_staff_look_at_says_so_and_asks_for_no_second_payment(
    payer: FlaskClient, checkout: Checkout
) -> None:
    started = checkout.start()
    set_status(started.payment_id, PaymentStatus.PROCESSING, review_reason="amount differs")
    page = text(payer, f"/payments/{started.payment_id}/outcome?poll=1")
    assert "do not pay again" in page
    assert "amount differs" not in page


def test_the_outcome_asks_stripe_itself_when_the_webhook_is_late(payer: FlaskClient, checkout: Checkout) -> None:
    started = checkout.start()
    checkout.confirm(started.intent_id)
    assert "Paid. Thank you!" in text(payer, f"/payments/{started.payment_id}/outcome?poll=0")
    assert checkout.invoice.status == "paid"


def test_a_decline_says_what_to_do_next(payer: FlaskClient, checkout: Checkout) -> None:
    started = checkout.start()
    checkout.decline(started.intent_id, "pm_card_visa_chargeDeclinedInsufficientFunds")
    page = text(payer, f"/payments/{started.payment_id}/outcome?poll=0")
    assert "The payment failed" in page
    assert "insufficient_funds" not in page
    assert re.search(r"enough|funds", page)


def test_a_declined_try_reads_declined_wherever_its_payment_stands(payer: FlaskClient, checkout: Checkout) -> None:
    started = checkout.start()
    assert "Declined" not in text(payer, "/payments?status=unfinished")
    checkout.decline(started.intent_id, "pm_card_visa_chargeDeclinedInsufficientFunds")
    payer.get(f"/payments/{started.payment_id}/outcome?poll=0")
    for address in (
        "/payments?status=unfinished",
        f"/payments/{started.payment_id}",
        f"/invoices/{checkout.invoice_id}",
    ):
        page = text(payer, address).partition("<main")[2]
        assert "<span>Declined</span>" in page, address
        assert "<span>Incomplete</span>" not in page, address


def test_success_names_where_the_receipt_goes_and_whoever_paid_gets_one(
    payer: FlaskClient, app: Flask, checkout: Checkout
) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, checkout.customer_id)
        colleague = factories.user(session, customer)
    other = app.test_client()
    factories.sign_in(other, colleague)
    start(payer, checkout.invoice_id)
    assert start(other, checkout.invoice_id, client_key="the-click-of-a-colleague").status_code == 200
    checkout.confirm(checkout.intents[0].id)
    for browser in (payer, other):
        page = text(browser, f"/payments/{checkout.payment.id}/outcome?poll=0")
        assert f"We will e-mail the receipt to {customer.email} and {colleague.email}." in page


def test_coming_back_from_the_bank_leads_on(payer: FlaskClient, checkout: Checkout) -> None:
    started = checkout.start()
    back = f"/payments/{started.payment_id}/return?payment_intent=pi_forged&redirect_status=succeeded"
    assert (
        payer.get(back).location == f"/payments/{started.payment_id}/pay"
    )  # nothing was paid, whatever the address says
    assert payer.get(f"/payments/{started.payment_id}/pay").location == f"/payments/invoices/{checkout.invoice_id}"
    checkout.confirm(started.intent_id)
    assert payer.get(back).location == f"/payments/{started.payment_id}"
    assert "Paid" in text(payer, f"/payments/{started.payment_id}")


def test_coming_back_while_stripe_is_down_shows_what_we_know(payer: FlaskClient, checkout: Checkout) -> None:
    started = checkout.start()
    set_status(started.payment_id, PaymentStatus.PROCESSING)
    checkout.fail("error_before", "/v1/payment_intents/*", times=5)
    assert payer.get(f"/payments/{started.payment_id}/return").location == f"/payments/{started.payment_id}"


# Another amount


def other(browser: FlaskClient, **form: str) -> TestResponse:
    whole = {"amount_text": "50.00", "currency": "eur", "description": "Deposit", "key": KEY, **form}
    return browser.post("/payments/other", data={**whole, "csrf_token": factories.csrf_token(browser)})


def test_another_amount_is_written_down_and_paid_on_the_next_page(payer: FlaskClient, checkout: Checkout) -> None:
    answer = other(payer, description=" Deposit für Zoë ")
    assert answer.status_code == 303
    assert "Pay €50.00" in text(payer, answer.location)
    assert other(payer).location == answer.location  # the same form sent twice is one payment
    payment_id = answer.location.split("/")[2]
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, checkout.customer_id)
    assert (payment.amount, payment.description, payment.status) == (Money(50_00, "eur"), "Deposit für Zoë", "created")
    assert checkout.intents == []


def test_the_same_amount_again_while_the_first_is_open_has_to_be_meant(payer: FlaskClient, checkout: Checkout) -> None:
    first = other(payer).location.split("/")[2]
    set_status(first, PaymentStatus.PROCESSING)
    again = other(payer, key="another-form-of-the-page")
    page = html.unescape(again.get_data(as_text=True))
    assert again.status_code == 422
    assert "is still being processed" in page and 'name="again"' in page
    meant = other(payer, key="another-form-of-the-page", again="y")
    assert meant.status_code == 303 and first not in meant.location


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"amount_text": "a lot"}, "Please enter an amount such as €1,234.00"),
        ({"amount_text": "1e3"}, "Please enter an amount"),
        ({"amount_text": "5.001"}, "Please enter an amount"),
        ({"amount_text": "4.99"}, "€5.00"),
        ({"amount_text": "5000.01"}, "€5,000.00"),
        ({"amount_text": "-50"}, "€5.00"),
        ({"amount_text": ""}, "Please enter an amount."),
        ({"currency": "chf"}, ""),
        ({"description": "  "}, "Please enter what you are paying for"),
        ({"description": "x" * 201}, ""),
    ],
)
def test_a_wrong_form_is_told_at_the_field_and_keeps_what_was_typed(
    payer: FlaskClient, checkout: Checkout, wrong: dict[str, str], words: str
) -> None:
    before = everything()
    answer = other(payer, **wrong)
    page = html.unescape(answer.get_data(as_text=True))
    assert answer.status_code == 422
    assert words in page
    typed = {"amount_text": "50.00", "description": "Deposit", "key": KEY} | wrong
    for name in ("amount_text", "description", "key"):
        assert f'value="{typed[name]}"' in page or not typed[name].strip(), name
    assert everything() == before


@pytest.mark.settings(PORTAL_PAY_ANY_AMOUNT="false")
def test_switched_off_there_is_no_page_for_another_amount(payer: FlaskClient, checkout: Checkout) -> None:
    assert other(payer).status_code == 404
    text(payer, "/payments/other", 404)
    for address in ("/", "/payments"):
        assert "/payments/other" not in text(payer, address)
