"""That the storm does what it says: each fault of the proxy, and the guard against runs in which too little happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import stripe

from tests.certain import present
from tests.live import SandboxServer
from tests.simulation.chaos import ENOUGH, Report
from tests.simulation.proxy import WEIGHTS, FaultProxy
from tests.waiting import eventually

Storm = Callable[[str], stripe.StripeClient]


@pytest.fixture
def storm(sandbox: SandboxServer) -> Iterator[Storm]:
    """Stripe's SDK behind a proxy where every call meets this one fault."""
    proxies = []

    def begin(fault: str) -> stripe.StripeClient:
        proxy = FaultProxy(sandbox, "seed", 1.0, {fault: 1}).start()
        proxies.append(proxy)
        proxy.storm()
        return stripe.StripeClient("sk_test_tests", base_addresses={"api": proxy.url}, max_network_retries=0)

    yield begin
    for proxy in proxies:
        proxy.calm()
        proxy.stop()


def make(client: stripe.StripeClient) -> str:
    return client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "one-key"}).id


def made(sandbox: SandboxServer) -> int:
    return len(sandbox.client.v1.customers.list().data)


@pytest.mark.parametrize(
    ("fault", "status"),
    [("reset_before", None), ("hang_before", None), ("error_before", 500), ("conflict", 429), ("rate_limit", 429)],
)
def test_before_the_effect_nothing_is_made(
    sandbox: SandboxServer, storm: Storm, fault: str, status: int | None
) -> None:
    with pytest.raises(stripe.StripeError) as failure:
        make(storm(fault))
    assert failure.value.http_status == status
    assert made(sandbox) == 0


@pytest.mark.parametrize("fault", ["reset_after", "hang_after", "truncate"])
def test_after_the_effect_it_is_made_and_the_answer_is_lost(sandbox: SandboxServer, storm: Storm, fault: str) -> None:
    with pytest.raises(stripe.StripeError):
        make(storm(fault))
    assert made(sandbox) == 1
    make(sandbox.client)
    assert made(sandbox) == 1


@pytest.mark.parametrize(("fault", "effects"), [("error_after", 1), ("error_kept", 0)])
def test_a_500_is_kept_under_the_key_after_the_effect_or_without_it(
    sandbox: SandboxServer, storm: Storm, fault: str, effects: int
) -> None:
    with pytest.raises(stripe.APIError):
        make(storm(fault))
    assert made(sandbox) == effects
    with pytest.raises(stripe.APIError) as kept:
        make(sandbox.client)
    assert present(kept.value.headers)["idempotent-replayed"] == "true"


def test_a_late_effect_comes_after_the_connection_broke(sandbox: SandboxServer, storm: Storm) -> None:
    client = storm("late")
    with pytest.raises(stripe.APIConnectionError):
        make(client)
    eventually(lambda: made(sandbox) == 1, what="the late effect")


def test_a_call_that_arrives_twice_is_answered_once(sandbox: SandboxServer, storm: Storm) -> None:
    client = storm("twice")
    with suppress(stripe.APIError):  # a 409, when the other one holds the key at this moment
        make(client)
    eventually(lambda: made(sandbox) == 1, what="the customer")


def test_all_kinds_of_faults_are_tried_here() -> None:
    tried = "reset_before hang_before error_before conflict rate_limit reset_after hang_after truncate late twice"
    assert {*tried.split(), "error_after", "error_kept"} == set(WEIGHTS)


@pytest.mark.parametrize("missing", ENOUGH)
def test_a_run_in_which_too_little_happened_is_red(missing: str) -> None:
    done: dict[str, Any] = dict(ENOUGH)
    report = Report("1", "sqlite", **done)
    report.check_for_vacuity()
    assert report.is_green
    report = Report("1", "sqlite", **done | {missing: ENOUGH[missing] - 1})
    report.check_for_vacuity()
    assert not report.is_green
