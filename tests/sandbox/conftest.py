"""A sandbox of the tests' own in this process, and somebody who listens to its webhooks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from portal.sandbox.app import create_sandbox
from portal.sandbox.server import SandboxServer
from portal.sandbox.settings import SandboxSettings
from tests.certain import as_sent

FAST = replace(
    SandboxSettings(),
    settle_delay_seconds=0.01,
    refund_delay_seconds=0.01,
    dispute_delay_seconds=0.01,
    verdict_delay_seconds=0.01,
    bank_day_seconds=0.01,
    webhook_waits_seconds=(0.02, 0.04, 0.08),
    webhook_timeout_seconds=5.0,
)


@dataclass
class RunningSandbox:
    """A started sandbox and how to speak to it."""

    server: SandboxServer
    client: stripe.StripeClient

    @property
    def url(self) -> str:
        return self.server.url

    def control(self, name: str, **given: Any) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/_sandbox/{name}", json=given, timeout=30)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=30, **options)

    def state(self) -> dict[str, Any]:
        return dict(self.get("/_sandbox/state.json").json())

    def pay(self, method: str = "pm_card_visa", **more: Any) -> stripe.PaymentIntent:
        return self.client.v1.payment_intents.create(
            as_sent(
                {
                    "amount": 2000,
                    "currency": "eur",
                    "payment_method": method,
                    "confirm": True,
                    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                    **more,
                }
            )
        )


def start(db_path: Path, settings: SandboxSettings = FAST, *, smtp_port: int | None = None) -> RunningSandbox:
    server = SandboxServer(create_sandbox(db_path, settings), smtp_port=smtp_port)
    server.start()
    return RunningSandbox(server, stripe.StripeClient("sk_test_sandbox", base_addresses={"api": server.url}))


@pytest.fixture
def db_path(tmp_path: Path) -> Path:
    return tmp_path / "sandbox.db"


@pytest.fixture
def sandbox(db_path: Path) -> Iterator[RunningSandbox]:
    running = start(db_path, smtp_port=0)
    try:
        yield running
    finally:
        running.server.stop()


@dataclass
class Post:
    """One webhook as it arrived."""

    path: str
    body: bytes
    signature: str

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Listener:
    """An endpoint: keeps what it is told, and answers as it is told to."""

    url: str
    posts: list[Post] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers; 200 when there are none."""

    def types(self) -> list[str]:
        return [post.event["type"] for post in self.posts]


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard = Listener("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.posts.append(Post(self.path, body, self.headers["Stripe-Signature"]))
            self.send_response(heard.answers.pop(0) if heard.answers else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard.url = f"http://127.0.0.1:{server.server_port}/webhooks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
