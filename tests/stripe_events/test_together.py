"""Events about one object that wait together are served by one fetch; one that comes after the fetch began gets its own."""

from __future__ import annotations

import json

import pytest

from portal.core import crash
from portal.core.errors import PortalError
from portal.jobs import outbox
from portal.payments.statuses import PaymentStatus
from portal.stripe_events import service
from tests.crashing import overtaken
from tests.payments.conftest import Checkout, checkout
from tests.stripe_events.test_webhooks import event, job_statuses, registered, signed, stored

__all__ = ["checkout", "registered"]


def taken(checkout: Checkout) -> list[bytes]:
    """The events that tell of a payment that Stripe has taken."""
    started = checkout.start()
    checkout.confirm(started.intent_id)
    checkout.sandbox.control("finish")
    found = checkout.sandbox.client.v1.events.list({"limit": 100}).data
    bodies = [json.dumps(one.to_dict()).encode() for one in reversed(found)]
    wanted = {"charge.succeeded", "payment_intent.succeeded", "charge.updated"}
    return [body for body in bodies if json.loads(body)["type"] in wanted]


def receive(body: bytes) -> None:
    service.receive(body, signed(body))


def states() -> set[str]:
    return {str(one.status) for one in stored()}


def test_several_waiting_events_of_a_payment_lead_to_one_fetch(checkout: Checkout) -> None:
    bodies = taken(checkout)
    assert len(bodies) == 3
    for body in bodies:
        receive(body)
    fetched: list[str] = []
    with crash.at("object fetched", lambda: fetched.append("intent")):
        service.apply(json.loads(bodies[0])["id"])
    assert (len(fetched), states(), sorted(job_statuses())) == (1, {"applied"}, ["done", "done", "queued"])
    assert checkout.payment.status == PaymentStatus.SUCCEEDED


def test_an_event_that_comes_after_the_fetch_began_is_fetched_for_by_itself(checkout: Checkout) -> None:
    first, *_, last = taken(checkout)
    receive(first)
    with overtaken("object fetched", lambda: receive(last)):
        service.apply(json.loads(first)["id"])
    assert sorted(str(one.status) for one in stored()) == ["applied", "received"]
    assert job_statuses() == ["queued", "queued"]
    fetched: list[str] = []
    with crash.at("object fetched", lambda: fetched.append("intent")):
        outbox.run_due()
    assert (len(fetched), states()) == (1, {"applied"})


def test_a_job_that_another_worker_runs_meanwhile_is_left_to_it(checkout: Checkout) -> None:
    bodies = taken(checkout)
    for body in bodies:
        receive(body)
    outbox.claim("another", 3)
    service.apply(json.loads(bodies[0])["id"])
    assert (states(), set(job_statuses())) == ({"applied"}, {"queued"})


def test_one_that_staff_had_applied_anew_meanwhile_waits_for_a_new_fetch(checkout: Checkout) -> None:
    first, second, _ = taken(checkout)
    receive(first)
    receive(second)
    second_id = json.loads(second)["id"]

    def applied_and_replayed() -> None:
        service.apply(second_id)
        assert service.replay(second_id)

    with overtaken("object fetched", applied_and_replayed):
        service.apply(json.loads(first)["id"])
    assert {one.id: str(one.status) for one in stored()}[second_id] == "received"


def test_when_the_fetch_fails_all_wait_on(checkout: Checkout) -> None:
    bodies = taken(checkout)
    for body in bodies:
        receive(body)
    checkout.fail("error_before", "/v1/payment_intents/*", times=2)
    with pytest.raises(PortalError):
        service.apply(json.loads(bodies[0])["id"])
    assert (states(), set(job_statuses())) == ({"received"}, {"queued"})


def test_events_of_another_intent_or_of_another_kind_are_not_served(settings: object) -> None:
    receive(event("customer.updated", number=1, id="cus_1", object="customer"))
    receive(event("customer.updated", number=2, id="cus_1", object="customer"))
    receive(event(number=3, id="pi_2"))
    service.apply("evt_1")
    assert [str(one.status) for one in stored()] == ["ignored", "received", "received"]
