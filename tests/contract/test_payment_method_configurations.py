"""Payment method configurations: docs.stripe.com/api/payment_method_configurations."""

from __future__ import annotations

from typing import Any

import stripe

from tests.certain import as_sent
from tests.contract.support import refused

ON: Any = {"display_preference": {"preference": "on"}}
OFF: Any = {"display_preference": {"preference": "off"}}


def configure(client: stripe.StripeClient, **methods: Any) -> stripe.PaymentMethodConfiguration:
    return client.v1.payment_method_configurations.create(as_sent({"name": "For invoices", "card": ON, **methods}))


def test_an_account_has_a_configuration_from_the_start(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_method_configurations/list"""
    found = client.v1.payment_method_configurations.list().data
    defaults = [one for one in found if one.is_default and one.application is None]
    assert len(defaults) == 1
    assert defaults[0].active
    assert defaults[0].card is not None
    assert defaults[0].card.available


def test_a_configuration_says_what_is_on(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_method_configurations/create"""
    made = configure(client, sepa_debit=ON, ideal=OFF)
    found = client.v1.payment_method_configurations.retrieve(made.id)
    assert found.sepa_debit is not None
    assert found.ideal is not None
    assert (found.name, found.sepa_debit.display_preference.value) == ("For invoices", "on")
    assert found.ideal.display_preference.value == "off"
    assert not found.is_default


def test_a_configuration_can_be_changed(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_method_configurations/update"""
    made = configure(client, sepa_debit=ON)
    changed = client.v1.payment_method_configurations.update(made.id, {"sepa_debit": OFF, "name": "Others"})
    assert changed.sepa_debit is not None
    assert (changed.name, changed.sepa_debit.display_preference.preference) == ("Others", "off")


def test_an_unknown_configuration_is_missing(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_method_configurations/retrieve"""
    with refused(404, code="resource_missing"):
        client.v1.payment_method_configurations.retrieve("pmc_nobody")


def test_an_intent_is_payable_by_what_its_configuration_has_on(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/multiple-payment-method-configs"""
    made = configure(client, sepa_debit=ON)
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "eur", "payment_method_configuration": made.id}
    )
    assert set(intent.payment_method_types) == {"card", "sepa_debit"}
    assert intent.payment_method_configuration_details is not None
    assert intent.payment_method_configuration_details.id == made.id


def test_what_is_off_is_not_offered(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/multiple-payment-method-configs"""
    made = configure(client, sepa_debit=OFF)
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "eur", "payment_method_configuration": made.id}
    )
    assert "sepa_debit" not in intent.payment_method_types


def test_what_does_not_take_the_currency_is_not_offered(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/payment-methods/dynamic-payment-methods"""
    made = configure(client, sepa_debit=ON)
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "gbp", "payment_method_configuration": made.id}
    )
    assert intent.payment_method_types == ["card"]


def test_a_set_up_offers_what_can_be_saved(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/payment-methods/dynamic-payment-methods"""
    made = configure(client, sepa_debit=ON, eps=ON)
    intent = client.v1.setup_intents.create({"payment_method_configuration": made.id})
    assert set(intent.payment_method_types) == {"card", "sepa_debit"}


def test_a_configuration_that_was_put_away_cannot_be_used(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_method_configurations/update#update_payment_method_configuration-active"""
    made = configure(client)
    client.v1.payment_method_configurations.update(made.id, {"active": False})
    with refused():
        client.v1.payment_intents.create({"amount": 2000, "currency": "eur", "payment_method_configuration": made.id})


def test_an_intent_without_automatic_methods_names_no_configuration(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/object#payment_intent_object-payment_method_configuration_details"""
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "eur", "automatic_payment_methods": {"enabled": False}}
    )
    assert intent.payment_method_configuration_details is None


def test_allowed_types_are_narrowed_to_what_fits(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/object#payment_intent_object-allowed_payment_method_types"""
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "usd", "allowed_payment_method_types": ["card", "sepa_debit", "us_bank_account"]}
    )
    assert set(intent.payment_method_types) == {"card", "us_bank_account"}
    assert set(intent.allowed_payment_method_types or []) == {"card", "sepa_debit", "us_bank_account"}
