"""What can be expanded, and what fields are there: docs.stripe.com/api/expanding_objects."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.certain import expanded, present
from tests.contract.support import Stripe, intend, pay, refused, save_card


def test_a_path_through_nothing_is_no_error(client: stripe.StripeClient) -> None:
    """docs.stripe.com/expand; as Stripe answers at 2023-10-16"""
    asked = ["latest_charge.application_fee.balance_transaction", "latest_charge.payment_intent"]
    charge = expanded(pay(client, expand=asked).latest_charge)
    assert charge.application_fee is None
    assert expanded(charge.payment_intent).object == "payment_intent"


@pytest.mark.parametrize(
    "path", ["application", "on_behalf_of", "review", "source_transfer", "transfer_data.destination"]
)
def test_what_a_charge_does_not_have_expands_to_nothing(client: stripe.StripeClient, path: str) -> None:
    """docs.stripe.com/api/charges/object (expandable)"""
    charge = client.v1.charges.retrieve(str(pay(client).latest_charge), {"expand": [path]})
    assert charge.to_dict().get(path.partition(".")[0]) is None


@pytest.mark.parametrize("path", ["application", "on_behalf_of", "review"])
def test_what_an_intent_does_not_have_expands_to_nothing(client: stripe.StripeClient, path: str) -> None:
    """docs.stripe.com/api/payment_intents/object (expandable)"""
    assert intend(client, expand=[path]).to_dict()[path] is None


def test_a_path_beyond_what_exists_is_still_refused(client: stripe.StripeClient) -> None:
    """docs.stripe.com/expand"""
    with refused(says="This property cannot be expanded"):
        intend(client, expand=["latest_charge.colour", "colour"])


# A customer's parts that a response holds only when they are asked for


@pytest.mark.parametrize("name", ["tax", "invoice_credit_balance", "sources", "subscriptions", "tax_ids"])
def test_a_part_of_a_customer_is_there_when_it_is_asked_for(client: stripe.StripeClient, name: str) -> None:
    """docs.stripe.com/api/customers/object (expandable); as Stripe answers at 2026-03-25.dahlia"""
    customer = client.v1.customers.create({"email": "t@example.com"})
    assert name not in customer.to_dict()
    asked: Any = {"expand": [name]}
    assert client.v1.customers.retrieve(customer.id, asked).to_dict()[name] is not None


def test_tax_says_whether_a_place_is_known(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/customers/object#customer_object-tax"""
    nowhere = client.v1.customers.create({"expand": ["tax"]})
    assert nowhere.tax is not None
    assert nowhere.tax.automatic_tax == "unrecognized_location"
    somewhere = client.v1.customers.create({"expand": ["tax"], "address": {"country": "DE", "postal_code": "10115"}})
    assert somewhere.tax is not None
    assert somewhere.tax.automatic_tax != "unrecognized_location"


def test_a_default_source_expands_to_nothing(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customers/object#customer_object-default_source"""
    assert client.v1.customers.retrieve(customer.id, {"expand": ["default_source"]}).default_source is None


def test_lists_of_customers_expand_as_well(contract: Stripe, customer: stripe.Customer) -> None:
    """docs.stripe.com/expand#lists"""
    found = contract.raw("GET", "/v1/customers", {"limit": "1", "expand[]": "data.sources"}).json()["data"][0]
    assert found["sources"]["data"] == []


# Fields


def test_a_method_says_whose_account_it_is(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_methods/object#payment_method_object-customer_account"""
    assert save_card(client, customer.id).to_dict()["customer_account"] is None


@pytest.mark.parametrize("name", ["allowed_payment_method_types", "customer_account", "managed_payments"])
def test_an_intent_has_the_fields_of_its_version(client: stripe.StripeClient, name: str) -> None:
    """docs.stripe.com/api/payment_intents/object"""
    assert name in intend(client).to_dict()


def test_allowed_types_are_kept(client: stripe.StripeClient) -> None:
    """docs.stripe.com/changelog/dahlia/2026-07-29/allowed-payment-method-types-parameter"""
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "eur", "allowed_payment_method_types": ["card"]}
    )
    assert intent.to_dict()["allowed_payment_method_types"] == ["card"]


def test_an_intent_for_cards_alone_needs_nowhere_to_return_to(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/confirm#confirm_payment_intent-return_url; as Stripe answers at 2026-06-24.dahlia"""
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "eur", "allowed_payment_method_types": ["card"], "payment_method": "pm_card_visa"}
    )
    assert client.v1.payment_intents.confirm(intent.id).status == "succeeded"


def test_a_setup_for_cards_alone_needs_nowhere_to_return_to(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/setup_intents/confirm#confirm_setup_intent-return_url"""
    intent = client.v1.setup_intents.create(
        {"allowed_payment_method_types": ["card"], "payment_method": "pm_card_visa", "confirm": True}
    )
    assert intent.status == "succeeded"


@pytest.mark.parametrize("path", ["/v1/payment_intents", "/v1/setup_intents"])
def test_payment_method_types_are_a_thing_of_the_past(contract: Stripe, path: str) -> None:
    """docs.stripe.com/changelog/endive/2026-09-30/removes-the-payment-method-types-parameter-from-payment-intents-and-setup-intents"""
    amount = {"amount": "500", "currency": "usd"} if path == "/v1/payment_intents" else {}
    answer = contract.raw(
        "POST", path, {**amount, "payment_method_types[0]": "card"}, Stripe_Version="2026-10-28.endive"
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "payment_method_types_no_longer_supported"


def test_the_network_knows_a_payment_by_a_number(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/charges/object#charge_object-payment_method_details-card-network_transaction_id"""
    numbers = {
        present(
            present(expanded(pay(client, expand=["latest_charge"]).latest_charge).payment_method_details).card
        ).network_transaction_id
        for _time in range(2)
    }
    assert len(numbers) == 2
    assert None not in numbers


def test_a_hold_says_when_it_ends(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/place-a-hold-on-a-payment-method: seven days, in test mode for most cards"""
    charge = expanded(pay(client, capture_method="manual", expand=["latest_charge"]).latest_charge)
    days = (present(present(present(charge.payment_method_details).card).capture_before) - charge.created) / 86400
    assert 4 <= days <= 31
