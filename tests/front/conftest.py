"""The style page served on a free port, and a browser to look at it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Page
from werkzeug.serving import make_server

from tests.browsing import Chromium, Console, context_options
from tests.front.style_app import create_style_app


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
def open_page(chromium: Chromium, console: Console) -> Iterator[Callable[..., Page]]:
    """Open an address in a context with these options, as new; whatever the console complained about fails the test."""
    with ExitStack() as opened:

        def open_address(address: str, **options: Any) -> Page:
            context = opened.enter_context(chromium.context(context_options(**options)))
            console.listen(context)
            opened.callback(console.leave, context)
            page = context.new_page()
            page.goto(address)
            return page

        yield open_address
    console.check()
