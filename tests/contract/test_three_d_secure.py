"""3-D Secure: docs.stripe.com/testing#regulatory-cards and docs.stripe.com/payments/3d-secure."""

from __future__ import annotations

import pytest
import stripe

from tests.certain import present
from tests.contract.support import RETURN_URL, Browser, Stripe, event_types, intend, pay, refused, save_card

ASKING = [
    "pm_card_threeDSecure2Required",
    "pm_card_threeDSecureRequired",
    "pm_card_authenticationRequired",
    "pm_card_authenticationRequiredOnSetup",
    "pm_card_authenticationRequiredSetupForOffSession",
    "pm_card_threeDSecureRequiredChargeDeclined",
]


@pytest.mark.parametrize("method", ASKING)
def test_cards_that_need_authentication_ask_for_it(client: stripe.StripeClient, method: str) -> None:
    """docs.stripe.com/testing#regulatory-cards"""
    intent = pay(client, method)
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.latest_charge is None


def test_without_a_return_url_stripe_js_is_to_ask(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/object#payment_intent_object-next_action"""
    action = pay(client, "pm_card_threeDSecure2Required").next_action
    assert action is not None
    assert action.type == "use_stripe_sdk"


def test_with_a_return_url_the_customer_is_redirected(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/3d-secure/authentication-flow#handle-redirect"""
    action = pay(client, "pm_card_threeDSecure2Required", return_url=RETURN_URL).next_action
    assert action is not None
    assert action.type == "redirect_to_url"
    assert action.redirect_to_url is not None
    assert action.redirect_to_url.return_url == RETURN_URL
    assert action.redirect_to_url.url is not None


def test_an_error_can_be_asked_for_instead_of_an_action(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/confirm#confirm_payment_intent-error_on_requires_action"""
    with refused(402, code="authentication_required"):
        pay(client, "pm_card_threeDSecure2Required", error_on_requires_action=True)


def test_optional_authentication_is_not_asked_for(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing#three-ds-cards (supported)"""
    assert pay(client, "pm_card_threeDSecureOptional").status == "succeeded"


def test_optional_authentication_can_be_asked_for(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/3d-secure/authentication-flow#manual-three-ds"""
    options = {"card": {"request_three_d_secure": "any"}}
    assert pay(client, "pm_card_threeDSecureOptional", payment_method_options=options).status == "requires_action"


def test_a_card_that_always_asks_declines_off_session(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/testing#regulatory-cards (always authenticate)"""
    card = save_card(client, customer.id, "pm_card_authenticationRequired")
    with refused(402, code="authentication_required") as errors:
        pay(client, card.id, customer=customer.id, off_session=True)
    assert errors[0].error is not None
    assert present(errors[0].error.payment_intent).status == "requires_payment_method"


def test_a_card_set_up_already_pays_off_session(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/testing#regulatory-cards (already set up)"""
    card = save_card(client, customer.id, "pm_card_authenticationRequiredSetupForOffSession")
    assert pay(client, card.id, customer=customer.id, off_session=True).status == "succeeded"


def test_a_card_that_is_not_set_up_declines_off_session(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/testing#regulatory-cards (authenticate unless set up)"""
    card = save_card(client, customer.id, "pm_card_authenticationRequiredOnSetup")
    with refused(402, code="authentication_required"):
        pay(client, card.id, customer=customer.id, off_session=True)


def test_a_lookup_that_fails_declines_the_card(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing#three-ds-cards (error)"""
    with refused(402, code="card_declined"):
        pay(client, "pm_card_threeDSecureRequiredProcessingError")


def test_a_waiting_intent_can_be_canceled(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/cancel"""
    intent = client.v1.payment_intents.cancel(pay(client, "pm_card_threeDSecure2Required").id)
    assert (intent.status, intent.next_action) == ("canceled", None)


def test_a_waiting_intent_can_be_paid_with_another_card(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/paymentintents/lifecycle"""
    intent = pay(client, "pm_card_threeDSecure2Required")
    assert client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_asking_is_told_by_an_event(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/types"""
    intent = pay(client, "pm_card_threeDSecure2Required")
    contract.later(
        lambda: event_types(client, intent.id) == ["payment_intent.created", "payment_intent.requires_action"]
    )


def test_stripe_js_confirms_with_the_client_secret(client: stripe.StripeClient, browser: Browser) -> None:
    """docs.stripe.com/js/payment_intents/confirm_payment"""
    intent = intend(client)
    card = browser.card("4000000000003220")
    answer = browser.post(
        f"/v1/payment_intents/{intent.id}/confirm",
        {"client_secret": intent.client_secret, "payment_method": card["id"], "use_stripe_sdk": "true"},
    )
    assert answer["status"] == "requires_action"
    assert answer["next_action"]["type"] == "use_stripe_sdk"
