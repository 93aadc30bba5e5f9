"""Idempotency keys, on both sides of us: those that browsers send to the portal, and those that the portal sends to Stripe."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from portal.errors import N_, Invalid

# Stripe forgets an idempotency key after 24 hours at the earliest; an hour of margin for clocks and slow calls. Seconds.
# Source: Stripe, "Idempotent requests".
KEY_SAFE_SECONDS: Final = 23 * 3600
SHORTEST_CLIENT_KEY: Final = 8
LONGEST_CLIENT_KEY: Final = 80


def is_safe(first_used: datetime, now: datetime) -> bool:
    """Whether Stripe surely still remembers a key, so that sending it again makes nothing twice. Both by the database's clock."""
    return now - first_used < timedelta(seconds=KEY_SAFE_SECONDS)


def check_client_key(client_key: str) -> None:
    """Raises Invalid for what no form of ours sends as its key: it is made anew with each page, so a double click sends it twice."""
    has_length = SHORTEST_CLIENT_KEY <= len(client_key) <= LONGEST_CLIENT_KEY
    if not (has_length and client_key.isascii() and client_key.isprintable()):
        raise Invalid(N_("This form is incomplete. Please reload the page."), code="bad_client_key")
