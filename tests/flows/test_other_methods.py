"""Payments by every kind of the fence, in Chromium: approved on a page of the method's, debited, or paid in a wallet's sheet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.flows.conftest import MAIL_SECONDS, PATIENCE_MS, Shopper
from tests.waiting import eventually

# How the tab of each method is called, in which country its customers are, and in which currency they pay.
REDIRECTS = {
    "ideal": ("iDEAL", "NL", "eur"),
    "bancontact": ("Bancontact", "BE", "eur"),
    "eps": ("EPS", "AT", "eur"),
    "p24": ("Przelewy24", "PL", "eur"),
    "twint": ("TWINT", "CH", "chf"),
    "klarna": ("Klarna", "DE", "eur"),
}
DEBITS = {
    "us_bank_account": ("US", "usd", {"routingNumber": "110000000", "accountNumber": "000123456789"}),
    "bacs_debit": (
        "GB",
        "gbp",
        {
            "sortCode": "108800",
            "accountNumber": "00012345",
            "line1": "1 High Street",
            "city": "London",
            "addressPostalCode": "EC1A 1BB",
        },
    ),
}
HOLDER = {"name": "Ada Lovelace", "email": "ada@spree-bikes.test"}


@contextmanager
def account(shopper: Shopper, **values: object) -> Iterator[None]:
    """The account at Stripe is set like this for a while."""
    sandbox = shopper.portal.sandbox
    sandbox.control("account", **values)
    try:
        yield
    finally:
        sandbox.control("account", browser_country="", bank_day_seconds=24 * 3600)


def choose(shopper: Shopper, name: str, **details: str) -> None:
    """Open the method's tab, and fill in whatever it asks for."""
    form = shopper.form()
    form.get_by_role("button", name=name).click(timeout=PATIENCE_MS)
    for field, text in {**HOLDER, **details}.items():
        place = form.locator(f"[name={field}]:visible")
        if place.count():
            place.fill(text)


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,paypal")
def test_who_refuses_on_the_methods_page_comes_back_and_pays_at_the_next_try(shopper: Shopper) -> None:
    page = shopper.sign_in().open_pay_page().page
    save = page.get_by_label("Save for next time")
    expect(save).to_be_visible(timeout=PATIENCE_MS)
    for outcome in ("Fail", "Authorize"):
        choose(shopper, "PayPal")
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


@pytest.mark.settings(PORTAL_PAYMENT_METHODS=",".join(("card", *REDIRECTS)))
def test_every_method_with_a_page_of_its_own_pays(shopper: Shopper) -> None:
    page = shopper.sign_in().page
    for number, (name, country, currency) in enumerate(REDIRECTS.values(), 1):
        shopper.invoice_id = shopper.owe(currency=currency)
        with account(shopper, browser_country=country):
            shopper.open_pay_page()
            choose(shopper, name)
            shopper.pay_button.click()
            page.get_by_role("button", name="Authorize test payment").click(timeout=PATIENCE_MS)
            expect(page.locator("main .card-line-number").get_by_text(name)).to_be_visible(timeout=PATIENCE_MS)
        assert shopper.invoice.status == "paid" and len(shopper.charged) == number


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,sepa_debit")
def test_a_direct_debit_takes_its_days_fails_with_a_mail_and_pays_at_the_next_try(shopper: Shopper) -> None:
    page = shopper.sign_in().page
    with account(shopper, bank_day_seconds=0.4):
        for iban in ("DE62370400440532013001", "DE89370400440532013000"):
            shopper.open_pay_page()
            choose(shopper, "SEPA", iban=iban)
            shopper.pay_button.click()
            expect(page.get_by_text("The direct debit is under way")).to_be_visible(timeout=PATIENCE_MS)
            if iban.endswith("3001"):
                told = shopper.mailed("The direct debit for")
                assert "due again" in told and "3001" in told and shopper.invoice.status == "open"
        eventually(lambda: shopper.invoice.status == "paid", within=MAIL_SECONDS, what="the bank to pay")
    page.goto(f"{shopper.portal.url}/payments/{shopper.payments[0].id}")
    expect(page.locator("main").get_by_text("SEPA debit")).to_be_visible(timeout=PATIENCE_MS)
    assert shopper.charged == [119_00]


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,sepa_debit")
def test_a_bank_account_is_saved_without_paying_and_pays_the_next_invoice(shopper: Shopper) -> None:
    page = shopper.sign_in().page
    page.goto(f"{shopper.portal.url}/payment-methods/new")
    choose(shopper, "SEPA", iban="DE89370400440532013000")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The payment method is saved")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("link", name="Your payment methods").click()
    saved = page.get_by_role("row").filter(has_text="3000")
    expect(saved).to_contain_text("SEPA debit DE")
    expect(saved).to_contain_text("Mandate")
    page.goto(f"{shopper.portal.url}/invoices/{shopper.invoice_id}")
    page.get_by_role("button", name="Pay €119.00 with SEPA debit DE •••• 3000").click(timeout=PATIENCE_MS)
    expect(page.get_by_text("The direct debit is under way")).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,us_bank_account,bacs_debit")
def test_bank_accounts_of_other_countries_are_debited(shopper: Shopper) -> None:
    page = shopper.sign_in().page
    for kind, (country, currency, details) in DEBITS.items():
        shopper.invoice_id = shopper.owe(currency=currency)
        with account(shopper, browser_country=country):
            shopper.open_pay_page()
            choose(shopper, "US bank" if country == "US" else "Bacs", **details)
            shopper.pay_button.click()
            told = "Please verify your bank account" if country == "US" else "The direct debit is under way"
            expect(page.get_by_text(told)).to_be_visible(timeout=PATIENCE_MS)
        assert shopper.payments[0].status == ("requires_action" if kind == "us_bank_account" else "processing")


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,link,apple_pay,google_pay")
def test_wallets_have_buttons_above_the_form_and_pay_in_their_sheet(shopper: Shopper) -> None:
    sandbox, page = shopper.portal.sandbox, shopper.sign_in().page
    sandbox.control("payment_methods", on="card,link,apple_pay,google_pay")
    try:
        for number, wallet in enumerate(("apple_pay", "google_pay", "link"), 1):
            shopper.invoice_id = shopper.owe()
            shopper.open_pay_page()
            buttons = page.frame_locator('iframe[title="Secure express checkout frame"]')
            if wallet == "apple_pay":
                sandbox.control("wallet", answers="cancels")
                buttons.locator("#express-apple_pay").click(timeout=PATIENCE_MS)
                expect(page.locator('iframe[title="Wallet payment sheet"]')).to_have_count(0)
                assert shopper.payments == [], "who calls it off begins nothing"
            sandbox.control("wallet", answers="pays")
            buttons.locator(f"#express-{wallet}").click(timeout=PATIENCE_MS)
            shopper.sees_success()
            assert len(shopper.charged) == number
            assert (shopper.payments[0].card_wallet or shopper.payments[0].method_kind) == wallet
    finally:
        sandbox.control("wallet", answers="asks")
        sandbox.control("payment_methods", on="card")


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,apple_pay")
def test_where_there_is_no_wallet_no_room_is_kept_for_it(shopper: Shopper) -> None:
    shopper.sign_in().open_pay_page()
    expect(shopper.form().locator("[name=number]")).to_be_visible(timeout=PATIENCE_MS)
    expect(shopper.page.locator("#express")).not_to_be_visible()
