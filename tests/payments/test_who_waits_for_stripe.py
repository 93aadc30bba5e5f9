"""Whoever waits in front of a page waits briefly for Stripe; a job, which nobody waits for, asks it all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from portal import gateway
from portal.core import patience
from portal.core.breaker import FAILURES
from portal.core.config import Settings
from portal.core.errors import Unavailable
from tests.live import SandboxServer

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def customer(settings: Settings, sandbox: SandboxServer) -> Iterator[str]:
    """A customer at Stripe, who is asked for by the test as by a web request."""
    gateway.forget()
    made = gateway.current().create_customer("key", metadata={})
    patience.begin()
    yield made.id
    patience.end()


def is_answered(customer: str) -> bool:
    try:
        return gateway.current().retrieve_customer(customer).id == customer
    except Unavailable:
        return False


def test_after_failures_in_a_row_stripe_is_left_alone_by_pages_and_not_by_jobs(
    customer: str, sandbox: SandboxServer
) -> None:
    assert is_answered(customer)
    sandbox.control("faults", fault="error_before", path="/v1/*", times=FAILURES)
    assert [is_answered(customer) for _ in range(FAILURES)] == [False] * FAILURES
    sandbox.control("faults/clear")
    assert not is_answered(customer)
    patience.end()
    assert is_answered(customer)
    patience.begin()
    assert not is_answered(customer)


def test_what_stripe_refuses_is_an_answer(customer: str) -> None:
    for _ in range(2 * FAILURES):
        with pytest.raises(gateway.MissingAtStripe):
            gateway.current().retrieve_customer("cus_none")
    assert is_answered(customer)


def test_when_the_patience_is_over_nothing_is_sent(customer: str) -> None:
    patience.begin(0)
    assert not is_answered(customer)
    patience.begin()
    assert is_answered(customer)


def test_a_request_begins_with_patience_and_leaves_none_behind(settings: Settings) -> None:
    from portal.app import create_app

    client = create_app(settings).test_client()
    patience.begin(0)
    assert client.get("/healthz").status_code == 200
    assert not patience.is_limited()
