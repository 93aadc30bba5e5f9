"""Idempotency keys: the same request twice gives the same answer and happens once.

Source: Stripe's API reference, "Idempotent requests": the first answer is kept whatever its status, also a 500; another request under the
same key is an error; answers to requests that were refused before they began, or that collided with one still running, are not kept; keys
may be removed when they are at least 24 hours old.

The answer is written in the transaction of its effects, so a key never stands without them. What is still running is known to its
process; between processes the store's write lock makes the second wait and then replay.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from portal.sandbox.errors import invalid, key_in_use, key_reused
from portal.sandbox.store import Session

MOST_KEY_CHARACTERS = 255


@dataclass(frozen=True)
class KeptAnswer:
    status: int
    body: str
    request_id: str


def fingerprint(method: str, path: str, params: dict[str, Any]) -> str:
    """What makes two requests the same: the address and every parameter."""
    text = json.dumps([method, path, params], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_key(key: str) -> None:
    if not key.strip() or len(key) > MOST_KEY_CHARACTERS:
        raise invalid(f"Idempotency keys must be between 1 and {MOST_KEY_CHARACTERS} characters.")


class RunningKeys:
    """The keys whose first request is still at work in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[str] = set()

    @contextmanager
    def hold(self, key: str | None) -> Iterator[None]:
        """Hold a key while its request runs; raises the 409 of a second one meanwhile."""
        if key is None:
            yield
            return
        with self._lock:
            if key in self._keys:
                raise key_in_use(key)
            self._keys.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(key)


def kept_answer(session: Session, key: str, print_: str, oldest: float) -> KeptAnswer | None:
    """The answer kept under a key since `oldest`; raises when the key was used for another request."""
    found = session.run(
        "SELECT fingerprint, created, status, body, request_id FROM idempotency WHERE key = ?", (key,)
    ).fetchone()
    if found is None:
        return None
    if found[1] < oldest:
        session.run("DELETE FROM idempotency WHERE key = ?", (key,))
        return None
    if found[0] != print_:
        raise key_reused(key)
    return KeptAnswer(status=found[2], body=found[3], request_id=found[4])


def keep_answer(session: Session, key: str, print_: str, now: float, answer: KeptAnswer) -> None:
    session.run(
        "INSERT OR REPLACE INTO idempotency (key, fingerprint, created, request_id, status, body) VALUES (?, ?, ?, ?, ?, ?)",
        (key, print_, now, answer.request_id, answer.status, answer.body),
    )
