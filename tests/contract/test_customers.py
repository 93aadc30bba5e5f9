"""Customers: docs.stripe.com/api/customers."""

from __future__ import annotations

import stripe

from tests.certain import expanded, present
from tests.contract.support import Stripe, event_types, refused, save_card


def test_a_new_customer_has_what_was_given_and_nothing_else(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/customers/create"""
    customer = client.v1.customers.create({"email": "a@example.com", "name": "Ada", "phone": "+491234"})
    assert (customer.email, customer.name, customer.phone) == ("a@example.com", "Ada", "+491234")
    assert customer.description is None
    assert customer.livemode is False
    assert customer.metadata is not None
    assert customer.metadata.to_dict() == {}
    assert customer.tax_exempt == "none"


def test_a_customer_can_be_made_of_nothing(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/customers/create"""
    assert client.v1.customers.create().id.startswith("cus_")


def test_a_customer_is_found_by_its_id(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customers/retrieve"""
    assert client.v1.customers.retrieve(customer.id).email == customer.email


def test_an_unknown_customer_is_missing(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#resource-missing"""
    with refused(404, code="resource_missing", param="id", says="No such customer: 'cus_nobody'"):
        client.v1.customers.retrieve("cus_nobody")


def test_an_update_changes_what_it_names(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customers/update"""
    changed = client.v1.customers.update(customer.id, {"description": "good"})
    assert (changed.description, changed.name) == ("good", customer.name)


def test_an_empty_text_unsets_a_field(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customers/update"""
    assert client.v1.customers.update(customer.id, {"name": ""}).name is None


def test_metadata_is_merged_key_by_key(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/metadata"""
    customer = client.v1.customers.create({"metadata": {"one": "1", "two": "2"}})
    changed = client.v1.customers.update(customer.id, {"metadata": {"two": "zwei", "three": "3"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"one": "1", "two": "zwei", "three": "3"}


def test_an_empty_value_removes_its_metadata_key(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/metadata"""
    customer = client.v1.customers.create({"metadata": {"one": "1", "two": "2"}})
    changed = client.v1.customers.update(customer.id, {"metadata": {"one": ""}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"two": "2"}


def test_an_empty_metadata_removes_every_key(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/metadata"""
    customer = client.v1.customers.create({"metadata": {"one": "1"}})
    changed = client.v1.customers.update(customer.id, {"metadata": ""})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {}


def test_a_wrong_email_address_is_refused(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#email-invalid"""
    with refused(code="email_invalid", param="email"):
        client.v1.customers.create({"email": "nobody"})


def test_a_name_may_have_256_characters(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/customers/create"""
    assert client.v1.customers.create({"name": "n" * 256}).name == "n" * 256
    with refused(param="name"):
        client.v1.customers.create({"name": "n" * 257})


def test_an_address_has_all_its_parts(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/customers/object"""
    customer = client.v1.customers.create({"address": {"line1": "Main street 1", "country": "DE"}})
    assert customer.address is not None
    assert (customer.address.line1, customer.address.country, customer.address.city) == ("Main street 1", "DE", None)


def test_a_deleted_customer_says_so(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customers/delete"""
    gone = client.v1.customers.delete(customer.id)
    assert (gone.id, gone.deleted) == (customer.id, True)


def test_a_deleted_customer_can_still_be_retrieved(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customers/retrieve"""
    client.v1.customers.delete(customer.id)
    assert client.v1.customers.retrieve(customer.id).deleted is True


def test_a_deleted_customer_cannot_be_changed(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customers/delete"""
    client.v1.customers.delete(customer.id)
    with refused(404, code="resource_missing"):
        client.v1.customers.update(customer.id, {"name": "Ghost"})


def test_a_deleted_customer_is_in_no_list(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/customers/list"""
    customer = client.v1.customers.create({"email": "soon-gone@example.com"})
    client.v1.customers.delete(customer.id)
    assert customer.id not in [one.id for one in client.v1.customers.list({"limit": 100}).data]


def test_customers_are_listed_by_their_exact_email(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/customers/list"""
    customer = client.v1.customers.create({"email": "only.this.one@example.com"})
    found = client.v1.customers.list({"email": "only.this.one@example.com", "limit": 100}).data
    assert customer.id in [one.id for one in found]
    assert {one.email for one in found} == {"only.this.one@example.com"}


def test_the_default_payment_method_must_be_the_customers_own(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/api/customers/update"""
    other = client.v1.customers.create()
    card = save_card(client, other.id)
    with refused(code="resource_missing", param="invoice_settings[default_payment_method]"):
        client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})


def test_the_default_payment_method_can_be_expanded(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/expanding_objects"""
    card = save_card(client, customer.id)
    client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})
    found = client.v1.customers.retrieve(customer.id, {"expand": ["invoice_settings.default_payment_method"]})
    assert found.invoice_settings is not None
    assert present(expanded(found.invoice_settings.default_payment_method).card).last4 == "4242"


def test_a_customer_can_be_made_with_a_card(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/customers/create"""
    customer = client.v1.customers.create({"payment_method": "pm_card_visa"})
    assert [present(card.card).last4 for card in client.v1.customers.payment_methods.list(customer.id).data] == ["4242"]


def test_a_customers_life_is_told_by_events(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/types"""
    customer = client.v1.customers.create({"name": "Eve"})
    client.v1.customers.update(customer.id, {"name": "Eva"})
    client.v1.customers.delete(customer.id)
    expected = ["customer.created", "customer.updated", "customer.deleted"]
    contract.later(lambda: event_types(client, customer.id) == expected)
