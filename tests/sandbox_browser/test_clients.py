"""What clients that strangers wrote look for in the Stripe object: @stripe/react-stripe-js, @stripe/stripe-js and plugins."""

from __future__ import annotations

from typing import Any

from stripe import StripeClient

from tests.browsing import Console
from tests.sandbox_browser.checkout import PUBLISHABLE_KEY, Checkout


def test_wrappers_take_the_object_for_stripes(checkout: Checkout) -> None:
    """@stripe/react-stripe-js asks an object for these four before it provides it to its components."""
    looked_for = ["elements", "createToken", "createPaymentMethod", "confirmCardPayment"]
    kinds = checkout.page.evaluate(
        "([key, names]) => { const stripe = Stripe(key); return names.map((name) => typeof stripe[name]); }",
        [PUBLISHABLE_KEY, looked_for],
    )
    assert kinds == ["function"] * len(looked_for)


def test_a_token_of_a_card_is_refused_with_what_to_use_instead(checkout: Checkout) -> None:
    checkout.mount(mode="setup")
    refusal = checkout.call("stripe.createToken('card', {})")
    assert "Use stripe.createPaymentMethod()" in str(refusal)


def test_a_radar_session_has_an_id(checkout: Checkout) -> None:
    checkout.mount(mode="setup")
    session = checkout.call("stripe.createRadarSession()")["radarSession"]
    assert session["id"].startswith("rse_")


def test_an_element_is_destroyed_and_another_made_in_its_place(
    checkout: Checkout, stripe: StripeClient, intent: Any, console: Console
) -> None:
    """React unmounts and mounts again in development, and whenever a customer comes back to a step."""
    del console
    checkout.mount(intent.client_secret)
    checkout.page.evaluate("payment.destroy()")
    assert checkout.page.evaluate("elements.getElement('payment')") is None
    ready = checkout.page.evaluate(
        "() => new Promise((resolve) => { window.payment = elements.create('payment'); "
        "payment.on('ready', () => resolve('ready')); payment.mount('#payment'); })"
    )
    assert ready == "ready"
    checkout.type_card()
    assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"
    assert stripe.v1.payment_intents.retrieve(intent.id).status == "succeeded"
