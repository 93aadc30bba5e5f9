"""A stand-in for VIES on this machine, and a customer in France whose VAT ID it is asked about."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest

from portal.accounts.models import Customer
from portal.core import config, db
from portal.jobs.outbox import Reschedule
from portal.vat import service
from tests import factories

FRENCH: Final = "FR40303265045"
NUMBER: Final = "WAPIAAAAZ0123456"
UNAVAILABLE: Final = {"actionSucceed": False, "errorWrappers": [{"error": "MS_UNAVAILABLE"}]}


class ViesServer:
    """Answers every question alike: with `answer`, as JSON or raw bytes; not at all before `release` while it `hangs`."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: dict[str, Any] | bytes = {"valid": True}
        self.status = 200
        self.hangs = False
        self.released = threading.Event()
        us = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                us.asked.append({"path": self.path, **asked})
                if us.hangs:
                    us.released.wait(30)
                    return
                body = us.body_for(asked)
                self.send_response(us.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/rest-api"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def body_for(self, asked: dict[str, Any]) -> bytes:
        if isinstance(self.answer, bytes):
            return self.answer
        if "errorWrappers" in self.answer:
            return json.dumps(self.answer).encode()
        usual = {
            "countryCode": asked["countryCode"],
            "vatNumber": asked["vatNumber"],
            "requestDate": "2026-11-30T10:00:00.000Z",
            "requestIdentifier": NUMBER if "requesterNumber" in asked else "",
            "name": "SA BOULANGERIE",
            "address": "1 RUE DU FOUR\n75001 PARIS",
        }
        return json.dumps(usual | self.answer).encode()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def vies() -> Iterator[ViesServer]:
    server = ViesServer()
    yield server
    server.close()


@pytest.fixture
def asking(settings: config.Settings, vies: ViesServer) -> ViesServer:
    """The settings name this VIES."""
    config.use(settings.model_copy(update={"vies_url": vies.url}))
    return vies


@pytest.fixture
def boulangerie(settings: config.Settings) -> Customer:
    with db.transaction() as session:
        return factories.customer(session, country="FR", tax_id=FRENCH, name="Boulangerie SA")


def check(customer: Customer, tax_id: str = FRENCH) -> float | None:
    """One try of the job; returns the seconds until the next one."""
    try:
        service.check(customer.id, tax_id)
    except Reschedule as later:
        return later.seconds
    return None
