"""Tokens: of a card, and the code of a saved card, typed anew: docs.stripe.com/api/tokens/create_cvc_update and the parameter cvc_token."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.contract.support import Browser, intend, refused, save_card

CVC_TOKEN = "payment_method_options[card][cvc_token]"


def make_token(browser: Browser) -> str:
    return str(browser.post("/v1/tokens", {"cvc_update[cvc]": "731"})["id"])


def confirm(client: stripe.StripeClient, browser: Browser, customer: stripe.Customer, token: str) -> Any:
    """The answer to a browser that pays with a saved card and this token."""
    intent = intend(client, customer=customer.id)
    given = {
        "client_secret": intent.client_secret,
        "payment_method": save_card(client, customer.id).id,
        "use_stripe_sdk": "true",
        CVC_TOKEN: token,
    }
    return browser.ask("POST", f"/v1/payment_intents/{intent.id}/confirm", given).json()


def test_a_browser_gives_the_code_for_a_token(browser: Browser) -> None:
    """docs.stripe.com/api/tokens/create_cvc_update"""
    token = browser.post("/v1/tokens", {"cvc_update[cvc]": "731"})
    assert (token["object"], token["type"], token["used"]) == ("token", "cvc_update", False)
    assert token["id"].startswith("cvctok_")
    assert "731" not in {str(value) for value in token.values()}


def test_a_token_of_a_card_makes_one_payment_method(browser: Browser, client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/tokens/create_card and docs.stripe.com/api/payment_methods/create#create_payment_method-card-token"""
    given = {"card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2034", "card[cvc]": "123"}
    token = browser.post("/v1/tokens", given)
    assert token["id"].startswith("tok_")
    assert (token["type"], token["card"]["brand"], token["card"]["last4"]) == ("card", "Visa", "4242")
    assert token["card"]["cvc_check"] == "unchecked"
    made = client.v1.payment_methods.create({"type": "card", "card": {"token": token["id"]}})
    assert made.card is not None
    assert (made.card.brand, made.card.last4) == ("visa", "4242")
    assert client.v1.tokens.retrieve(token["id"]).used
    with refused(code="token_already_used", says=f"You cannot use a Stripe token more than once: {token['id']}."):
        client.v1.payment_methods.create({"type": "card", "card": {"token": token["id"]}})


@pytest.mark.parametrize("cvc", ["12", "12a", "12345"])
def test_a_code_that_is_none_is_refused(browser: Browser, cvc: str) -> None:
    """docs.stripe.com/error-codes#invalid-cvc"""
    answer = browser.ask("POST", "/v1/tokens", {"cvc_update[cvc]": cvc})
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "invalid_cvc")


def test_the_bank_checks_the_code_of_a_saved_card(
    client: stripe.StripeClient, browser: Browser, customer: stripe.Customer
) -> None:
    """docs.stripe.com/api/payment_intents/confirm#confirm_payment_intent-payment_method_options-card-cvc_token"""
    paid = confirm(client, browser, customer, make_token(browser))
    assert paid["status"] == "succeeded"
    charge = client.v1.charges.list({"payment_intent": paid["id"]}).data[0].to_dict(recursive=True)
    assert charge["payment_method_details"]["card"]["checks"]["cvc_check"] == "pass"


def test_a_token_serves_one_confirmation(
    client: stripe.StripeClient, browser: Browser, customer: stripe.Customer
) -> None:
    """docs.stripe.com/error-codes#token-already-used"""
    token = make_token(browser)
    confirm(client, browser, customer, token)
    assert confirm(client, browser, customer, token)["error"]["code"] == "token_already_used"


def test_an_unknown_token_is_refused(client: stripe.StripeClient, browser: Browser, customer: stripe.Customer) -> None:
    """docs.stripe.com/error-codes#resource-missing"""
    assert confirm(client, browser, customer, "cvctok_none")["error"]["code"] == "resource_missing"


def test_a_token_is_for_confirmations_alone(client: stripe.StripeClient, browser: Browser) -> None:
    """docs.stripe.com/api/payment_intents/confirm ("This parameter can only be provided during confirmation")"""
    options: Any = {"card": {"cvc_token": make_token(browser)}}
    with pytest.raises(stripe.InvalidRequestError):
        intend(client, payment_method_options=options)
