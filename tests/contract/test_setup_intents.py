"""Setup intents: docs.stripe.com/api/setup_intents and docs.stripe.com/payments/setupintents/lifecycle."""

from __future__ import annotations

from typing import Any

import stripe

from tests.certain import as_sent, expanded, present
from tests.contract.support import Browser, Stripe, event_types, refused


def begin(client: stripe.StripeClient, **more: Any) -> stripe.SetupIntent:
    return client.v1.setup_intents.create(
        as_sent({"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}, **more})
    )


def save(client: stripe.StripeClient, method: str = "pm_card_visa", **more: Any) -> stripe.SetupIntent:
    return begin(client, payment_method=method, confirm=True, **more)


def test_a_new_setup_waits_for_a_payment_method(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/setupintents/lifecycle"""
    intent = begin(client)
    assert (intent.status, intent.usage) == ("requires_payment_method", "off_session")
    assert intent.client_secret is not None
    assert intent.client_secret.startswith(f"{intent.id}_secret_")


def test_a_confirmed_setup_saves_the_card(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/save-and-reuse"""
    intent = save(client, customer=customer.id)
    assert intent.status == "succeeded"
    assert [card.id for card in client.v1.customers.payment_methods.list(customer.id).data] == [intent.payment_method]


def test_a_declined_setup_is_a_card_error(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/testing#declined-payments"""
    with refused(402, code="card_declined") as errors:
        save(client, "pm_card_visa_chargeDeclined", customer=customer.id)
    assert errors[0].error is not None
    assert present(errors[0].error.setup_intent).status == "requires_payment_method"
    assert client.v1.customers.payment_methods.list(customer.id).data == []


def test_a_setup_asks_for_authentication(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/testing#regulatory-cards"""
    intent = save(client, "pm_card_authenticationRequiredOnSetup", customer=customer.id)
    assert intent.status == "requires_action"
    assert intent.next_action is not None


def test_a_setup_is_confirmed_once(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#setup-intent-unexpected-state"""
    intent = save(client)
    with refused(code="setup_intent_unexpected_state"):
        client.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})


def test_a_setup_can_be_canceled(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/setup_intents/cancel"""
    intent = client.v1.setup_intents.cancel(begin(client).id, {"cancellation_reason": "abandoned"})
    assert (intent.status, intent.cancellation_reason) == ("canceled", "abandoned")


def test_a_finished_setup_cannot_be_canceled(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#setup-intent-unexpected-state"""
    with refused(code="setup_intent_unexpected_state"):
        client.v1.setup_intents.cancel(save(client).id)


def test_each_try_is_an_attempt(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/setup_attempts"""
    intent = begin(client)
    with refused(402):
        client.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    client.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert [one.status for one in client.v1.setup_attempts.list({"setup_intent": intent.id}).data] == [
        "succeeded",
        "failed",
    ]


def test_an_attempt_is_there_while_its_holder_is_asked(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/setup_attempts/object#setup_attempt_object-status"""
    intent = save(client, "pm_card_authenticationRequiredOnSetup")
    asked = intent.latest_attempt
    statuses = {one.id: one.status for one in client.v1.setup_attempts.list({"setup_intent": intent.id}).data}
    assert statuses == {asked: "requires_action"}
    client.v1.setup_intents.cancel(intent.id)
    canceled = client.v1.setup_intents.retrieve(intent.id, {"expand": ["latest_attempt"]}).latest_attempt
    assert (canceled.id, canceled.status) == (asked, "abandoned")  # type: ignore[union-attr]


def test_the_latest_attempt_can_be_expanded(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/expanding_objects"""
    intent = client.v1.setup_intents.retrieve(save(client).id, {"expand": ["latest_attempt"]})
    assert expanded(intent.latest_attempt).status == "succeeded"


def test_setups_are_listed_by_customer(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/setup_intents/list"""
    intent = begin(client, customer=customer.id)
    assert [one.id for one in client.v1.setup_intents.list({"customer": customer.id}).data] == [intent.id]


def test_a_card_that_was_set_up_pays_off_session(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/save-and-reuse"""
    card = save(client, customer=customer.id).payment_method
    paid = client.v1.payment_intents.create(
        {
            "amount": 2000,
            "currency": "eur",
            "customer": customer.id,
            "payment_method": str(card),
            "off_session": True,
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    assert paid.status == "succeeded"


def test_a_setups_life_is_told_by_events(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/types"""
    done, failed, gone = save(client), begin(client), begin(client)
    with refused(402):
        client.v1.setup_intents.confirm(failed.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    client.v1.setup_intents.cancel(gone.id)
    contract.later(lambda: event_types(client, done.id) == ["setup_intent.created", "setup_intent.succeeded"])
    contract.later(lambda: event_types(client, failed.id) == ["setup_intent.created", "setup_intent.setup_failed"])
    contract.later(lambda: event_types(client, gone.id) == ["setup_intent.created", "setup_intent.canceled"])


def test_a_browser_confirms_a_setup(client: stripe.StripeClient, browser: Browser, customer: stripe.Customer) -> None:
    """docs.stripe.com/js/setup_intents/confirm_setup"""
    intent = begin(client, customer=customer.id)
    answer = browser.post(
        f"/v1/setup_intents/{intent.id}/confirm",
        {
            "client_secret": intent.client_secret,
            "payment_method_data[type]": "card",
            "payment_method_data[card][number]": "4242424242424242",
            "payment_method_data[card][exp_month]": "12",
            "payment_method_data[card][exp_year]": "2034",
            "payment_method_data[card][cvc]": "123",
        },
    )
    assert answer["status"] == "succeeded"
    assert "customer" not in answer
