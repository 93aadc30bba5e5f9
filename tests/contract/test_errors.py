"""Errors: docs.stripe.com/api/errors and docs.stripe.com/error-codes."""

from __future__ import annotations

import pytest
import stripe

from tests.certain import as_sent
from tests.contract.support import Browser, Stripe, intend, refused


def test_an_unknown_parameter_is_named(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#parameter-unknown"""
    with refused(code="parameter_unknown", param="colour", says="Received unknown parameter: colour"):
        client.v1.customers.create(as_sent({"colour": "red"}))


def test_an_unknown_nested_parameter_is_named_by_its_place(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#parameter-unknown"""
    with refused(code="parameter_unknown", param="address[planet]"):
        client.v1.customers.create(as_sent({"address": {"planet": "Mars"}}))


def test_a_missing_parameter_is_named(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#parameter-missing"""
    with refused(code="parameter_missing", param="amount", says="Missing required param: amount."):
        client.v1.payment_intents.create(as_sent({"currency": "eur"}))


def test_a_wrong_integer_is_refused(contract: Stripe) -> None:
    """docs.stripe.com/error-codes#parameter-invalid-integer"""
    error = contract.raw("POST", "/v1/payment_intents", {"amount": "twenty", "currency": "eur"}).json()["error"]
    assert (error["code"], error["param"], error["message"]) == (
        "parameter_invalid_integer",
        "amount",
        "Invalid integer: twenty",
    )


def test_a_wrong_choice_lists_the_right_ones(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/errors"""
    with refused(param="capture_method", says="must be one of automatic, automatic_async, or manual"):
        intend(client, capture_method="sometimes")


def test_a_reference_cannot_be_empty(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#parameter-invalid-empty"""
    with refused(code="parameter_invalid_empty", param="customer", says="empty string"):
        intend(client, customer="")


def test_errors_explain_themselves_with_links(contract: Stripe) -> None:
    """docs.stripe.com/api/errors"""
    error = contract.raw("POST", "/v1/payment_intents", {"currency": "eur"}).json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["doc_url"].endswith("parameter-missing")
    assert error["request_log_url"].startswith("https://dashboard.stripe.com/")


def test_every_answer_has_a_request_id(contract: Stripe) -> None:
    """docs.stripe.com/api/request_ids"""
    good, bad = contract.raw("GET", "/v1/customers"), contract.raw("GET", "/v1/customers/cus_nobody")
    assert good.headers["Request-Id"].startswith("req_")
    assert bad.headers["Request-Id"].startswith("req_")
    assert good.headers["Request-Id"] != bad.headers["Request-Id"]


def test_every_answer_has_its_version(contract: Stripe) -> None:
    """docs.stripe.com/api/versioning"""
    answer = contract.raw("GET", "/v1/customers", Stripe_Version="2026-10-28.endive")
    assert answer.headers["Stripe-Version"] == "2026-10-28.endive"


def test_an_unknown_version_is_refused(contract: Stripe) -> None:
    """docs.stripe.com/api/versioning"""
    assert contract.raw("GET", "/v1/customers", Stripe_Version="1999-12-31").status_code == 400


def test_a_call_without_a_key_is_unauthorized(contract: Stripe) -> None:
    """docs.stripe.com/api/authentication"""
    answer = contract.raw("GET", "/v1/customers", Authorization="")
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("You did not provide an API key.")


def test_a_wrong_key_is_unauthorized(contract: Stripe) -> None:
    """docs.stripe.com/api/authentication"""
    client = contract.client("nonsense")
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided"):
        client.v1.customers.list()


def test_an_error_does_not_repeat_the_key(contract: Stripe) -> None:
    """docs.stripe.com/keys"""
    with pytest.raises(stripe.AuthenticationError) as raised:
        contract.client("sk_live_abcdefghijklmnop").v1.customers.list()
    assert "abcdefghijkl" not in str(raised.value)


def test_a_publishable_key_cannot_read_customers(browser: Browser) -> None:
    """docs.stripe.com/keys"""
    answer = browser.ask("GET", "/v1/customers")
    assert answer.status_code in (401, 403)
    assert answer.json()["error"]["code"] == "secret_key_required"


def test_an_unknown_address_is_not_found(contract: Stripe) -> None:
    """docs.stripe.com/api/errors"""
    answer = contract.raw("GET", "/v1/unicorns")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith("Unrecognized request URL (GET: /v1/unicorns)")


def test_json_is_not_taken(contract: Stripe) -> None:
    """docs.stripe.com/api (form-encoded request bodies)"""
    answer = contract.raw("POST", "/v1/customers", "{}", Content_Type="application/json")
    assert answer.status_code == 400


def test_metadata_may_have_50_keys(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/metadata"""
    client.v1.customers.create({"metadata": {f"key{number}": "x" for number in range(50)}})
    with refused():
        client.v1.customers.create({"metadata": {f"key{number}": "x" for number in range(51)}})


def test_metadata_keys_may_have_40_characters(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/metadata"""
    client.v1.customers.create({"metadata": {"k" * 40: "x"}})
    with refused():
        client.v1.customers.create({"metadata": {"k" * 41: "x"}})


def test_metadata_values_may_have_500_characters(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/metadata"""
    client.v1.customers.create({"metadata": {"key": "v" * 500}})
    with refused(says="500 characters"):
        client.v1.customers.create({"metadata": {"key": "v" * 501}})


def test_what_cannot_be_expanded_is_refused(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/expanding_objects"""
    with refused(says="This property cannot be expanded"):
        client.v1.customers.retrieve(customer.id, {"expand": ["name"]})


def test_expansion_goes_four_levels_deep(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/expanding_objects"""
    with refused(says="more than 4 levels"):
        client.v1.customers.retrieve(customer.id, {"expand": ["a.b.c.d.e"]})
