"""The contract with Stripe, as tests that run against the sandbox, or against Stripe itself.

Without a key they run against a sandbox of their own. `make contract KEY=sk_test_…` (the variables CONTRACT_KEY and, for what browsers
do, CONTRACT_PUBLISHABLE_KEY) runs the same tests against a test account at Stripe; a live key is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import stripe

from portal.sandbox.app import create_sandbox
from portal.sandbox.server import SandboxServer
from portal.sandbox.settings import SandboxSettings
from tests.contract.support import STRIPE_API, Account, Browser, Stripe


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stripe]:
    """The other side of the contract: where it is, and with which keys."""
    key = os.environ.get("CONTRACT_KEY")
    if key:
        if not key.startswith("sk_test_"):
            pytest.exit("CONTRACT_KEY must be a test key of Stripe, sk_test_…", returncode=2)
        yield Stripe(STRIPE_API, key, os.environ.get("CONTRACT_PUBLISHABLE_KEY"), patience_seconds=120.0)
        return
    yield from _sandbox(tmp_path_factory.mktemp("contract"))


def _sandbox(directory: Path) -> Iterator[Stripe]:
    settings = replace(
        SandboxSettings(),
        settle_delay_seconds=0.02,
        refund_delay_seconds=0.02,
        dispute_delay_seconds=0.02,
        verdict_delay_seconds=0.02,
        bank_day_seconds=0.02,
    )
    server = SandboxServer(create_sandbox(directory / "sandbox.db", settings))
    server.start()
    try:
        yield Stripe(server.url, "sk_test_contract", "pk_test_contract", patience_seconds=60.0)
    finally:
        server.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stripe]:
    """A sandbox of the test's own, whose clock it may move."""
    if os.environ.get("CONTRACT_KEY"):
        pytest.skip("time passes by itself at Stripe")
    yield from _sandbox(tmp_path)


@pytest.fixture(scope="session")
def client(contract: Stripe) -> stripe.StripeClient:
    return contract.client()


@pytest.fixture
def account(contract: Stripe) -> Account:
    if contract.base == STRIPE_API:
        pytest.skip("Stripe changes no settings of an account by its API, and its time passes by itself")
    return Account(contract)


@pytest.fixture
def browser(contract: Stripe) -> Browser:
    if contract.publishable_key is None:
        pytest.skip("what browsers do needs CONTRACT_PUBLISHABLE_KEY")
    return Browser(contract)


@pytest.fixture
def customer(client: stripe.StripeClient) -> stripe.Customer:
    return client.v1.customers.create({"email": "jenny.rosen@example.com", "name": "Jenny Rosen"})
