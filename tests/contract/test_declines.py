"""Declined payments: docs.stripe.com/declines and docs.stripe.com/testing#declined-payments."""

from __future__ import annotations

import pytest
import stripe

from tests.certain import expanded, present
from tests.contract.support import Browser, Stripe, event_types, intend, pay, refused

DECLINES = [
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
    ("pm_card_radarBlock", "card_declined", "fraudulent"),
]


@pytest.mark.parametrize(("method", "code", "decline_code"), DECLINES)
def test_each_declining_test_card_declines_in_its_way(
    client: stripe.StripeClient, method: str, code: str, decline_code: str | None
) -> None:
    """docs.stripe.com/testing#declined-payments"""
    with refused(402, code=code) as errors:
        pay(client, method)
    assert isinstance(errors[0], stripe.CardError)
    assert errors[0].error is not None
    if decline_code is not None:
        assert errors[0].error.decline_code == decline_code


def test_a_decline_carries_its_intent(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/errors#errors-payment_intent"""
    intent = intend(client)
    with refused(402) as errors:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    assert errors[0].error is not None
    assert present(errors[0].error.payment_intent).id == intent.id
    assert errors[0].error.charge is not None


def test_a_declined_intent_wants_another_method(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/paymentintents/lifecycle"""
    intent = intend(client)
    with refused(402):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    now = client.v1.payment_intents.retrieve(intent.id)
    assert (now.status, now.payment_method) == ("requires_payment_method", None)


def test_the_last_error_stays_on_the_intent(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/object#payment_intent_object-last_payment_error"""
    intent = intend(client)
    with refused(402):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"})
    error = client.v1.payment_intents.retrieve(intent.id).last_payment_error
    assert error is not None
    assert (error.type, error.code, error.decline_code) == ("card_error", "card_declined", "insufficient_funds")
    assert error.payment_method is not None
    assert error.message == "Your card has insufficient funds."


def test_the_next_try_succeeds_and_clears_the_error(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/paymentintents/lifecycle"""
    intent = intend(client)
    with refused(402):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    paid = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)


def test_a_decline_leaves_a_failed_charge(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/charges/object"""
    intent = intend(client)
    with refused(402):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    charge = client.v1.charges.list({"payment_intent": intent.id}).data[0]
    assert (charge.status, charge.paid, charge.captured, charge.failure_code) == (
        "failed",
        False,
        False,
        "card_declined",
    )
    assert charge.balance_transaction is None


def test_each_attempt_is_a_charge_of_its_own(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/paymentintents/lifecycle"""
    intent = intend(client)
    with refused(402):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert [charge.status for charge in client.v1.charges.list({"payment_intent": intent.id}).data] == [
        "succeeded",
        "failed",
    ]


def test_a_decline_is_told_by_events(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/types"""
    intent = intend(client)
    with refused(402):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    contract.later(
        lambda: event_types(client, intent.id) == ["payment_intent.created", "payment_intent.payment_failed"]
    )
    charge = client.v1.payment_intents.retrieve(intent.id).latest_charge
    contract.later(lambda: event_types(client, str(charge)) == ["charge.failed"])


def test_the_bank_says_why_in_the_outcome(client: stripe.StripeClient) -> None:
    """docs.stripe.com/declines#issuer-declines"""
    intent = intend(client)
    with refused(402):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"})
    outcome = client.v1.charges.list({"payment_intent": intent.id}).data[0].outcome
    assert outcome is not None
    assert (outcome.network_status, outcome.type, outcome.reason) == (
        "declined_by_network",
        "issuer_declined",
        "insufficient_funds",
    )


def test_a_blocked_payment_never_reaches_the_network(client: stripe.StripeClient) -> None:
    """docs.stripe.com/declines#blocked-payments"""
    intent = intend(client)
    with refused(402):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_radarBlock"})
    outcome = client.v1.charges.list({"payment_intent": intent.id}).data[0].outcome
    assert outcome is not None
    assert (outcome.network_status, outcome.type) == ("not_sent_to_network", "blocked")


def test_an_elevated_risk_is_paid_and_marked(client: stripe.StripeClient) -> None:
    """docs.stripe.com/radar/testing"""
    charge = expanded(pay(client, "pm_card_riskLevelElevated", expand=["latest_charge"]).latest_charge)
    assert present(charge.outcome).risk_level == "elevated"


def test_a_live_card_is_declined_in_test_mode(browser: Browser, client: stripe.StripeClient) -> None:
    """docs.stripe.com/declines/codes#test_mode_live_card"""
    card = browser.card("4111111111111111")
    if "error" in card:
        assert card["error"]["decline_code"] == "test_mode_live_card"
        return
    with refused(402, code="card_declined") as errors:
        pay(client, card["id"])
    assert errors[0].error is not None
    assert errors[0].error.decline_code == "test_mode_live_card"
