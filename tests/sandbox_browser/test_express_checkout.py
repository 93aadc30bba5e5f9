"""The Express Checkout Element, the wallets in the Payment Element, and the sheet that a control can answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import expect
from stripe import StripeClient

from tests.browsing import Console
from tests.sandbox_browser.checkout import DECLINED, Checkout

ALL = "card,apple_pay,google_pay,link,paypal,klarna"
TEN_EUROS: dict[str, Any] = {"mode": "payment", "amount": 1000, "currency": "eur"}
PAY = """async () => {
    expressCheckout.on("confirm", async (event) => {
        window.agreed = JSON.parse(JSON.stringify(event));
        const { error } = await elements.submit();
        if (error) return;
        window.paid = await stripe.confirmPayment({
            elements, clientSecret: given, redirect: "if_required", confirmParams: { return_url: location.href },
        });
    });
}"""


@pytest.fixture
def wallets(sandbox: str) -> Iterator[Any]:
    """Every wallet turned on; the function fills the wallet of the customer."""

    def control(name: str, **given: str) -> None:
        assert requests.post(f"{sandbox}/_sandbox/{name}", json=given, timeout=30).status_code == 200

    control("payment_methods", on=ALL)
    try:
        yield lambda **given: control("wallet", **given)
    finally:
        control("payment_methods", on="card")
        control("wallet", answers="asks", card="4242424242424242")


def listen(checkout: Checkout, secret: str) -> None:
    checkout.page.evaluate(f"given => ({PAY})()", secret)


def press(checkout: Checkout, wallet: str) -> None:
    checkout.frame("Secure express checkout frame").locator(f"#express-{wallet}").click()


def paid(checkout: Checkout) -> dict[str, Any]:
    found: dict[str, Any] = checkout.page.wait_for_function("() => window.paid", timeout=15_000).json_value()
    return found


def test_each_wallet_that_is_on_has_a_button(checkout: Checkout, wallets: Any) -> None:
    del wallets
    ready = checkout.mount_element("expressCheckout", {"paymentMethods": {"klarna": "never"}}, **TEN_EUROS)
    assert ready["availablePaymentMethods"] == {
        "amazonPay": False,
        "applePay": True,
        "googlePay": True,
        "link": True,
        "paypal": True,
        "klarna": False,
    }
    buttons = checkout.frame("Secure express checkout frame").locator(".p-ExpressButton")
    assert buttons.all_text_contents() == ["Apple Pay", "Google Pay", "Link", "PayPal"]
    available = checkout.wait_for_event("expressCheckout.availablepaymentmethodschange")["paymentMethods"]
    assert available["googlePay"] == {"available": True}
    checkout.call("expressCheckout.update({paymentMethodOrder: ['paypal', 'link']})")
    expect(buttons.first).to_have_text("PayPal")


def test_without_a_wallet_the_element_is_ready_and_empty(checkout: Checkout) -> None:
    ready = checkout.mount_element("expressCheckout", **TEN_EUROS)
    assert "availablePaymentMethods" not in ready or ready["availablePaymentMethods"] is None
    expect(checkout.frame("Secure express checkout frame").locator(".p-ExpressButton")).to_have_count(0)


def test_apple_pay_pays_with_the_card_in_the_wallet(
    checkout: Checkout, wallets: Any, stripe: StripeClient, intent: Any
) -> None:
    """Source: Stripe, "Accept a payment with the Express Checkout Element"."""
    wallets(card="5555555555554444")
    checkout.mount_element("expressCheckout", {"emailRequired": True}, **TEN_EUROS)
    listen(checkout, intent.client_secret)
    press(checkout, "apple_pay")
    sheet = checkout.frame("Wallet payment sheet")
    expect(sheet.get_by_text("mastercard •••• 4444")).to_be_visible()
    expect(sheet.get_by_text("€10.00")).to_be_visible()
    sheet.get_by_role("button", name="Pay").click()
    assert paid(checkout)["paymentIntent"]["status"] == "succeeded"
    agreed = checkout.page.evaluate("agreed")
    assert agreed["expressPaymentType"] == "apple_pay"
    assert agreed["billingDetails"]["email"] == "jenny.rosen@example.com"
    assert "phone" not in agreed["billingDetails"]
    expect(checkout.page.locator('iframe[title="Wallet payment sheet"]')).to_have_count(0)
    charge: Any = stripe.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge
    assert charge.payment_method_details.card.wallet.to_dict() == {
        "apple_pay": {},
        "dynamic_last4": "4444",
        "type": "apple_pay",
    }


def test_a_sheet_answers_by_itself_where_a_control_says_so(
    checkout: Checkout, wallets: Any, stripe: StripeClient, intent: Any
) -> None:
    wallets(answers="pays")
    checkout.mount_element("expressCheckout", **TEN_EUROS)
    listen(checkout, intent.client_secret)
    press(checkout, "link")
    assert paid(checkout)["paymentIntent"]["status"] == "succeeded"
    method: Any = stripe.v1.payment_intents.retrieve(intent.id, {"expand": ["payment_method"]}).payment_method
    assert (method.type, method.link.email) == ("link", "jenny.rosen@example.com")


def test_a_holder_who_closes_the_sheet_pays_nothing(checkout: Checkout, wallets: Any, intent: Any) -> None:
    wallets(answers="cancels")
    checkout.mount_element("expressCheckout", **TEN_EUROS)
    listen(checkout, intent.client_secret)
    press(checkout, "google_pay")
    checkout.wait_for_event("expressCheckout.cancel")
    assert checkout.page.evaluate("window.agreed ?? null") is None
    expect(checkout.page.locator('iframe[title="Wallet payment sheet"]')).to_have_count(0)


def test_a_declined_card_of_a_wallet_is_an_error_like_any_other(
    checkout: Checkout, wallets: Any, intent: Any, console: Console
) -> None:
    console.expect("402")
    wallets(answers="pays", card=DECLINED)
    checkout.mount_element("expressCheckout", **TEN_EUROS)
    listen(checkout, intent.client_secret)
    press(checkout, "google_pay")
    assert paid(checkout)["error"]["decline_code"] == "generic_decline"
    expect(checkout.page.locator('iframe[title="Wallet payment sheet"]')).to_have_count(0)


def test_the_page_names_rates_for_the_holders_address_and_may_refuse_it(
    checkout: Checkout, wallets: Any, intent: Any
) -> None:
    """Source: Stripe.js reference, the events "shippingaddresschange" and "shippingratechange"."""
    rates = [
        {"id": "post", "amount": 500, "displayName": "Post"},
        {"id": "bike", "amount": 900, "displayName": "Bike"},
    ]
    checkout.mount_element("expressCheckout", **TEN_EUROS)
    listen(checkout, intent.client_secret)
    checkout.page.evaluate(
        """rates => {
            window.told = [];
            expressCheckout.on("click", (event) => event.resolve({ shippingAddressRequired: true, shippingRates: rates }));
            expressCheckout.on("shippingaddresschange", (event) => {
                window.told.push(event.address);
                if (window.refuses) event.reject();
                else event.resolve({ lineItems: [{ name: "Tea", amount: 1000 }] });
            });
            expressCheckout.on("shippingratechange", (event) => {
                window.told.push(event.shippingRate.id);
                event.resolve();
            });
            window.refuses = true;
        }""",
        rates,
    )
    press(checkout, "google_pay")
    sheet = checkout.frame("Wallet payment sheet")
    expect(sheet.get_by_role("alert")).to_contain_text("does not ship")
    expect(sheet.get_by_role("button", name="Pay")).to_be_disabled()
    sheet.get_by_role("button", name="Cancel").click()
    checkout.page.evaluate("() => { window.refuses = false; }")
    press(checkout, "google_pay")
    expect(sheet.get_by_text("Tea")).to_be_visible()
    sheet.get_by_label("Bike").check()
    sheet.get_by_role("button", name="Pay").click()
    assert paid(checkout)["paymentIntent"]["status"] == "succeeded"
    assert checkout.page.evaluate("told.slice(1)") == [
        {"city": "Berlin", "state": "", "postal_code": "10115", "country": "DE"},
        "bike",
    ]
    agreed = checkout.page.evaluate("agreed")
    assert agreed["shippingRate"]["id"] == "bike"
    assert agreed["shippingAddress"]["address"]["line1"] == "123 Main Street"


def test_a_click_that_the_page_rejects_opens_no_sheet(checkout: Checkout, wallets: Any) -> None:
    del wallets
    checkout.mount_element("expressCheckout", **TEN_EUROS)
    checkout.page.evaluate(
        "() => { expressCheckout.on('click', (event) => { window.clicked = true; event.reject(); }); }"
    )
    press(checkout, "apple_pay")
    checkout.page.wait_for_function("() => window.clicked")
    expect(checkout.page.locator('iframe[title="Wallet payment sheet"]')).to_have_count(0)


def test_a_confirmation_token_can_be_made_of_what_the_wallet_holds(
    checkout: Checkout, wallets: Any, stripe: StripeClient
) -> None:
    wallets(answers="pays")
    checkout.mount_element("expressCheckout", **TEN_EUROS)
    checkout.page.evaluate(
        """() => { expressCheckout.on("confirm", async () => {
            await elements.submit();
            window.paid = await stripe.createConfirmationToken({ elements });
        }); }"""
    )
    press(checkout, "google_pay")
    token = stripe.v1.confirmation_tokens.retrieve(paid(checkout)["confirmationToken"]["id"])
    preview: Any = token.payment_method_preview
    assert preview.card.wallet.type == "google_pay"


def test_the_payment_element_shows_wallets_and_opens_their_sheet(
    checkout: Checkout, wallets: Any, stripe: StripeClient, intent: Any
) -> None:
    wallets(answers="pays")
    checkout.mount(intent.client_secret, payment={"wallets": {"link": "never"}})
    titles = checkout.form.locator(".p-PaymentMethodTitle").all_text_contents()
    assert titles == ["Card", "Apple Pay", "Google Pay", "Klarna", "PayPal"]
    checkout.form.locator("#google_pay-tab").click()
    assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"
    charge: Any = stripe.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge
    assert charge.payment_method_details.card.wallet.type == "google_pay"


def test_a_wallets_sheet_opens_when_a_payment_without_intent_is_submitted(checkout: Checkout, wallets: Any) -> None:
    """Source: Stripe, "Collect payment details before creating an Intent": submit() gathers what wallets hold."""
    wallets(answers="cancels")
    checkout.mount(payment={"paymentMethodOrder": ["apple_pay"]}, **TEN_EUROS)
    assert checkout.form.locator(".p-PaymentMethodTitle").first.text_content() == "Apple Pay"
    assert checkout.call("elements.submit()")["error"]["code"] == "payment_canceled"
    wallets(answers="pays")
    assert checkout.call("elements.submit()") == {"selectedPaymentMethod": "apple_pay"}
