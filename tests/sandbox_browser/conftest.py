"""A sandbox server, a shop at another origin, and a browser that stays off the network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page
from stripe import StripeClient
from werkzeug.serving import make_server

from portal.sandbox.app import create_sandbox
from portal.sandbox.server import SandboxServer
from tests.browsing import context_options
from tests.sandbox_browser.checkout import SECRET_KEY, Checkout, shop_app


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    """An American customer: the form asks for the ZIP code."""
    return context_options(locale="en-US")


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The origin of a WSGI application on a free port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of a running sandbox: the real server, on a free port, over an empty store."""
    server = SandboxServer(create_sandbox(tmp_path_factory.mktemp("sandbox") / "sandbox.db"))
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture(scope="session")
def shop(sandbox: str) -> Iterator[str]:
    """The origin of the shop, which is not the sandbox's."""
    with served(shop_app(sandbox)) as origin:
        yield origin


@pytest.fixture
def stripe(sandbox: str) -> StripeClient:
    """The shop's server side."""
    return StripeClient(SECRET_KEY, base_addresses={"api": sandbox})


@pytest.fixture
def intent(stripe: StripeClient) -> Any:
    """Ten euros that wait for a card."""
    return stripe.v1.payment_intents.create({"amount": 1000, "currency": "eur"})


@pytest.fixture
def checkout(page: Page, shop: str) -> Checkout:
    """The shop's page, open."""
    return Checkout(page, shop).open()
