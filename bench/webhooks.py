"""What a webhook costs until Stripe has its answer, beside a bare insert: both behind gunicorn, as it is deployed, on PostgreSQL."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from bench import raw_insert
from bench.lines import Line
from deploy.dev.processes import Process, answers, free_port
from tests.postgres import PostgresServer
from tests.run import SETTINGS, migrate, process_environment

# A rate of 0.7 of a bare insert's.
LIMIT, AIM = 2.0, 1 / 0.7
WHY = "Beside the insert it checks a signature over the body, reads its JSON, writes the job and sends eleven headers."
CLIENTS = 4
# About what an event of Stripe's has, in bytes.
BODY_BYTES = 3_500
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_numbers = count()


def measure(*, quick: bool) -> list[Line]:
    rounds, events = (1, 200) if quick else (7, 1_000)
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL may run as another user
        server = PostgresServer(Path(folder))
        try:
            migrate(server.url())
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute(raw_insert.TABLE)
            with (
                _served("wsgi:app", server.url(), folder) as ours,
                _served("bench.raw_insert:app", server.url(), folder) as raw,
            ):
                for each in (ours, raw):
                    each.cost(events // 4)
                runs = [(ours.cost(events), raw.cost(events)) for _ in range(rounds)]
        finally:
            server.stop()
    portal, bare = (statistics.median(side) for side in zip(*runs, strict=True))
    return [Line("webhook: acknowledged", portal * 1000, "ms", portal / bare, "a bare insert", LIMIT, AIM, WHY)]


class _Served:
    """One process of gunicorn with an application, and the processor time that it takes for webhooks."""

    def __init__(self, process: Process, port: int) -> None:
        self._process, self._port = process, port

    def cost(self, events: int) -> float:
        """Processor seconds of an event, of so many that a few clients send."""
        shares = [[_event() for _ in range(events // CLIENTS)] for _ in range(CLIENTS)]
        clients = [threading.Thread(target=_send, args=(self._port, share)) for share in shares]
        before = self._seconds()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return (self._seconds() - before) / events

    def _seconds(self) -> float:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return sum(_processor_seconds(int(pid)) for pid in children)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


@contextmanager
def _served(application: str, database: str, folder: str) -> Iterator[_Served]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"]
    process = Process(
        application,
        [*command, "--workers", "1", "--bind", f"127.0.0.1:{port}", application],
        log=Path(folder) / f"{application}.log",
        environment=process_environment(PORTAL_DATABASE_URL=database),
    )
    try:
        process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), within=60)
        yield _Served(process, port)
    finally:
        process.end()


def _send(port: int, events: list[tuple[bytes, str]]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body, signature in events:
        connection.request("POST", "/api/webhooks/stripe", body, {"Stripe-Signature": signature})
        answer = connection.getresponse()
        told = answer.read()
        assert answer.status == 200, told


def _event() -> tuple[bytes, str]:
    """A new event with its signature."""
    number, now = next(_numbers), int(time.time())
    intent = {"id": f"pi_{number}", "object": "payment_intent", "metadata": {"payment_id": f"pay_{number}"}}
    event = {"id": f"evt_{number}", "object": "event", "type": "payment_intent.succeeded", "livemode": False}
    event |= {
        "api_version": "2026-10-28.endive",
        "created": now,
        "data": {"object": intent},
        "padding": "x" * BODY_BYTES,
    }
    body = json.dumps(event).encode()
    secret = SETTINGS["STRIPE_WEBHOOK_SECRETS"].encode()
    return body, f"t={now},v1={hmac.new(secret, b'%d.' % now + body, hashlib.sha256).hexdigest()}"
