"""What does the jobs of webhook endpoints: sending events, telling owners of endpoints that were switched off, forgetting what is old."""

from __future__ import annotations

import random
import threading
from typing import Final

from portal.jobs import outbox
from portal.webhook_endpoints import email, jobs, sending

# Systems that hang hold at most so many of a worker's threads; the others stay free for payments and receipts.
AT_ONCE: Final = 2
# How long a delivery waits when all of them are held, in seconds; scattered, so that not all come back at once.
AGAIN_SECONDS: Final = (2.0, 8.0)

_slots: Final = threading.BoundedSemaphore(AT_ONCE)


jobs.mail_disabled.handler(email.send_disabled)
jobs.sweep.handler(sending.forget_old)


@jobs.deliver.handler
def deliver(delivery_id: str, replay: int) -> None:
    if not _slots.acquire(blocking=False):
        raise outbox.Reschedule(random.uniform(*AGAIN_SECONDS))  # noqa: S311  # no secret
    try:
        sending.deliver(delivery_id, replay)
    finally:
        _slots.release()
