"""Saved cards pay: by one press on the invoice, and by themselves on a moved clock. In Chromium, before the whole running portal."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from portal.accounts.models import Customer
from portal.core import company_days, db
from portal.mandates.models import Collection
from portal.payment_methods import queries as cards
from tests import factories
from tests.flows.conftest import ASKS_FOR_3DS, PATIENCE_MS, VISA, Shopper, move
from tests.live import Clock
from tests.waiting import eventually

POOR = "4000000000009995"
SECONDS = 60.0


def add_card(shopper: Shopper, number: str, *, with_3ds: bool = False) -> None:
    page = shopper.page
    page.goto(f"{shopper.portal.url}/payment-methods/new")
    shopper.type_card(number)
    page.get_by_role("button", name="Save").click()
    if with_3ds:
        shopper.bank.locator("#test-source-authorize-3ds").click(timeout=PATIENCE_MS)
    expect(page.get_by_role("heading", name="The payment method is saved")).to_be_visible(timeout=PATIENCE_MS)


def open_invoice(shopper: Shopper) -> Page:
    shopper.page.goto(f"{shopper.portal.url}/invoices/{shopper.invoice_id}")
    return shopper.page


def bank_answers_like(shopper: Shopper, number: str) -> None:
    with db.reading() as session:
        card = cards.default_method(session, shopper.customer_id)
    assert card is not None
    shopper.portal.sandbox.control("cards/behave", payment_method=card.stripe_payment_method_id, like=number)


def switch_on(shopper: Shopper) -> None:
    page = shopper.page
    page.goto(f"{shopper.portal.url}/automatic-payment")
    page.get_by_label("I agree to this").check()
    page.get_by_role("button", name="Turn on automatic payment").click()
    expect(page.get_by_text("Automatic payment is on.")).to_be_visible(timeout=PATIENCE_MS)
    shopper.mailed("is on")


def owe_in_days(shopper: Shopper, days: int) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, shopper.customer_id)
        due = company_days.today() + timedelta(days=days)
        shopper.invoice_id = factories.invoice(session, customer, due_on=due).id


def collection(shopper: Shopper) -> Collection:
    with db.reading() as session:
        return session.query(Collection).filter_by(invoice_id=shopper.invoice_id).one()


def test_one_press_on_the_invoice_pays_with_the_saved_card(shopper: Shopper) -> None:
    add_card(shopper.sign_in(), VISA)
    page = open_invoice(shopper)
    button = page.get_by_role("button", name="Pay €119.00 with Visa •••• 4242")
    expect(button).to_be_visible(timeout=PATIENCE_MS)
    button.dblclick()
    shopper.sees_success()
    assert shopper.charged == [119_00]


def test_one_press_whose_bank_asks_goes_through_3d_secure_at_once(shopper: Shopper) -> None:
    add_card(shopper.sign_in(), ASKS_FOR_3DS, with_3ds=True)
    open_invoice(shopper).get_by_role("button", name="with Visa •••• 3184").click(timeout=PATIENCE_MS)
    shopper.bank.locator("#test-source-authorize-3ds").click(timeout=PATIENCE_MS)
    shopper.sees_success()
    assert shopper.charged == [119_00]


@pytest.mark.timeout(300)
def test_two_declines_and_a_success_on_a_moved_clock(shopper: Shopper, clock: Clock) -> None:
    add_card(shopper.sign_in(), VISA)
    owe_in_days(shopper, 5)
    switch_on(shopper)
    expect(open_invoice(shopper).get_by_text("Paid automatically on")).to_be_visible(timeout=PATIENCE_MS)
    move(clock, days=2)
    assert "Visa •••• 4242" in shopper.mailed(f"invoice {shopper.invoice.number}")
    bank_answers_like(shopper, POOR)
    move(clock, days=3)
    assert "not enough money" in shopper.mailed("could not charge", 1)
    move(clock, days=1)
    shopper.mailed("could not charge", 2)
    bank_answers_like(shopper, VISA)
    move(clock, days=2)
    eventually(lambda: shopper.invoice.status == "paid", within=SECONDS, what="the third try")
    shopper.mailed("Your payment confirmation")
    eventually(lambda: collection(shopper).status == "paid", within=SECONDS, what="the collection to end")
    assert (collection(shopper).attempts, shopper.charged) == (3, [119_00])


@pytest.mark.timeout(300)
def test_a_bank_that_asks_off_session_is_answered_by_the_mailed_link(shopper: Shopper, clock: Clock) -> None:
    page = shopper.sign_in().page
    add_card(shopper, VISA)
    owe_in_days(shopper, 4)
    switch_on(shopper)
    move(clock, days=1)
    shopper.mailed(f"invoice {shopper.invoice.number}")
    bank_answers_like(shopper, ASKS_FOR_3DS)
    move(clock, days=3)
    link = re.search(r"https?://\S+/payments/\S+/pay", shopper.mailed("Please confirm the payment"))
    assert link is not None
    page.goto(link[0])
    page.get_by_label("E-mail").fill(shopper.user.email)
    page.get_by_label("Password").first.fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Confirm this payment with your bank")).to_be_visible(timeout=PATIENCE_MS)
    shopper.pay_button.click()
    shopper.bank.locator("#test-source-authorize-3ds").click(timeout=PATIENCE_MS)
    shopper.sees_success()
    assert [payment.status for payment in shopper.payments] == ["succeeded"]
    assert len(shopper.portal.sandbox.client.v1.payment_intents.list().data) == 1
    assert shopper.charged == [119_00]
