"""Sending events, telling owners of endpoints that were switched off, and forgetting what is old."""

from __future__ import annotations

import random
import threading
from typing import Final

from portal.jobs import outbox
from portal.webhook_endpoints import email, sending

# Systems that hang hold at most so many of a worker's threads; the others stay free for payments and receipts.
AT_ONCE: Final = 2
# How long a delivery waits when all of them are held, in seconds; scattered, so that not all come back at once.
AGAIN_SECONDS: Final = (2.0, 8.0)

_slots: Final = threading.BoundedSemaphore(AT_ONCE)


@outbox.handles("deliveries.deliver")
def deliver(delivery_id: str, replay: int) -> None:
    if not _slots.acquire(blocking=False):
        raise outbox.Reschedule(random.uniform(*AGAIN_SECONDS))  # noqa: S311  # no secret
    try:
        sending.deliver(delivery_id, replay)
    finally:
        _slots.release()


@outbox.handles("deliveries.mail_disabled")
def mail_disabled(endpoint_id: str, owner_id: str, reason: str, occasion: str) -> None:
    email.send_disabled(endpoint_id, owner_id, reason, occasion)


@outbox.handles("deliveries.sweep", every_seconds=3600)
def sweep() -> None:
    sending.forget_old()
