"""Webhook endpoints: docs.stripe.com/api/webhook_endpoints."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stripe

from tests.certain import as_sent
from tests.contract.support import refused

URL = "https://shop.example/webhooks"


@pytest.fixture
def endpoint(client: stripe.StripeClient) -> Iterator[stripe.WebhookEndpoint]:
    """An endpoint that lasts one test: Stripe has room for sixteen."""
    made = client.v1.webhook_endpoints.create(
        {"url": URL, "enabled_events": ["payment_intent.succeeded"], "metadata": {"a": "b"}}
    )
    yield made
    if made.id in [one.id for one in client.v1.webhook_endpoints.list({"limit": 100}).data]:
        client.v1.webhook_endpoints.delete(made.id)


def test_the_secret_is_shown_once(client: stripe.StripeClient, endpoint: stripe.WebhookEndpoint) -> None:
    """docs.stripe.com/api/webhook_endpoints/object#webhook_endpoint_object-secret"""
    assert endpoint.secret is not None
    assert endpoint.secret.startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id).to_dict()


def test_a_new_endpoint_is_enabled(endpoint: stripe.WebhookEndpoint) -> None:
    """docs.stripe.com/api/webhook_endpoints/create"""
    assert (endpoint.status, endpoint.url, endpoint.enabled_events) == ("enabled", URL, ["payment_intent.succeeded"])


def test_an_endpoint_can_be_disabled_and_enabled(client: stripe.StripeClient, endpoint: stripe.WebhookEndpoint) -> None:
    """docs.stripe.com/api/webhook_endpoints/update#update_webhook_endpoint-disabled"""
    assert client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True}).status == "disabled"
    assert client.v1.webhook_endpoints.update(endpoint.id, {"disabled": False}).status == "enabled"


def test_the_events_of_an_endpoint_can_change(client: stripe.StripeClient, endpoint: stripe.WebhookEndpoint) -> None:
    """docs.stripe.com/api/webhook_endpoints/update"""
    changed = client.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["refund.created", "refund.failed"]})
    assert sorted(changed.enabled_events) == ["refund.created", "refund.failed"]


def test_an_unknown_event_is_refused(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/webhook_endpoints/create#create_webhook_endpoint-enabled_events"""
    with refused():
        client.v1.webhook_endpoints.create(as_sent({"url": URL, "enabled_events": ["unicorn.born"]}))


def test_an_address_must_be_a_url(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#url-invalid"""
    with refused(param="url"):
        client.v1.webhook_endpoints.create({"url": "nowhere", "enabled_events": ["*"]})


def test_an_endpoint_can_be_pinned_to_this_version(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/webhook_endpoints/create#create_webhook_endpoint-api_version"""
    made = client.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["*"], "api_version": "2026-10-28.endive"})
    client.v1.webhook_endpoints.delete(made.id)
    assert made.api_version == "2026-10-28.endive"


def test_a_deleted_endpoint_is_gone(client: stripe.StripeClient, endpoint: stripe.WebhookEndpoint) -> None:
    """docs.stripe.com/api/webhook_endpoints/delete"""
    assert client.v1.webhook_endpoints.delete(endpoint.id).deleted is True
    with refused(404, code="resource_missing"):
        client.v1.webhook_endpoints.retrieve(endpoint.id)
