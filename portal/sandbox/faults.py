"""Faults on purpose: the next calls that match an address fail as networks and servers do.

What each fault does:

- `reset_before`, `reset_after`: the connection breaks, before anything happened or after everything did.
- `hang_before`, `hang_after`: no answer for `seconds`, then the connection breaks.
- `delay`: the call is carried out and answered `seconds` late; its idempotency key is held meanwhile.
- `error_before`, `error_after`: a 500; the second comes after the effect and is kept under the idempotency key, as Stripe keeps it.
- `error_kept`: a 500 that has no effect and is kept all the same.
- `conflict`: another request is at work on the object, which Stripe answers with 429 `lock_timeout` and `Stripe-Should-Retry`.
- `rate_limit`: 429.
- `truncate`: the call is carried out and its answer breaks off half way.
"""

from __future__ import annotations

import fnmatch
import json
import os
import socket
import struct
import threading
import time
from dataclasses import asdict, dataclass

from werkzeug.wrappers import Request, Response

from portal.sandbox.errors import internal_error, invalid, lock_timeout, too_many_requests
from portal.sandbox.http_server import SOCKET
from portal.sandbox.store import Session, Store

FAULTS = (
    "reset_before",
    "reset_after",
    "hang_before",
    "hang_after",
    "delay",
    "error_before",
    "error_after",
    "error_kept",
    "conflict",
    "rate_limit",
    "truncate",
)
MOST_SECONDS = 600.0


class ConnectionBroken(Exception):
    """The answer is that there is none."""


@dataclass(frozen=True)
class Fault:
    fault: str
    method: str = "*"
    path: str = "*"
    """A pattern such as /v1/payment_intents/*/confirm."""
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise invalid(f"Unknown fault: {self.fault}. Known are {', '.join(FAULTS)}.", "fault")
        if not 0 <= self.seconds <= MOST_SECONDS:
            raise invalid(f"seconds must be between 0 and {MOST_SECONDS:.0f}.", "seconds")

    @property
    def answers_500_after(self) -> bool:
        return self.fault == "error_after"

    @property
    def fails_once_begun(self) -> bool:
        return self.fault == "error_kept"

    def matches(self, method: str, path: str) -> bool:
        return self.method in ("*", method) and fnmatch.fnmatchcase(path, self.path)


class Faults:
    """The faults still to come, kept in the store and mirrored here so that a call without any costs nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._coming: list[tuple[int, Fault, int]] = []
        self.reload()

    def reload(self) -> None:
        with self._lock, self._store.reading() as session:
            self._coming = waiting(session)

    def add(self, fault: Fault, times: int = 1) -> None:
        """Have the next `times` matching calls fail; faults of several calls to `add` follow one another."""
        with self._store.transaction() as session:
            session.run(
                "INSERT INTO faults (target, remaining, body) VALUES (?, ?, ?)",
                (fault.path, times, json.dumps(asdict(fault))),
            )
        self.reload()

    def clear(self) -> None:
        with self._store.transaction() as session:
            session.run("DELETE FROM faults")
        self.reload()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault of this call, if it has one; it counts as used."""
        if not self._coming:
            return None
        with self._lock, self._store.transaction() as session:
            for seq, fault, _ in waiting(session):
                if fault.matches(method, path):
                    session.run("UPDATE faults SET remaining = remaining - 1 WHERE seq = ?", (seq,))
                    self._coming = waiting(session)
                    return fault
        return None

    @staticmethod
    def before(fault: Fault) -> None:
        """What goes wrong before the call is looked at."""
        if fault.fault == "reset_before":
            raise ConnectionBroken
        if fault.fault == "hang_before":
            time.sleep(fault.seconds)
            raise ConnectionBroken
        if fault.fault == "error_before":
            error = internal_error()
            error.began = False
            raise error
        if fault.fault == "conflict":
            raise lock_timeout()
        if fault.fault == "rate_limit":
            raise too_many_requests(
                "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."
            )

    @staticmethod
    def while_running(fault: Fault) -> None:
        if fault.fault == "delay":
            time.sleep(fault.seconds)

    @staticmethod
    def after(fault: Fault, request: Request, response: Response) -> Response:
        """What goes wrong once the effect is done."""
        if fault.fault == "reset_after":
            raise ConnectionBroken
        if fault.fault == "hang_after":
            time.sleep(fault.seconds)
            raise ConnectionBroken
        if fault.fault == "truncate":
            _send_half(request, response)
            raise ConnectionBroken
        return response


def waiting(session: Session) -> list[tuple[int, Fault, int]]:
    found = session.run("SELECT seq, body, remaining FROM faults WHERE remaining > 0 ORDER BY seq").fetchall()
    return [(seq, Fault(**json.loads(body)), remaining) for seq, body, remaining in found]


def break_connection(request: Request) -> None:
    """Close the caller's connection so that it sees a reset and no answer."""
    connection = request.environ.get(SOCKET)
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(connection.detach())


def _send_half(request: Request, response: Response) -> None:
    connection = request.environ.get(SOCKET)
    if connection is not None:
        body = response.get_data()
        head = f"HTTP/1.1 {response.status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[: len(body) // 2])
        connection.shutdown(socket.SHUT_WR)
