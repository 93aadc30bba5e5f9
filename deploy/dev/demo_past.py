"""Living through days that have passed: the portal's clock and its sandbox's, set back together and moved on step by step.

What a worker and Stripe's webhooks do is done in between, in this process, so that every row, number, document and mail comes about as
it does in a running portal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import stripe
from flask import Flask
from sqlalchemy import event

from portal.core import clock, company_days, config, db
from portal.jobs import outbox
from portal.sandbox import deliveries
from portal.sandbox.app import create_sandbox
from portal.sandbox.events import EVENT
from portal.sandbox.server import SandboxServer
from portal.stripe_events import service as stripe_events
from portal.stripe_events.handlers import HANDLERS

# What comes a moment later at Stripe, such as the fee of a charge, and the portal's second looks at what it began.
A_MOMENT = timedelta(minutes=2)


class Past:
    """The portal and its sandbox at a moment that has passed."""

    def __init__(self, app: Flask, server: SandboxServer) -> None:
        self._app = app
        self._url = server.url
        self._sandbox = server.app.sandbox
        self._handed_on = 0  # the number of the sandbox's last event that the portal was told of
        settings = config.current()
        self._secrets = [secret.get_secret_value() for secret in settings.stripe_webhook_secrets]
        key = settings.stripe_secret_key.get_secret_value()
        self.stripe = stripe.StripeClient(key, base_addresses={"api": server.url})

    def go_to(self, days_ago: int, hour: int, minute: int = 0) -> None:
        """It is this time of the company's day; `work` does what became due until then. It never goes backwards."""
        day = company_days.day_of(datetime.now(UTC)) - timedelta(days=days_ago)
        self._go_to(datetime.combine(day, time(hour, minute), company_days.zone()).astimezone(UTC))

    def a_moment_later(self) -> None:
        """What was just begun has come to its end."""
        self._go_to(clock.now() + A_MOMENT)
        self.work()

    def _go_to(self, moment: datetime) -> None:
        behind = datetime.now(UTC) - max(moment, clock.now())
        behind = max(behind, timedelta())
        clock.set_back(behind)
        self._sandbox.clock.set_offset(-behind.total_seconds())

    def begin(self, days_ago: int) -> None:
        """The first moment, from which `go_to` goes on."""
        behind = timedelta(days=days_ago)
        clock.set_back(behind)
        self._sandbox.clock.set_offset(-behind.total_seconds())

    def arrive(self) -> None:
        """Come back to the present."""
        self._go_to(datetime.now(UTC))
        self.work()

    def work(self) -> None:
        """Carry out what is due at Stripe, hand its events on, and run the jobs that are due, until nothing is."""
        with self._app.app_context():
            while self._sandbox.run_due_effects() + self._hand_on() + outbox.run_due("demo", most=1000):
                pass

    def control(self, name: str, **fields: Any) -> None:
        """Press one of the sandbox's controls, which docs/sandbox.md lists."""
        sent = json.dumps(fields).encode()
        request = Request(f"{self._url}/_sandbox/{name}", sent, {"Content-Type": "application/json"})  # noqa: S310
        with urlopen(request, timeout=30):  # noqa: S310  # our own http:// address
            pass

    def _hand_on(self) -> int:
        """Deliver the sandbox's new events, signed, as its webhooks would be; returns how many."""
        with self._sandbox.store.reading() as session:
            query = f"SELECT seq, type, id FROM {EVENT.table} WHERE seq > ? ORDER BY seq"  # noqa: S608
            rows = session.run(query, (self._handed_on,)).fetchall()
            events = [session.find(EVENT, event_id) for _seq, kind, event_id in rows if kind in HANDLERS]
        for told in filter(None, events):
            body = deliveries.body_of(told, {"api_version": None})
            stripe_events.receive(body, deliveries.signature(body, self._secrets, int(clock.now().timestamp())))
        if rows:
            self._handed_on = rows[-1][0]
        return len(events)


@contextmanager
def past(app: Flask, sandbox_file: Path) -> Iterator[Past]:
    """A sandbox over this file, where the settings look for Stripe and for the mail server, until the block ends in the present.

    The databases do not wait for the disk meanwhile: they are begun anew when a power cut ends it.
    """
    settings = config.current()
    place = urlsplit(settings.stripe_api_base)
    server = SandboxServer(
        create_sandbox(sandbox_file), place.hostname or "127.0.0.1", place.port or 0, settings.mail_port
    )
    event.listen(db.engine(), "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=OFF"))
    server.start()
    try:
        lived = Past(app, server)
        yield lived
        lived.arrive()
    finally:
        server.stop()
