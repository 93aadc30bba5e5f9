"""Events: docs.stripe.com/api/events."""

from __future__ import annotations

import stripe

from tests.certain import present
from tests.contract.support import Stripe, intend, pay, refused


def latest(client: stripe.StripeClient, contract: Stripe, event_type: str, object_id: str) -> stripe.Event:
    found = contract.later(
        lambda: [
            one
            for one in client.v1.events.list({"type": event_type, "limit": 100}).data
            if one.data.object["id"] == object_id
        ]
    )
    return found[0]


def test_an_event_says_what_when_and_in_which_version(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/object"""
    intent = intend(client)
    event = latest(client, contract, "payment_intent.created", intent.id)
    assert (event.object, event.livemode, event.api_version) == ("event", False, "2026-10-28.endive")
    assert event.created >= intent.created


def test_an_event_names_the_request_that_caused_it(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/object#event_object-request"""
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "eur"}, {"idempotency_key": f"event-{contract.key}-{id(contract)}"}
    )
    event = latest(client, contract, "payment_intent.created", intent.id)
    assert event.request is not None
    assert event.request.id == present(intent.last_response).request_id
    assert event.request.idempotency_key == f"event-{contract.key}-{id(contract)}"


def test_an_event_that_nobody_asked_for_names_no_request(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/object#event_object-request"""
    event = latest(client, contract, "charge.updated", str(pay(client).latest_charge))
    assert event.request is None or event.request.id is None


def test_an_event_keeps_the_object_as_it_was(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/object#event_object-data"""
    intent = intend(client)
    client.v1.payment_intents.cancel(intent.id)
    event = latest(client, contract, "payment_intent.created", intent.id)
    assert event.data.object["status"] == "requires_payment_method"


def test_an_update_event_says_what_was_before(
    client: stripe.StripeClient, customer: stripe.Customer, contract: Stripe
) -> None:
    """docs.stripe.com/api/events/object#event_object-data-previous_attributes"""
    client.v1.customers.update(customer.id, {"name": "New Name"})
    event = latest(client, contract, "customer.updated", customer.id)
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes.to_dict() == {"name": "Jenny Rosen"}


def test_a_first_event_has_nothing_before_it(
    client: stripe.StripeClient, customer: stripe.Customer, contract: Stripe
) -> None:
    """docs.stripe.com/api/events/object#event_object-data-previous_attributes"""
    assert "previous_attributes" not in latest(client, contract, "customer.created", customer.id).data.to_dict()


def test_the_balance_transaction_arrives_as_a_change(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/payments/payment-intents/asynchronous-capture"""
    event = latest(client, contract, "charge.updated", str(pay(client).latest_charge))
    assert event.data.object["balance_transaction"] is not None
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes["balance_transaction"] is None


def test_events_are_found_by_id(client: stripe.StripeClient, customer: stripe.Customer, contract: Stripe) -> None:
    """docs.stripe.com/api/events/retrieve"""
    event = latest(client, contract, "customer.created", customer.id)
    assert client.v1.events.retrieve(event.id).type == "customer.created"


def test_events_are_listed_by_one_type(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/events/list#list_events-type"""
    client.v1.customers.update(customer.id, {"name": "Other"})
    assert {one.type for one in client.v1.events.list({"type": "customer.updated"}).data} == {"customer.updated"}


def test_events_are_listed_by_some_types(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/events/list#list_events-types"""
    client.v1.customers.delete(customer.id)
    types = ["customer.created", "customer.deleted"]
    assert {one.type for one in client.v1.events.list({"types": types, "limit": 100}).data} <= set(types)


def test_an_unknown_event_is_missing(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#resource-missing"""
    with refused(404, code="resource_missing"):
        client.v1.events.retrieve("evt_nobody")


def test_an_update_that_changes_nothing_is_no_event(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/events"""
    client.v1.customers.update(customer.id, {"name": "Jenny Rosen"})
    events = client.v1.events.list({"type": "customer.updated", "limit": 100}).data
    assert customer.id not in [one.data.object["id"] for one in events]
