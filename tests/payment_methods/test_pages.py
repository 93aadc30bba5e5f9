"""The pages about cards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient

from portal.accounts.models import Customer
from portal.core import clock, company_days, db
from portal.payment_methods.models import PaymentMethodSetup
from portal.web import pages
from tests import factories
from tests.payment_methods.conftest import Wallet, card, declined, stripe_is_not_asked

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def owner(client: FlaskClient, wallet: Wallet) -> FlaskClient:
    with db.transaction() as session:
        customer = session.get_one(Customer, wallet.customer_id)
        user = factories.user(session, customer)
    factories.sign_in(client, user)
    return client


def post(client: FlaskClient, address: str, **form: str) -> Any:
    return client.post(
        address,
        data=form,
        headers={"X-CSRFToken": factories.csrf_token(client), "Accept": "application/json"},
    )


def test_who_has_no_cards_is_asked_to_add_one(owner: FlaskClient) -> None:
    text = owner.get("/payment-methods").text
    assert "No saved payment methods" in text
    assert 'href="/payment-methods/new"' in text


def test_the_list_tells_the_default_and_the_expiry(owner: FlaskClient, wallet: Wallet) -> None:
    today = company_days.today()
    card(wallet, is_default=True)
    card(wallet, last4="0001", exp_year=2020)
    card(wallet, last4="0002", exp_month=today.month, exp_year=today.year)
    text = owner.get("/payment-methods").text
    assert "Default" in text
    assert text.count("Expired") == 1
    assert text.count("Expires soon") == 1
    assert text.count("Make default") == 1, "neither the default nor an expired card can be made the default"
    assert "Visa •••• 0002 becomes the default." in text


@pytest.mark.settings(PORTAL_TIMEZONE="America/Los_Angeles")
def test_a_card_is_good_until_its_last_day_is_over_where_the_company_is(wallet: Wallet) -> None:
    card(wallet, exp_month=2, exp_year=2028)
    over = datetime(2028, 3, 1, 8, tzinfo=UTC)
    for moment, expired in ((over - timedelta(seconds=1), False), (over, True)):
        with time_machine.travel(moment, tick=False):
            (kept,) = wallet.cards
            assert (kept.is_expired, kept.expires_soon, kept.reminder_due) == (
                expired,
                not expired,
                None if expired else 7,
            )


def test_the_default_is_changed_and_an_expired_card_refused(owner: FlaskClient, wallet: Wallet) -> None:
    card(wallet, is_default=True)
    second, expired = card(wallet, last4="0001"), card(wallet, last4="0002", exp_year=2020)
    assert post(owner, f"/payment-methods/{second}/default").status_code == 303
    assert "now your default payment method" in owner.get("/payment-methods").text
    assert wallet.cards[0].id == second
    post(owner, f"/payment-methods/{expired}/default")
    assert "This card has expired" in owner.get("/payment-methods").text
    assert wallet.cards[0].id == second


def test_another_customers_card_is_a_404_and_stripe_hears_nothing_of_it(owner: FlaskClient, wallet: Wallet) -> None:
    with db.transaction() as session:
        other = Wallet(wallet.sandbox, factories.customer(session).id)
    other.add()
    (theirs,) = other.cards
    with stripe_is_not_asked(wallet.sandbox):
        for act in ("default", "removal"):
            assert post(owner, f"/payment-methods/{theirs.id}/{act}").status_code == 404
        for act in ("outcome", "return"):
            assert owner.get(f"/payment-methods/setups/{other.only_setup.id}/{act}").status_code == 404
    assert [card.id for card in other.cards] == [theirs.id]


def test_the_removal_says_which_card_is_the_default_now(owner: FlaskClient, wallet: Wallet) -> None:
    wallet.add()
    wallet.add("5555555555554444")
    post(owner, f"/payment-methods/{wallet.cards[0].id}/removal")
    assert "Mastercard •••• 4444 is now your default payment method." in owner.get("/payment-methods").text
    post(owner, f"/payment-methods/{wallet.cards[0].id}/removal")
    assert "The payment method was removed." in owner.get("/payment-methods").text


def test_an_expired_card_is_not_offered_for_paying(owner: FlaskClient, wallet: Wallet) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, wallet.customer_id)
        invoice = factories.invoice(session, customer)
    card(wallet, last4="0001", exp_year=2020, is_default=True)
    card(wallet, last4="0002")
    text = owner.get(f"/payments/invoices/{invoice.id}").text
    assert "ending in</span> 0002" in text
    assert "ending in</span> 0001" not in text


def test_the_browser_gets_what_it_needs_to_confirm(owner: FlaskClient, wallet: Wallet) -> None:
    page = owner.get("/payment-methods/new")
    assert wallet.sandbox.url in page.headers["Content-Security-Policy"]
    answer = post(owner, "/payment-methods/setups", client_key="first-page")
    assert answer.json.keys() == {"status", "client_secret", "outcome_url", "return_url"}
    assert wallet.only_setup.customer_id == wallet.customer_id


OUTCOMES = {
    "added": "The payment method is saved",
    "renewed": "updated its details",
    "duplicate": "You already have this payment method",
    "gone": "The payment method was not saved",
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_became_of_the_card_is_told(owner: FlaskClient, wallet: Wallet, outcome: str) -> None:
    started = wallet.start()
    wallet.change(PaymentMethodSetup, started.setup_id, status="succeeded", outcome=outcome)
    assert OUTCOMES[outcome] in owner.get(f"/payment-methods/setups/{started.setup_id}/outcome").text


def test_who_comes_back_from_the_bank_sees_the_outcome(owner: FlaskClient, wallet: Wallet) -> None:
    started = wallet.start()
    assert "The payment method was not saved" in owner.get(f"/payment-methods/setups/{started.setup_id}/outcome").text
    wallet.confirm(started.intent_id, wallet.method())
    answer = owner.get(f"/payment-methods/setups/{started.setup_id}/return", follow_redirects=True)
    assert "The payment method is saved" in answer.text


def test_stripe_is_asked_within_a_limit_however_often_the_outcome_is(owner: FlaskClient, wallet: Wallet) -> None:
    started = wallet.start()
    address = f"/payment-methods/setups/{started.setup_id}/outcome"
    for _ in range(20):
        owner.get(address)
    wallet.confirm(started.intent_id, wallet.method())
    assert "The payment method is saved" not in owner.get(address).text
    pages.limiter.reset()  # as after a minute
    assert "The payment method is saved" in owner.get(address).text


def test_while_stripe_is_down_the_page_waits(owner: FlaskClient, wallet: Wallet) -> None:
    wallet.fail("error_before", "/v1/setup_intents", times=2)
    assert post(owner, "/payment-methods/setups", client_key="first-page").status_code == 503
    text = owner.get(f"/payment-methods/setups/{wallet.only_setup.id}/outcome").text
    assert "Your bank is checking the payment method" in text


def test_card_testing_is_told_when_to_come_back(owner: FlaskClient, wallet: Wallet) -> None:
    declined(wallet.customer_id, 5, ip="127.0.0.1")
    answer = post(owner, "/payment-methods/setups", client_key="first-page")
    assert answer.status_code == 429
    assert 3500 < int(answer.headers["Retry-After"]) <= 3600
    assert "Many cards were declined" in answer.json["detail"]


def test_who_is_blocked_is_told_for_how_long_and_whom_to_ask(owner: FlaskClient, wallet: Wallet) -> None:
    for hour in range(2):
        with time_machine.travel(clock.now() - timedelta(hours=5 - hour), tick=False):
            declined(wallet.customer_id, 5, ip="127.0.0.1")
    with stripe_is_not_asked(wallet.sandbox):
        answer = post(owner, "/payment-methods/setups", client_key="first-page")
    assert answer.status_code == 429
    assert 18 * 3600 < int(answer.headers["Retry-After"]) <= 19 * 3600
    for words in ("paused until tomorrow", "Please contact us"):
        assert words in answer.json["detail"]
