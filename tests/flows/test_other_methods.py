"""A payment by what is no card, in Chromium: the customer leaves for the method's page and comes back to the truth."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.flows.conftest import MAIL_SECONDS, PATIENCE_MS, Shopper
from tests.waiting import eventually


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,paypal")
def test_who_refuses_on_the_methods_page_comes_back_and_pays_at_the_next_try(shopper: Shopper) -> None:
    page = shopper.sign_in().open_pay_page().page
    save = page.get_by_label("Save for next time")
    expect(save).to_be_visible(timeout=PATIENCE_MS)
    for outcome in ("Fail", "Authorize"):
        shopper.form().get_by_role("button", name="PayPal").click(timeout=PATIENCE_MS)
        expect(save).to_be_hidden()
        shopper.pay_button.click()
        page.get_by_role("button", name=f"{outcome} test payment").click(timeout=PATIENCE_MS)
        if outcome == "Fail":
            expect(page.get_by_text("Nothing has been charged yet")).to_be_visible(timeout=PATIENCE_MS)
            page.get_by_role("link", name="Continue this payment").click()
    expect(page.locator("main").get_by_text("PayPal")).to_be_visible(timeout=PATIENCE_MS)
    assert page.url == f"{shopper.portal.url}/payments/{shopper.payments[0].id}", (
        "the intent's secret is not in the address"
    )
    assert shopper.charged == [119_00]
    assert "PayPal" in shopper.receipt_text()


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,sepa_debit")
def test_a_direct_debit_takes_its_days_fails_with_a_mail_and_pays_at_the_next_try(shopper: Shopper) -> None:
    sandbox, page = shopper.portal.sandbox, shopper.sign_in().page
    sandbox.control("account", bank_day_seconds=0.4)
    try:
        for iban in ("DE62370400440532013001", "DE89370400440532013000"):
            shopper.open_pay_page()
            form = shopper.form()
            form.get_by_role("button", name="SEPA").click(timeout=PATIENCE_MS)
            for name, text in (("iban", iban), ("name", "Ada Lovelace"), ("email", "ada@spree-bikes.test")):
                form.locator(f"[name={name}]:visible").fill(text)
            shopper.pay_button.click()
            expect(page.get_by_text("The direct debit is under way")).to_be_visible(timeout=PATIENCE_MS)
            if iban.endswith("3001"):
                told = shopper.mailed("The direct debit for")
                assert "due again" in told and "3001" in told and shopper.invoice.status == "open"
        eventually(lambda: shopper.invoice.status == "paid", within=MAIL_SECONDS, what="the bank to pay")
    finally:
        sandbox.control("account", bank_day_seconds=24 * 3600)
    page.goto(f"{shopper.portal.url}/payments/{shopper.payments[0].id}")
    expect(page.locator("main").get_by_text("SEPA debit")).to_be_visible(timeout=PATIENCE_MS)
    assert shopper.charged == [119_00]
