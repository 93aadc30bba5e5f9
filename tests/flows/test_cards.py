"""A customer keeps cards in order: in Chromium, against the web server, the worker, the sandbox and SMTP."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from portal.core import db
from portal.payment_methods import queries
from portal.payment_methods.models import PaymentMethod
from tests.flows.conftest import ASKS_FOR_3DS, DECLINED, PATIENCE_MS, VISA, Shopper
from tests.waiting import eventually

MASTERCARD = "5555555555554444"


def kept(shopper: Shopper) -> list[PaymentMethod]:
    with db.reading() as session:
        return queries.of_customer(session, shopper.customer_id)


def attached(shopper: Shopper) -> int:
    """How many cards Stripe keeps, of all customers."""
    client = shopper.portal.sandbox.client
    return sum(len(client.v1.customers.payment_methods.list(one.id).data) for one in client.v1.customers.list().data)


def open_form(shopper: Shopper) -> None:
    shopper.page.goto(f"{shopper.portal.url}/payment-methods/new")


def add(shopper: Shopper, number: str) -> None:
    open_form(shopper)
    shopper.type_card(number)
    shopper.page.get_by_role("button", name="Save").click()


def sees(shopper: Shopper, words: str) -> None:
    expect(shopper.page.get_by_role("heading", name=words)).to_be_visible(timeout=PATIENCE_MS)


def row(shopper: Shopper, last4: str) -> Locator:
    return shopper.page.get_by_role("row", name=re.compile(rf"\w ending in {last4} Expires"))


def pill(shopper: Shopper, last4: str) -> Locator:
    return row(shopper, last4).locator(".status")


@pytest.mark.database("sqlite", "postgresql")
def test_cards_are_added_chosen_removed_and_paid_with(shopper: Shopper) -> None:
    page = shopper.sign_in().page
    page.goto(f"{shopper.portal.url}/payment-methods")
    page.get_by_role("link", name="Add a payment method").click()
    shopper.type_card(VISA)
    page.get_by_role("button", name="Save").click()
    sees(shopper, "The payment method is saved")
    add(shopper, MASTERCARD)
    sees(shopper, "The payment method is saved")

    page.get_by_role("link", name="Your payment methods").click()
    expect(pill(shopper, "4242")).to_have_text("Default")
    row(shopper, "4444").get_by_role("button", name="Make Mastercard •••• 4444 the default").click()
    expect(pill(shopper, "4444")).to_have_text("Default", timeout=PATIENCE_MS)
    expect(pill(shopper, "4242")).to_have_count(0)

    row(shopper, "4444").get_by_role("button", name="Remove", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This is your default. Visa •••• 4242 becomes the default.")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("Visa •••• 4242 is now your default payment method.")).to_be_visible(timeout=PATIENCE_MS)
    assert [card.last4 for card in kept(shopper)] == ["4242"]
    assert attached(shopper) == 1

    shopper.open_pay_page()
    expect(page.get_by_role("radio", name=re.compile("4242"))).to_be_checked(timeout=PATIENCE_MS)
    shopper.pay_button.click()
    shopper.sees_success()
    assert shopper.charged == [119_00]


def test_a_card_that_asks_for_3d_secure_fails_then_succeeds(shopper: Shopper) -> None:
    shopper.sign_in()
    add(shopper, ASKS_FOR_3DS)
    shopper.bank.locator("#test-source-fail-3ds").click(timeout=PATIENCE_MS)
    message = shopper.page.locator("#method-message")
    expect(message).to_contain_text("could not confirm that it is you", timeout=PATIENCE_MS)
    assert kept(shopper) == []
    shopper.page.get_by_role("button", name="Save").click()
    shopper.bank.locator("#test-source-authorize-3ds").click(timeout=PATIENCE_MS)
    sees(shopper, "The payment method is saved")
    assert [card.last4 for card in kept(shopper)] == ["3184"]


def test_after_a_refusal_the_form_is_kept_and_the_next_card_works(shopper: Shopper) -> None:
    shopper.sign_in()
    add(shopper, DECLINED)
    expect(shopper.page.locator("#method-message")).to_contain_text("declined this card", timeout=PATIENCE_MS)
    expect(shopper.form().locator("[name=expiry]")).to_have_value("12 / 34")
    shopper.type_card(VISA)
    shopper.page.get_by_role("button", name="Save").click()
    sees(shopper, "The payment method is saved")


def test_the_same_card_again_is_refused_kindly_and_a_later_expiry_taken_over(shopper: Shopper) -> None:
    shopper.sign_in()
    add(shopper, VISA)
    sees(shopper, "The payment method is saved")
    add(shopper, VISA)
    sees(shopper, "You already have this payment method")
    open_form(shopper)
    shopper.type_card(VISA)
    shopper.form().locator("[name=expiry]").fill("11 / 36")
    shopper.page.get_by_role("button", name="Save").click()
    sees(shopper, "The payment method is up to date")
    eventually(lambda: attached(shopper) == 1, within=20, what="the other references to be let go")
    (card,) = kept(shopper)
    assert (card.exp_month, card.exp_year) == (11, 2036)


def test_closing_the_tab_right_after_confirming_keeps_the_card(shopper: Shopper) -> None:
    page = shopper.sign_in().page
    open_form(shopper)
    shopper.type_card(VISA)
    with page.expect_response(re.compile(r"/v1/setup_intents/[^/]+/confirm")):
        page.get_by_role("button", name="Save").click()
    page.close()
    eventually(lambda: len(kept(shopper)) == 1, within=30, what="the webhook")
