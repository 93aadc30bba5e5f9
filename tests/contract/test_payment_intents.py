"""Payment intents: docs.stripe.com/api/payment_intents and docs.stripe.com/payments/paymentintents/lifecycle."""

from __future__ import annotations

import pytest
import stripe

from tests.certain import expanded, present
from tests.contract.support import RETURN_URL, Stripe, event_types, intend, pay, refused, save_card


def test_a_new_intent_waits_for_a_payment_method(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/paymentintents/lifecycle"""
    intent = intend(client)
    assert (intent.status, intent.amount, intent.currency) == ("requires_payment_method", 2000, "eur")
    assert (intent.amount_received, intent.latest_charge, intent.payment_method) == (0, None, None)


def test_the_client_secret_begins_with_the_intents_id(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/object#payment_intent_object-client_secret"""
    intent = intend(client)
    assert intent.client_secret is not None
    assert intent.client_secret.startswith(f"{intent.id}_secret_")


def test_capture_is_automatic_and_asynchronous_unless_asked_otherwise(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/payment-intents/asynchronous-capture"""
    assert intend(client).capture_method == "automatic_async"


def test_payment_methods_are_automatic_unless_asked_otherwise(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/create#create_payment_intent-automatic_payment_methods"""
    intent = client.v1.payment_intents.create({"amount": 2000, "currency": "eur"})
    assert intent.automatic_payment_methods is not None
    assert intent.automatic_payment_methods.enabled is True
    assert "card" in intent.payment_method_types


def test_naming_payment_method_types_is_refused_at_this_version(contract: Stripe) -> None:
    """docs.stripe.com/changelog/endive/2026-09-30/removes-the-payment-method-types-parameter-from-payment-intents-and-setup-intents"""
    answer = contract.raw(
        "POST",
        "/v1/payment_intents",
        {"amount": "2000", "currency": "eur", "payment_method_types[]": "card"},
        Stripe_Version="2026-10-28.endive",
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "payment_method_types_no_longer_supported"


def test_an_intent_with_a_method_waits_for_confirmation(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/paymentintents/lifecycle"""
    assert intend(client, payment_method="pm_card_visa").status == "requires_confirmation"


def test_a_confirmed_intent_succeeds(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/confirm"""
    intent = client.v1.payment_intents.confirm(intend(client).id, {"payment_method": "pm_card_visa"})
    assert (intent.status, intent.amount_received) == ("succeeded", 2000)
    assert intent.latest_charge is not None


def test_an_intent_can_be_created_and_confirmed_at_once(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/create#create_payment_intent-confirm"""
    assert pay(client).status == "succeeded"


def test_confirming_again_is_an_unexpected_state(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#payment-intent-unexpected-state"""
    intent = pay(client)
    with refused(code="payment_intent_unexpected_state", says="already succeeded") as errors:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert errors[0].error is not None
    assert present(errors[0].error.payment_intent).status == "succeeded"


def test_confirming_without_a_method_is_an_unexpected_state(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#payment-intent-unexpected-state"""
    with refused(code="payment_intent_unexpected_state", says="missing a payment method"):
        client.v1.payment_intents.confirm(intend(client).id)


def test_methods_that_may_redirect_need_a_return_url(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/confirm#confirm_payment_intent-return_url"""
    with refused(says="you must provide a `return_url`"):
        client.v1.payment_intents.create(
            {"amount": 2000, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}
        )
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True, "return_url": RETURN_URL}
    )
    assert intent.status == "succeeded"


@pytest.mark.parametrize("name", ["off_session", "return_url", "error_on_requires_action"])
def test_what_concerns_confirmation_needs_confirm(client: stripe.StripeClient, name: str) -> None:
    """docs.stripe.com/api/payment_intents/create"""
    with refused(param=name):
        intend(client, **{name: RETURN_URL if name == "return_url" else True})


def test_an_amount_below_the_minimum_is_too_small(client: stripe.StripeClient) -> None:
    """docs.stripe.com/currencies#minimum-and-maximum-charge-amounts"""
    with refused(code="amount_too_small", param="amount"):
        intend(client, amount=49)


def test_an_amount_above_eight_digits_is_too_large(client: stripe.StripeClient) -> None:
    """docs.stripe.com/currencies#minimum-and-maximum-charge-amounts"""
    with refused(code="amount_too_large", param="amount"):
        intend(client, amount=100_000_000)


@pytest.mark.parametrize("amount", [0, -5])
def test_an_amount_is_at_least_one(client: stripe.StripeClient, amount: int) -> None:
    """docs.stripe.com/error-codes#parameter-invalid-integer; the words as Stripe answers at 2026-03-25.dahlia"""
    with refused(param="amount", says="minimum charge amount allowed for your account"):
        intend(client, amount=amount)


def test_an_unknown_currency_is_refused(client: stripe.StripeClient) -> None:
    """docs.stripe.com/currencies"""
    with refused(param="currency", says="Invalid currency"):
        intend(client, currency="xxx")


def test_currencies_are_shown_in_lower_case(client: stripe.StripeClient) -> None:
    """docs.stripe.com/currencies"""
    assert intend(client, currency="EUR").currency == "eur"


def test_a_currency_without_decimals_is_counted_whole(client: stripe.StripeClient) -> None:
    """docs.stripe.com/currencies#zero-decimal"""
    assert pay(client, amount=500, currency="jpy").amount_received == 500


def test_a_currency_with_three_decimals_is_rounded_to_tens(client: stripe.StripeClient) -> None:
    """docs.stripe.com/currencies#three-decimal"""
    assert intend(client, amount=5120, currency="kwd").amount == 5120
    with refused(param="amount"):
        intend(client, amount=5124, currency="kwd")


def test_an_intent_keeps_its_metadata(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/metadata"""
    assert intend(client, metadata={"order": "17"}).metadata["order"] == "17"


def test_the_amount_can_be_updated_before_payment(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/update"""
    assert client.v1.payment_intents.update(intend(client).id, {"amount": 3000}).amount == 3000


def test_the_amount_cannot_be_updated_after_payment(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#payment-intent-unexpected-state"""
    with refused(code="payment_intent_unexpected_state", says="status of succeeded"):
        client.v1.payment_intents.update(pay(client).id, {"amount": 3000})


def test_metadata_can_be_updated_after_payment(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/update"""
    assert client.v1.payment_intents.update(pay(client).id, {"metadata": {"late": "yes"}}).metadata["late"] == "yes"


def test_an_unpaid_intent_can_be_canceled(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/cancel"""
    intent = client.v1.payment_intents.cancel(intend(client).id, {"cancellation_reason": "abandoned"})
    assert (intent.status, intent.cancellation_reason) == ("canceled", "abandoned")
    assert intent.canceled_at is not None


def test_a_paid_intent_cannot_be_canceled(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/cancel"""
    with refused(code="payment_intent_unexpected_state", says="You cannot cancel this PaymentIntent"):
        client.v1.payment_intents.cancel(pay(client).id)


def test_a_canceled_intent_cannot_be_confirmed(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/cancel"""
    intent = client.v1.payment_intents.cancel(intend(client).id)
    with refused(code="payment_intent_unexpected_state", says="status of canceled"):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})


def test_an_unknown_customer_is_refused_by_its_parameter(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#resource-missing"""
    with refused(400, code="resource_missing", param="customer"):
        intend(client, customer="cus_nobody")


def test_an_unknown_intent_is_missing(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#resource-missing"""
    with refused(404, code="resource_missing", says="No such payment_intent: 'pi_nobody'"):
        client.v1.payment_intents.retrieve("pi_nobody")


def test_paying_with_future_use_saves_the_card(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/save-during-payment"""
    pay(client, customer=customer.id, setup_future_usage="off_session")
    assert len(client.v1.customers.payment_methods.list(customer.id).data) == 1


def test_paying_without_future_use_saves_nothing(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/save-during-payment"""
    pay(client, customer=customer.id)
    assert client.v1.customers.payment_methods.list(customer.id).data == []


def test_a_card_that_was_not_saved_pays_once(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/payment-methods#paymentmethods"""
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    pay(client, method.id)
    with refused(says="may not be used again"):
        pay(client, method.id)


def test_a_saved_card_needs_its_customer(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_intents/create#create_payment_intent-customer"""
    card = save_card(client, customer.id)
    with refused(param="payment_method", says="belongs to"):
        pay(client, card.id)


def test_a_saved_card_pays_again_and_again(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/save-and-reuse"""
    card = save_card(client, customer.id)
    assert {pay(client, card.id, customer=customer.id).status for _ in range(2)} == {"succeeded"}


def test_a_saved_card_pays_off_session(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/save-and-reuse#charge-saved-payment-method"""
    card = save_card(client, customer.id)
    assert pay(client, card.id, customer=customer.id, off_session=True).status == "succeeded"


def test_a_manual_capture_holds_the_amount(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/place-a-hold-on-a-payment-method"""
    intent = pay(client, capture_method="manual")
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 2000, 0)


def test_a_hold_is_captured(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/capture"""
    intent = client.v1.payment_intents.capture(pay(client, capture_method="manual").id)
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("succeeded", 0, 2000)


def test_a_hold_can_be_captured_in_part(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/capture"""
    held = pay(client, capture_method="manual")
    intent = client.v1.payment_intents.capture(held.id, {"amount_to_capture": 1500, "expand": ["latest_charge"]})
    charge = expanded(intent.latest_charge)
    assert intent.amount_received == 1500
    assert (charge.amount_captured, charge.amount_refunded) == (1500, 500)


def test_no_more_than_the_hold_is_captured(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/capture"""
    held = pay(client, capture_method="manual")
    with refused(code="amount_too_large", param="amount_to_capture"):
        client.v1.payment_intents.capture(held.id, {"amount_to_capture": 2001})


def test_what_is_not_held_cannot_be_captured(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#payment-intent-unexpected-state"""
    with refused(code="payment_intent_unexpected_state"):
        client.v1.payment_intents.capture(pay(client).id)


def test_a_canceled_hold_takes_nothing(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/place-a-hold-on-a-payment-method#cancel-authorization"""
    intent = client.v1.payment_intents.cancel(pay(client, capture_method="manual").id, {"expand": ["latest_charge"]})
    assert (intent.status, intent.amount_received) == ("canceled", 0)
    assert expanded(intent.latest_charge).captured is False


def test_expansion_reaches_through_several_objects(
    client: stripe.StripeClient, customer: stripe.Customer, contract: Stripe
) -> None:
    """docs.stripe.com/api/expanding_objects"""
    intent = pay(client, customer=customer.id)

    def found() -> bool:
        shown = client.v1.payment_intents.retrieve(
            intent.id,
            {"expand": ["latest_charge.balance_transaction", "latest_charge.customer", "payment_method", "customer"]},
        )
        assert expanded(shown.customer).email == customer.email
        assert present(expanded(shown.payment_method).card).last4 == "4242"
        fees = expanded(shown.latest_charge).balance_transaction
        return fees is not None and expanded(fees).net > 0

    contract.later(found)


def test_a_list_can_be_expanded(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/expanding_objects"""
    pay(client)
    shown = client.v1.payment_intents.list({"limit": 1, "expand": ["data.latest_charge"]})
    assert expanded(shown.data[0].latest_charge).object == "charge"


def test_the_balance_transaction_comes_after_the_payment(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/payments/payment-intents/asynchronous-capture"""
    intent = pay(client)
    contract.later(lambda: client.v1.charges.retrieve(str(intent.latest_charge)).balance_transaction is not None)
    contract.later(lambda: "charge.updated" in event_types(client, str(intent.latest_charge)))


def test_a_payment_is_told_by_events(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/types"""
    intent = pay(client)
    contract.later(lambda: event_types(client, intent.id) == ["payment_intent.created", "payment_intent.succeeded"])
    contract.later(lambda: event_types(client, str(intent.latest_charge))[:1] == ["charge.succeeded"])


def test_a_cancellation_is_told_by_an_event(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/types"""
    intent = client.v1.payment_intents.cancel(intend(client).id)
    contract.later(lambda: event_types(client, intent.id)[-1] == "payment_intent.canceled")


def test_a_hold_is_told_by_its_own_event(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/types"""
    intent = pay(client, capture_method="manual")
    contract.later(lambda: event_types(client, intent.id)[-1] == "payment_intent.amount_capturable_updated")
