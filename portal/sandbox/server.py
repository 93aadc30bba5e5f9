"""Runs a sandbox: the HTTP server, the background thread, and the mail sink, on this machine alone."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType

from portal.sandbox import mailsink
from portal.sandbox.app import SandboxApp, create_sandbox
from portal.sandbox.deliveries import is_loopback
from portal.sandbox.http_server import HttpServer
from portal.sandbox.resources.webhook_endpoints import ensure
from portal.sandbox.settings import SandboxSettings


class RefusedToStart(Exception):
    """The sandbox does not run like this."""


class SandboxServer:
    """A running sandbox: `start`, then `stop`. Tests use it in their own process, `serve` in one of its own."""

    def __init__(self, app: SandboxApp, host: str = "127.0.0.1", port: int = 0, smtp_port: int | None = None) -> None:
        if not is_loopback(host):
            raise RefusedToStart(f"The sandbox listens on this machine alone, and {host} is not a loopback address.")
        self.app = app
        self._host = host
        self._http = HttpServer(host, port, app)
        self._mail = None if smtp_port is None else mailsink.controller(app.sandbox, smtp_port or _free_port())

    @property
    def url(self) -> str:
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._http.port}"

    @property
    def smtp_port(self) -> int | None:
        return None if self._mail is None else int(self._mail.port)

    def start(self) -> None:
        if self._mail is not None:
            self._mail.start()
        self.app.background.start()
        self._http.start()

    def stop(self) -> None:
        self._http.stop()
        if self._mail is not None:
            self._mail.stop()
        self.app.close()


def serve(
    host: str,
    port: int,
    db_path: str | Path,
    smtp_port: int | None = None,
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
    *,
    stripe_key: str | None = None,
    settings: SandboxSettings | None = None,
) -> None:
    """Run a sandbox until SIGTERM or SIGINT; prints one line once it listens.

    Port 0 takes a free one. `webhook_url` and `webhook_secret` make an endpoint for every event, the same one at each start.
    `stripe_key` is the key the portal is configured with.
    Raises `RefusedToStart` for a host that is not loopback or beside a live key, and `OSError` for a port that is taken.
    """
    if stripe_key is not None and stripe_key.startswith(("sk_live_", "rk_live_")):
        raise RefusedToStart("A live Stripe key is configured: the sandbox does not run beside it.")
    if not is_loopback(host):
        raise RefusedToStart(f"The sandbox listens on this machine alone, and {host} is not a loopback address.")
    app = create_sandbox(db_path, settings)
    if webhook_url and webhook_secret:
        with app.sandbox.store.transaction() as session:
            ensure(session, webhook_url, webhook_secret, int(app.sandbox.clock.now()))
    server = SandboxServer(app, host, port, smtp_port)
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        # By a thread: a second signal in the midst of `set` would wait for ever for the lock that the first one holds.
        threading.Thread(target=stopping.set).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(ValueError):  # only the main thread may ask for signals
            signal.signal(number, stop)
    server.start()
    mail = "" if server.smtp_port is None else f", mail on 127.0.0.1:{server.smtp_port}"
    sys.stdout.write(f"sandbox ready on {server.url}{mail}\n")
    sys.stdout.flush()
    stopping.wait()
    server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
