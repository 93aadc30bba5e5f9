"""The style page served on a free port, and a browser that stays off the network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page
from werkzeug.serving import make_server

from tests.front.style_app import create_style_app

QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": "/usr/bin/chromium", "args": QUIET.split()}


def _serve(**options: str) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, create_style_app(**options), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


@pytest.fixture(scope="session")
def style_site() -> Iterator[str]:
    """The style page in the default colours."""
    yield from _serve()


@pytest.fixture(scope="session")
def yellow_site() -> Iterator[str]:
    """The style page of a company whose colour is too light to be read as text."""
    yield from _serve(brand="#ffd400", brand_contrast="#141a24")


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open an address in a context of its own; whatever the console complained about fails the test.

    `expected` are parts of complaints that belong to the test, as the browser's own line for a 422.
    """
    contexts = []
    complaints: list[str] = []
    allowed: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.text} {message.location['url']}")

    def open_address(address: str, *, expected: tuple[str, ...] = (), **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        allowed.extend(expected)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        return page

    try:
        yield open_address
    finally:
        for context in contexts:
            context.close()
    assert [text for text in complaints if not any(part in text for part in allowed)] == []
