"""Webhook deliveries: signed, tried again with growing waits, and written down with their answers.

Source: Stripe, "Receive Stripe events in your webhook endpoint": the signature scheme `v1`, a fresh signature for every attempt, several
secrets while one is rolled, and any answer but 2xx as a failure. Deliveries go to this machine alone.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from portal.sandbox.clock import real_now
from portal.sandbox.events import ENDPOINT, EVENT
from portal.sandbox.kinds import Row, public
from portal.sandbox.world import Sandbox

MOST_KEPT_ANSWER = 2_000
"""Characters kept of what an endpoint answered."""
SHORTEST_WAIT = 0.0
LONGEST_WAIT = 1.0
"""Seconds between two looks at the queue when nothing wakes it: another process may have filled it."""


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one endpoint."""

    seq: int
    event_id: str
    endpoint_id: str
    attempts: int


@dataclass(frozen=True)
class Answer:
    """What came back; `status` is None when nothing did."""

    status: int | None
    text: str

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def claim(sandbox: Sandbox) -> Delivery | None:
    """Take the next delivery that is due."""
    with sandbox.store.transaction() as session:
        found = session.run(
            "SELECT seq, event, endpoint, attempts FROM deliveries WHERE state = 'waiting' AND due <= ? ORDER BY due, seq LIMIT 1",
            (sandbox.clock.now(),),
        ).fetchone()
        if found is None:
            return None
        session.run("UPDATE deliveries SET state = 'sending', attempts = attempts + 1 WHERE seq = ?", (found[0],))
    return Delivery(found[0], found[1], found[2], found[3] + 1)


def seconds_to_next(sandbox: Sandbox) -> float | None:
    with sandbox.store.reading() as session:
        due = session.run("SELECT min(due) FROM deliveries WHERE state = 'waiting'").fetchone()[0]
    return None if due is None else max(SHORTEST_WAIT, float(due) - sandbox.clock.now())


def take_back_interrupted(sandbox: Sandbox) -> None:
    """Deliveries that a stopped process had under way are tried again."""
    with sandbox.store.transaction() as session:
        session.run("UPDATE deliveries SET state = 'waiting' WHERE state = 'sending'")


def deliver(sandbox: Sandbox, delivery: Delivery) -> None:
    """Make one attempt and record its answer; a failed one is planned again until the waits run out."""
    with sandbox.store.reading() as session:
        event = session.find(EVENT, delivery.event_id)
        endpoint = session.find(ENDPOINT, delivery.endpoint_id)
    if event is None or endpoint is None:
        return
    if endpoint["status"] != "enabled":
        answer = Answer(None, "The endpoint is disabled.")
    else:
        answer = send(endpoint, body_of(event, endpoint), sandbox.settings.webhook_timeout_seconds)
    waits = sandbox.settings.webhook_waits_seconds
    now = sandbox.clock.now()
    with sandbox.store.transaction() as session:
        session.run(
            "INSERT INTO delivery_answers (delivery, at, status, answer) VALUES (?, ?, ?, ?)",
            (delivery.seq, now, answer.status, answer.text[:MOST_KEPT_ANSWER]),
        )
        if answer.accepted:
            session.run("UPDATE deliveries SET state = 'delivered' WHERE seq = ?", (delivery.seq,))
        elif delivery.attempts <= len(waits):
            due = now + waits[delivery.attempts - 1]
            session.run("UPDATE deliveries SET state = 'waiting', due = ? WHERE seq = ?", (due, delivery.seq))
        else:
            session.run("UPDATE deliveries SET state = 'given_up' WHERE seq = ?", (delivery.seq,))


def body_of(event: Row, endpoint: Row) -> bytes:
    """The event as it is posted, indented as Stripe posts it, in the version of the endpoint."""
    shown = public(event)
    if endpoint["api_version"] is not None:
        shown["api_version"] = endpoint["api_version"]
    return json.dumps(shown, indent=2, ensure_ascii=False).encode()


def secrets_of(endpoint: Row, now: float) -> list[str]:
    """The secrets in force: the newest first, and older ones until they expire."""
    return [endpoint["_secret"], *(old["secret"] for old in endpoint["_old_secrets"] if old["expires"] > now)]


def signature(body: bytes, secrets: list[str], timestamp: int) -> str:
    """The header `Stripe-Signature`."""
    signed = f"{timestamp}.".encode() + body
    parts = [f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets]
    return ",".join([f"t={timestamp}", *parts])


def send(endpoint: Row, body: bytes, timeout_seconds: float) -> Answer:
    """Post a body to an endpoint once."""
    parts = urlsplit(endpoint["url"])
    if not is_loopback(parts.hostname or ""):
        return Answer(None, "Not sent: the sandbox delivers to this machine alone.")
    now = real_now()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signature(body, secrets_of(endpoint, now), int(now)),
        "Connection": "close",
    }
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection: http.client.HTTPConnection | None = None
    try:
        connection = make(parts.hostname or "", parts.port, timeout=timeout_seconds)
        connection.request("POST", target, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.read(MOST_KEPT_ANSWER * 4).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return Answer(None, f"{type(problem).__name__}: {problem}")
    finally:
        if connection is not None:
            connection.close()


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
