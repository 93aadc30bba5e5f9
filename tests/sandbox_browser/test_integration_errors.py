"""What the author of a page did wrong is thrown, in Stripe's words; what is gone from this release of Stripe.js is gone here."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect
from stripe import StripeClient

from tests.browsing import Console
from tests.sandbox_browser.checkout import PUBLISHABLE_KEY, Checkout


def refusal(checkout: Checkout, expression: str, given: Any = None) -> str:
    result = checkout.call(expression, given)
    assert result["thrown"] == "IntegrationError", result
    return str(result["message"])


def test_only_publishable_test_keys_are_taken(checkout: Checkout, subtests: pytest.Subtests) -> None:
    secret = "You should not use your secret key with Stripe.js.\nPlease pass a publishable key instead."
    for key, message in [
        ("sk_test_51Secret", secret),
        ("rk_test_51Secret", secret),
        ("", "Please call Stripe() with your publishable key. You used an empty string."),
        (None, "Missing value for Stripe(): apiKey should be a string."),
        (5, "Invalid value for Stripe(): apiKey should be a string. You specified: 5."),
        ("pk_live_51Real", "The sandbox does not accept live keys. Use a key that begins with pk_test_."),
    ]:
        with subtests.test(str(key)):
            assert refusal(checkout, "Stripe(given)", key) == message


def test_elements_refuses_wrong_options(checkout: Checkout, subtests: pytest.Subtests) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"clientSecret": "nonsense"}, "clientSecret should be a client secret of the form ${id}_secret_${secret}"),
        ({"clientSecret": "pi_1_secret_2", "mode": "payment"}, "use either mode or clientSecret, not both"),
        ({"mode": "pay"}, "mode should be one of the following strings: payment, setup, subscription"),
        ({"mode": "payment", "currency": "eur"}, "Missing value for stripe.elements(): amount should be an integer"),
        ({"mode": "payment", "amount": 0, "currency": "eur"}, "amount should be greater than 0"),
        (
            {"mode": "payment", "amount": 1, "currency": "EUR"},
            "currency should be a lowercase three-letter currency code",
        ),
        ({"mode": "payment", "amount": 1, "currency": "eur", "paymentMethodTypes": ["card"]}, "no longer supported"),
        ({"mode": "setup", "payment_method_types": ["card"]}, "no longer supported"),
        ({"mode": "setup", "appearance": {"theme": "dark"}}, "appearance.theme should be one of"),
    ]
    for options, message in cases:
        with subtests.test(message):
            made = refusal(checkout, "Stripe(given[0]).elements(given[1])", [PUBLISHABLE_KEY, options])
            assert message in made


def test_what_was_removed_throws(checkout: Checkout, subtests: pytest.Subtests) -> None:
    methods = "handleCardPayment confirmPaymentIntent handleFpxPayment handleCardSetup confirmSetupIntent createSource retrieveSource"
    for method in methods.split():
        with subtests.test(method):
            assert "has been removed" in refusal(checkout, "Stripe(given[0])[given[1]]()", [PUBLISHABLE_KEY, method])
    create = "Stripe(given[0]).elements({mode: 'setup'}).create(given[1])"
    for element in ("idealBank", "epsBank", "p24Bank", "fpxBank", "affirmMessage", "afterpayClearpayMessage"):
        with subtests.test(element):
            assert "has been removed" in refusal(checkout, create, [PUBLISHABLE_KEY, element])


def test_elements_are_created_once_and_with_something_to_pay(checkout: Checkout) -> None:
    checkout.mount(mode="payment", amount=100, currency="eur")
    assert refusal(checkout, "elements.create('payment')").startswith("Can only create one Element of type payment")
    assert refusal(checkout, "stripe.elements().create('payment')") == (
        "In order to create a payment element, you must pass a clientSecret or mode when creating the Elements group."
    )
    assert "applies to no DOM elements" in refusal(
        checkout, "stripe.elements({mode: 'setup'}).create('payment').mount('#nowhere')"
    )


def test_confirmations_say_what_is_missing(checkout: Checkout, intent: Any) -> None:
    checkout.mount(mode="payment", amount=100, currency="eur")
    assert refusal(checkout, "stripe.confirmPayment({redirect: 'if_required'})") == (
        "stripe.confirmPayment(): expected either `elements` or `clientSecret`, but got neither."
    )
    assert refusal(checkout, "stripe.confirmPayment({elements, redirect: 'if_required'})") == (
        "You must pass in a clientSecret when calling stripe.confirmPayment()."
    )
    assert "confirmParams.return_url should be a complete URL" in refusal(
        checkout, "stripe.confirmPayment({elements, clientSecret: given})", intent.client_secret
    )
    assert "should be the client secret of a PaymentIntent" in refusal(
        checkout, "stripe.confirmPayment({elements, clientSecret: 'seti_1_secret_2', redirect: 'if_required'})"
    )
    checkout.call("{ payment.unmount(); }")
    assert refusal(
        checkout,
        "stripe.confirmPayment({elements, clientSecret: given, redirect: 'if_required'})",
        intent.client_secret,
    ) == (
        "Invalid value for stripe.confirmPayment(): elements should have a mounted Payment Element or Express Checkout Element."
    )


def test_raw_card_data_is_not_taken_from_the_page(checkout: Checkout) -> None:
    checkout.page.evaluate("key => { window.stripe = Stripe(key) }", PUBLISHABLE_KEY)
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    assert "should be an object with a token, or an Element" in refusal(
        checkout, "stripe.createPaymentMethod({type: 'card', card: given})", card
    )
    made = checkout.call("stripe.createPaymentMethod({type: 'card', card: {token: 'tok_visa'}})")
    assert made["paymentMethod"]["card"]["last4"] == "4242"


def test_a_wrong_secret_is_a_load_error(checkout: Checkout, intent: Any) -> None:
    assert checkout.mount(f"{intent.id}_secret_wrong") == "loaderror"
    event = checkout.events("loaderror")[0]
    assert event["elementType"] == "payment"
    assert event["error"]["type"] == "invalid_request_error"
    assert checkout.page.locator("iframe").count() == 0


def test_a_form_that_did_not_load_can_be_mounted_again(checkout: Checkout, console: Console) -> None:
    console.expect("net::ERR_FAILED")
    checkout.page.route("**/v1/elements/sessions*", lambda route: route.abort())
    assert checkout.mount(mode="payment", amount=100, currency="eur") == "loaderror"
    assert checkout.events("loaderror")[0]["error"]["type"] == "api_connection_error"
    checkout.page.unroute("**/v1/elements/sessions*")
    checkout.call("{ payment.mount('#payment'); }")
    checkout.wait_for_event("ready")
    expect(checkout.field("number")).to_be_visible()


def test_a_spent_intent_is_a_load_error(checkout: Checkout, stripe: StripeClient, intent: Any) -> None:
    stripe.v1.payment_intents.cancel(intent.id)
    assert checkout.mount(intent.client_secret) == "loaderror"
    assert checkout.events("loaderror")[0]["error"]["code"] == "payment_intent_unexpected_state"


def test_fetch_updates_follows_the_intent(checkout: Checkout, stripe: StripeClient, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    checkout.type_card()
    expect(checkout.form.locator(".p-Terms")).to_be_hidden()
    stripe.v1.payment_intents.update(intent.id, {"amount": 4200, "setup_future_usage": "off_session"})
    assert checkout.call("elements.fetchUpdates()") == {}
    expect(checkout.form.locator(".p-Terms")).to_contain_text("for future payments")
    assert checkout.confirm()["paymentIntent"]["amount"] == 4200


def test_no_answer_is_an_error_to_show(checkout: Checkout, console: Console, intent: Any) -> None:
    console.expect("net::ERR_FAILED")
    checkout.mount(intent.client_secret)
    checkout.type_card()
    checkout.page.route("**/confirm", lambda route: route.abort())
    error = checkout.confirm()["error"]
    assert error["type"] == "api_connection_error"
    checkout.page.unroute("**/confirm")
    assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"
