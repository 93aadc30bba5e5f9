"""Idempotent requests: docs.stripe.com/api/idempotent_requests."""

from __future__ import annotations

import uuid

import pytest
import stripe

from tests.certain import as_sent
from tests.contract.support import Stripe, intend, refused


def new_key() -> str:
    return str(uuid.uuid4())


def test_the_same_request_happens_once(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/idempotent_requests"""
    key = new_key()
    first = client.v1.customers.create({"name": "Once"}, {"idempotency_key": key})
    second = client.v1.customers.create({"name": "Once"}, {"idempotency_key": key})
    assert first.id == second.id


def test_a_repeated_answer_says_so(contract: Stripe) -> None:
    """docs.stripe.com/api/idempotent_requests"""
    key = new_key()
    first = contract.raw("POST", "/v1/customers", {"name": "Once"}, Idempotency_Key=key)
    second = contract.raw("POST", "/v1/customers", {"name": "Once"}, Idempotency_Key=key)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Original-Request"] == first.headers["Request-Id"]
    assert second.headers["Idempotency-Key"] == key
    assert second.text == first.text


def test_another_request_under_the_same_key_is_an_error(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/idempotent_requests"""
    key = new_key()
    client.v1.customers.create({"name": "Once"}, {"idempotency_key": key})
    with pytest.raises(
        stripe.IdempotencyError, match="Keys for idempotent requests can only be used with the same parameters"
    ):
        client.v1.customers.create({"name": "Twice"}, {"idempotency_key": key})


def test_another_address_under_the_same_key_is_an_error(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/idempotent_requests"""
    key = new_key()
    client.v1.customers.create({}, {"idempotency_key": key})
    with pytest.raises(stripe.IdempotencyError):
        client.v1.setup_intents.create({}, {"idempotency_key": key})


def test_a_decline_is_repeated(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/idempotent_requests (the first result is kept whether it succeeds or fails)"""
    intent, key = intend(client), new_key()
    for _ in range(2):
        with refused(402, code="card_declined"):
            client.v1.payment_intents.confirm(
                intent.id, {"payment_method": "pm_card_visa_chargeDeclined"}, {"idempotency_key": key}
            )
    assert len(client.v1.charges.list({"payment_intent": intent.id}).data) == 1


def test_a_repeated_answer_is_as_old_as_the_first(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/idempotent_requests"""
    key = new_key()
    intent = client.v1.payment_intents.create({"amount": 2000, "currency": "eur"}, {"idempotency_key": key})
    client.v1.payment_intents.cancel(intent.id)
    again = client.v1.payment_intents.create({"amount": 2000, "currency": "eur"}, {"idempotency_key": key})
    assert again.status == "requires_payment_method"


def test_a_refused_parameter_leaves_the_key_free(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/idempotent_requests (results are kept only once the endpoint began executing)"""
    key = new_key()
    with refused(code="parameter_unknown"):
        client.v1.customers.create(as_sent({"colour": "red"}), {"idempotency_key": key})
    assert client.v1.customers.create({"name": "Now right"}, {"idempotency_key": key}).name == "Now right"


def test_reading_takes_no_notice_of_a_key(contract: Stripe, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/idempotent_requests (GET and DELETE are idempotent by definition)"""
    key = new_key()
    contract.raw("GET", f"/v1/customers/{customer.id}", Idempotency_Key=key)
    again = contract.raw("GET", f"/v1/customers/{customer.id}", Idempotency_Key=key)
    assert "Idempotent-Replayed" not in again.headers


def test_a_key_has_at_most_255_characters(contract: Stripe) -> None:
    """docs.stripe.com/api/idempotent_requests"""
    assert contract.raw("POST", "/v1/customers", {}, Idempotency_Key="k" * 256).status_code == 400


def test_the_sdks_own_retries_use_one_key(contract: Stripe) -> None:
    """docs.stripe.com/api/idempotent_requests and the SDK's max_network_retries"""
    client = contract.client(max_network_retries=2)
    assert client.v1.customers.create({"name": "Retried"}).id.startswith("cus_")
