"""/healthz answers within a second, whatever the portal needs is stuck."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from flask import Flask

from portal.app import create_app
from portal.core import config, db


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        yield listening.getsockname()[1]


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-For": "198.51.100.7"}, {"Cookie": "portal=x"}])
def test_health_asks_neither_the_database_nor_the_limits_nor_anyone_else(
    settings: config.Settings, silent: int, headers: dict[str, str]
) -> None:
    stuck = {
        "database_url": f"postgresql://portal@127.0.0.1:{silent}/portal",
        "limits_storage": f"redis://127.0.0.1:{silent}",
        "stripe_api_base": f"http://127.0.0.1:{silent}",
        "mail_port": silent,
    }
    try:
        app: Flask = create_app(settings.model_copy(update=stuck))
        begun = time.monotonic()
        answer = app.test_client().get("/healthz", headers=headers)
        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert time.monotonic() - begun < 1
    finally:
        db.connect(settings.database_url)
        config.use(settings)
