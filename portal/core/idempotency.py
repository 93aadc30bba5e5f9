"""Idempotency keys, on both sides of us: those that browsers and apps send to the portal, and those that the portal sends to Stripe.

A browser's key comes with its form, and each service keeps it in the row that it makes. An app's key comes in the header
Idempotency-Key; what was asked and answered under it is kept in `portal.api.app_requests`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from portal.core import texts
from portal.core.errors import N_, Invalid

# Stripe forgets an idempotency key after 24 hours at the earliest; an hour of margin for clocks and slow calls. Seconds.
# Source: Stripe, "Idempotent requests".
KEY_SAFE_SECONDS: Final = 23 * 3600
SHORTEST_CLIENT_KEY: Final = 8
LONGEST_CLIENT_KEY: Final = 80
# A double click meets its first request at Stripe, which answers soon; until then the row is looked at so often.
OTHERS_TAKE_SECONDS: Final = 5
POLL_EVERY_SECONDS: Final = 0.1


def is_safe(first_used: datetime, now: datetime) -> bool:
    """Whether Stripe surely still remembers a key, so that sending it again makes nothing twice. Both by the database's clock."""
    return now - first_used < timedelta(seconds=KEY_SAFE_SECONDS)


def stored_by_another(read: Callable[[], str | None]) -> str | None:
    """What another request, which is at work under the same key at Stripe, has stored meanwhile: waits a moment for it.

    `read` looks into the row; None when it is not there within OTHERS_TAKE_SECONDS.
    """
    deadline = time.monotonic() + OTHERS_TAKE_SECONDS
    while (found := read()) is None and time.monotonic() < deadline:
        time.sleep(POLL_EVERY_SECONDS)
    return found


def check_client_key(client_key: str) -> None:
    """Raises Invalid for what no form of ours sends as its key: it is made anew with each page, so a double click sends it twice."""
    has_length = SHORTEST_CLIENT_KEY <= len(client_key) <= LONGEST_CLIENT_KEY
    if not (has_length and client_key.isascii() and client_key.isprintable()):
        raise Invalid(N_("This form is incomplete. Please reload the page."), code="bad_client_key")
    texts.refuse_card_number(client_key, field="key")


def client_key_of(caller: str, key: str) -> str:
    """The key that services keep in their rows for an app's request: two callers may have chosen the same one."""
    return "app:" + sha256(f"{caller}\n{key}".encode()).hexdigest()
