"""The security code of a saved card: asked for when the bank wants it, or always where the house says so."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from portal.core import config, db
from portal.payment_methods import queries
from tests.flows.conftest import PATIENCE_MS, VISA, Shopper
from tests.waiting import eventually

ASKS_FOR_CODE = "asks_for_cvc"
WRONG_CODE = "4000 0000 0000 0127"


@pytest.fixture
def saved(shopper: Shopper) -> Shopper:
    """Ada keeps a card and stands before the bill."""
    page = shopper.sign_in().page
    page.goto(f"{shopper.portal.url}/payment-methods/new")
    shopper.type_card(VISA)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="The payment method is saved")).to_be_visible(timeout=PATIENCE_MS)
    return shopper


def behave(shopper: Shopper, like: str) -> None:
    with db.reading() as session:
        (card,) = queries.of_customer(session, shopper.customer_id)
    shopper.portal.sandbox.control("cards/behave", payment_method=card.stripe_payment_method_id, like=like)


def code(page: Page) -> Locator:
    return page.frame_locator('iframe[title="Secure CVC input frame"]').get_by_label("Security code")


def error(page: Page) -> Locator:
    return page.locator("#card-code .field-error")


def cvc_check(shopper: Shopper) -> str | None:
    charge = shopper.portal.sandbox.client.v1.charges.list({"limit": 1}).data[0].to_dict(recursive=True)
    check: str | None = charge["payment_method_details"]["card"]["checks"]["cvc_check"]
    return check


def test_a_bank_that_wants_the_code_gets_it_with_the_next_press(saved: Shopper) -> None:
    behave(saved, ASKS_FOR_CODE)
    page = saved.open_pay_page().page
    expect(saved.form().locator("[name=number]")).to_be_hidden(timeout=PATIENCE_MS)
    expect(page.locator("#card-code")).to_be_hidden()
    saved.pay_button.click()
    expect(saved.message).to_contain_text("Your bank asks for the security code", timeout=PATIENCE_MS)
    expect(code(page)).to_be_focused(timeout=PATIENCE_MS)

    saved.pay_button.click()
    expect(error(page)).to_contain_text("Please enter the security code")
    expect(code(page)).to_be_focused()
    page.keyboard.type("731")
    expect(error(page)).to_be_hidden()
    page.keyboard.press("Enter")
    saved.sees_success()
    assert saved.charged == [119_00]
    assert cvc_check(saved) == "pass"
    assert len(saved.payments) == 1


def test_a_wrong_code_is_told_at_the_field_and_asked_for_again_after_a_reload(saved: Shopper) -> None:
    behave(saved, WRONG_CODE)
    page = saved.open_pay_page().page
    saved.pay_button.click()
    code(page).fill("999", timeout=PATIENCE_MS)
    saved.pay_button.click()
    expect(error(page)).to_contain_text("The security code (CVC) is incorrect", timeout=PATIENCE_MS)
    expect(code(page)).to_have_value("")
    expect(code(page)).to_be_focused()
    page.get_by_role("radio", name="Another payment method").check()
    expect(page.locator("#card-code")).to_be_hidden()

    eventually(lambda: saved.payments[0].failure_code == "incorrect_cvc", within=20, what="the webhook")
    saved.open_pay_page()
    behave(saved, ASKS_FOR_CODE)
    code(page).fill("731", timeout=PATIENCE_MS)
    saved.pay_button.click()
    saved.sees_success()
    assert saved.charged == [119_00]


@pytest.mark.settings(PORTAL_ASK_CVC_OF_SAVED_CARDS="true")
def test_where_the_house_says_so_the_code_is_asked_for_from_the_start(
    settings: config.Settings, saved: Shopper
) -> None:
    page = saved.open_pay_page().page
    code(page).fill("731", timeout=PATIENCE_MS)
    assert settings.ask_cvc_of_saved_cards
    page.get_by_role("radio", name="Another payment method").check()
    page.get_by_role("radio", name=re.compile("4242")).check()
    expect(code(page)).to_have_value("", timeout=PATIENCE_MS)
    code(page).fill("731")
    saved.pay_button.click()
    saved.sees_success()
    assert cvc_check(saved) == "pass"
