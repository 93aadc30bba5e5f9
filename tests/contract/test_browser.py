"""What a browser may do with a publishable key: docs.stripe.com/keys and docs.stripe.com/js."""

from __future__ import annotations

import stripe

from tests.contract.support import Browser, Stripe, intend, refused


def test_a_browser_reads_an_intent_with_its_client_secret(client: stripe.StripeClient, browser: Browser) -> None:
    """docs.stripe.com/js/payment_intents/retrieve_payment_intent"""
    intent = intend(client)
    seen = browser.get(f"/v1/payment_intents/{intent.id}", {"client_secret": intent.client_secret})
    assert (seen["id"], seen["status"], seen["amount"]) == (intent.id, "requires_payment_method", 2000)


def test_a_browser_does_not_see_what_is_the_merchants(
    client: stripe.StripeClient, browser: Browser, customer: stripe.Customer
) -> None:
    """docs.stripe.com/api/payment_intents/retrieve (only a subset with a publishable key)"""
    intent = intend(client, customer=customer.id, metadata={"secret": "thing"})
    seen = browser.get(f"/v1/payment_intents/{intent.id}", {"client_secret": intent.client_secret})
    assert not {"customer", "metadata", "latest_charge", "amount_received"} & seen.keys()


def test_a_browser_needs_the_client_secret(client: stripe.StripeClient, browser: Browser) -> None:
    """docs.stripe.com/api/payment_intents/retrieve#retrieve_payment_intent-client_secret"""
    assert browser.ask("GET", f"/v1/payment_intents/{intend(client).id}").status_code == 400


def test_a_browser_needs_the_right_client_secret(client: stripe.StripeClient, browser: Browser) -> None:
    """docs.stripe.com/api/payment_intents/retrieve#retrieve_payment_intent-client_secret"""
    one, other = intend(client), intend(client)
    answer = browser.ask("GET", f"/v1/payment_intents/{one.id}", {"client_secret": other.client_secret})
    assert answer.status_code in (400, 401, 404)


def test_a_browser_pays_with_card_details(client: stripe.StripeClient, browser: Browser) -> None:
    """docs.stripe.com/js/payment_intents/confirm_payment"""
    intent = intend(client)
    paid = browser.post(
        f"/v1/payment_intents/{intent.id}/confirm",
        {
            "client_secret": intent.client_secret,
            "payment_method_data[type]": "card",
            "payment_method_data[card][number]": "4242424242424242",
            "payment_method_data[card][exp_month]": "12",
            "payment_method_data[card][exp_year]": "34",
            "payment_method_data[card][cvc]": "123",
            "payment_method_data[billing_details][name]": "Jenny",
        },
    )
    assert paid["status"] == "succeeded"
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_browser_sees_a_decline_with_its_intent(client: stripe.StripeClient, browser: Browser) -> None:
    """docs.stripe.com/js/payment_intents/confirm_payment (the error)"""
    intent = intend(client)
    card = browser.card("4000000000009995")
    answer = browser.ask(
        "POST",
        f"/v1/payment_intents/{intent.id}/confirm",
        {"client_secret": intent.client_secret, "payment_method": card["id"]},
    )
    error = answer.json()["error"]
    assert answer.status_code == 402
    assert (error["code"], error["decline_code"]) == ("card_declined", "insufficient_funds")
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert "metadata" not in error["payment_intent"]


def test_a_browser_cannot_create_or_cancel_an_intent(client: stripe.StripeClient, browser: Browser) -> None:
    """docs.stripe.com/keys"""
    intent = intend(client)
    assert browser.ask("POST", "/v1/payment_intents", {"amount": 2000, "currency": "eur"}).status_code in (401, 403)
    assert browser.ask("POST", f"/v1/payment_intents/{intent.id}/cancel").status_code in (401, 403)


def test_a_page_of_any_site_may_ask(contract: Stripe, browser: Browser) -> None:
    """docs.stripe.com/js (calls from the browser are cross-origin)"""
    assert browser.ask("GET", "/v1/payment_intents/pi_x").headers["Access-Control-Allow-Origin"] in (
        "*",
        "https://shop.example",
    )


def test_a_confirmation_token_pays_once(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/finalize-payments-on-the-server"""
    token = client.v1.test_helpers.confirmation_tokens.create({"payment_method": "pm_card_visa"})
    paid = client.v1.payment_intents.confirm(intend(client).id, {"confirmation_token": token.id})
    assert paid.status == "succeeded"
    with refused():
        client.v1.payment_intents.confirm(intend(client).id, {"confirmation_token": token.id})


def test_a_confirmation_token_shows_what_it_would_pay_with(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/confirmation_tokens/object"""
    token = client.v1.test_helpers.confirmation_tokens.create({"payment_method": "pm_card_mastercard"})
    shown = client.v1.confirmation_tokens.retrieve(token.id)
    assert shown.payment_method_preview is not None
    assert shown.payment_method_preview.card is not None
    assert shown.payment_method_preview.card.last4 == "4444"
    assert (shown.payment_intent, shown.setup_intent) == (None, None)


def test_a_confirmation_token_expires(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/confirmation_tokens/object#confirmation_token_object-expires_at"""
    token = client.v1.test_helpers.confirmation_tokens.create({"payment_method": "pm_card_visa"})
    assert token.expires_at is not None
    assert token.expires_at - token.created == 12 * 3600


def test_a_confirmation_token_brings_its_future_use(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/confirmation_tokens/object#confirmation_token_object-setup_future_usage"""
    token = client.v1.test_helpers.confirmation_tokens.create(
        {"payment_method": "pm_card_visa", "setup_future_usage": "off_session"}
    )
    client.v1.payment_intents.confirm(intend(client, customer=customer.id).id, {"confirmation_token": token.id})
    assert len(client.v1.customers.payment_methods.list(customer.id).data) == 1
