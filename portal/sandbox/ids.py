"""Identifiers in the shape of Stripe's: a prefix that names the kind, and a random part."""

from __future__ import annotations

import secrets


def new_id(prefix: str) -> str:
    """`new_id("pi")` -> "pi_3" plus 24 random characters; Stripe's own have a similar length and no meaning inside."""
    return f"{prefix}_1{secrets.token_hex(12)}"


def new_secret(owner: str) -> str:
    """The client secret of an intent, made of the intent's id as Stripe makes it."""
    return f"{owner}_secret_{secrets.token_hex(13)}"


def new_webhook_secret() -> str:
    return f"whsec_{secrets.token_hex(16)}"


def new_request_id() -> str:
    return f"req_{secrets.token_hex(7)}"
