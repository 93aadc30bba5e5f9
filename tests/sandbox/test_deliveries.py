"""Webhooks: signed, told to those who asked, tried again, and wrong on purpose."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import stripe

from tests.sandbox.conftest import FAST, Listener, RunningSandbox, start
from tests.waiting import eventually


@pytest.fixture
def endpoint(sandbox: RunningSandbox, listener: Listener) -> stripe.WebhookEndpoint:
    return sandbox.client.v1.webhook_endpoints.create({"url": listener.url, "enabled_events": ["*"]})


def test_a_delivery_is_signed_as_the_sdk_checks_it(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    customer = sandbox.client.v1.customers.create({"name": "Ada"})
    post = eventually(lambda: listener.posts)[0]
    event = stripe.Webhook.construct_event(post.body, post.signature, str(endpoint.secret))
    assert (event.type, event.data.object["id"]) == ("customer.created", customer.id)


def test_another_secret_does_not_fit(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    sandbox.client.v1.customers.create()
    post = eventually(lambda: listener.posts)[0]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(post.body, post.signature, "whsec_other")


def test_a_failed_delivery_is_tried_again_and_signed_again(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    listener.answers = [500, 302]
    sandbox.client.v1.customers.create()
    eventually(lambda: len(listener.posts) == 3)
    for post in listener.posts:
        stripe.Webhook.construct_event(post.body, post.signature, str(endpoint.secret))
    delivery = eventually(
        lambda: [
            one for one in sandbox.get("/_sandbox/deliveries.json").json()["deliveries"] if one["state"] == "delivered"
        ]
    )[0]
    assert [answer["status"] for answer in delivery["answers"]] == [500, 302, 200]


def test_waits_between_attempts_grow(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    listener.answers = [500, 500, 500]
    sandbox.client.v1.customers.create()
    eventually(lambda: len(listener.posts) == 4)
    delivery = eventually(
        lambda: [
            one for one in sandbox.get("/_sandbox/deliveries.json").json()["deliveries"] if one["state"] == "delivered"
        ]
    )[0]
    times = [answer["at"] for answer in delivery["answers"]]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert all(wait >= least for wait, least in zip(waits, FAST.webhook_waits_seconds, strict=True))


def test_a_delivery_is_given_up_after_its_last_wait(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    listener.answers = [500] * 10
    sandbox.client.v1.customers.create()
    eventually(lambda: sandbox.state()["deliveries"] == {"given_up": 1})
    assert len(listener.posts) == 1 + len(FAST.webhook_waits_seconds)


def test_pending_webhooks_falls_to_none(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    sandbox.client.v1.customers.create()
    post = eventually(lambda: listener.posts)[0]
    assert post.event["pending_webhooks"] == 1
    eventually(lambda: sandbox.client.v1.events.retrieve(post.event["id"]).pending_webhooks == 0)


def test_an_endpoint_hears_only_what_it_asked_for(sandbox: RunningSandbox, listener: Listener) -> None:
    sandbox.client.v1.webhook_endpoints.create({"url": listener.url, "enabled_events": ["payment_intent.succeeded"]})
    sandbox.pay()
    sandbox.client.v1.customers.create()
    eventually(lambda: listener.posts)
    eventually(lambda: sandbox.state()["deliveries"] == {"delivered": 1})
    assert listener.types() == ["payment_intent.succeeded"]


def test_a_disabled_endpoint_hears_nothing(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    sandbox.client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    sandbox.client.v1.customers.create()
    assert sandbox.state()["deliveries"] == {}


def test_nothing_is_delivered_beyond_this_machine(sandbox: RunningSandbox) -> None:
    sandbox.client.v1.webhook_endpoints.create({"url": "https://shop.example/webhooks", "enabled_events": ["*"]})
    sandbox.client.v1.customers.create()
    eventually(lambda: sandbox.state()["deliveries"] == {"given_up": 1})
    delivery = sandbox.get("/_sandbox/deliveries.json").json()["deliveries"][0]
    assert "this machine alone" in delivery["answers"][0]["answer"]


def test_while_a_secret_rolls_both_secrets_fit(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    new = sandbox.control("endpoints/roll", endpoint=endpoint.id, hours=1)["secret"]
    sandbox.client.v1.customers.create()
    post = eventually(lambda: listener.posts)[0]
    for secret in (str(endpoint.secret), new):
        stripe.Webhook.construct_event(post.body, post.signature, secret)


def test_a_given_secret_is_kept_by_an_endpoint_of_the_start(sandbox: RunningSandbox, listener: Listener) -> None:
    first = sandbox.control("endpoints", url=listener.url, secret="whsec_one")
    second = sandbox.control("endpoints", url=listener.url, secret="whsec_two")
    assert first["id"] == second["id"]
    sandbox.client.v1.customers.create()
    post = eventually(lambda: listener.posts)[0]
    stripe.Webhook.construct_event(post.body, post.signature, "whsec_two")


def test_deliveries_can_be_lost(sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener) -> None:
    sandbox.control("webhooks", action="drop", times=1)
    sandbox.client.v1.customers.create({"name": "lost"})
    sandbox.client.v1.customers.create({"name": "heard"})
    eventually(lambda: sandbox.state()["deliveries"] == {"delivered": 1, "dropped": 1})
    assert [post.event["data"]["object"]["name"] for post in listener.posts] == ["heard"]


def test_deliveries_can_be_doubled(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    sandbox.control("webhooks", action="double", times=1)
    sandbox.client.v1.customers.create()
    eventually(lambda: len(listener.posts) == 2)
    assert len({post.event["id"] for post in listener.posts}) == 1


def test_deliveries_can_be_late(sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener) -> None:
    sandbox.control("webhooks", action="delay", seconds=3600, times=1)
    sandbox.client.v1.customers.create({"name": "late"})
    sandbox.client.v1.customers.create({"name": "punctual"})
    eventually(lambda: len(listener.posts) == 1)
    sandbox.control("clock", seconds=3601)
    eventually(lambda: len(listener.posts) == 2)
    assert [post.event["data"]["object"]["name"] for post in listener.posts] == ["punctual", "late"]


def test_deliveries_can_be_out_of_order(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    sandbox.control("webhooks", action="shuffle", seconds=100_000, seed=7)
    names = [str(number) for number in range(8)]
    for name in names:
        sandbox.client.v1.customers.create({"name": name})
    sandbox.control("clock", seconds=100_001)
    eventually(lambda: len(listener.posts) == 8)
    heard = [post.event["data"]["object"]["name"] for post in listener.posts]
    assert sorted(heard) == names
    assert heard != names


def test_a_share_of_deliveries_can_be_lost(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    sandbox.control("webhooks", action="drop", share=0.5, seed=1)
    for _ in range(20):
        sandbox.client.v1.customers.create()
    sandbox.control("webhooks/clear")
    eventually(lambda: set(sandbox.state()["deliveries"]) == {"delivered", "dropped"})
    assert 3 <= sandbox.state()["deliveries"]["dropped"] <= 17


def test_an_event_can_be_sent_again(
    sandbox: RunningSandbox, endpoint: stripe.WebhookEndpoint, listener: Listener
) -> None:
    sandbox.client.v1.customers.create()
    event = eventually(lambda: listener.posts)[0].event["id"]
    sandbox.control("resend", event=event)
    eventually(lambda: Counter(post.event["id"] for post in listener.posts)[event] == 2)


def test_what_waits_is_delivered_after_a_restart(db_path: Path, listener: Listener) -> None:
    first = start(db_path)
    try:
        first.client.v1.webhook_endpoints.create({"url": listener.url, "enabled_events": ["*"]})
        first.control("webhooks", action="delay", seconds=0.5, times=1)
        first.client.v1.customers.create({"name": "patient"})
    finally:
        first.server.stop()
    second = start(db_path)
    try:
        eventually(lambda: listener.types() == ["customer.created"])
    finally:
        second.server.stop()
