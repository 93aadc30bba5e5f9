"""Whether a webhook really comes from Stripe.

Source: Stripe, "Verify webhook signatures manually": HMAC-SHA256 over "timestamp.body" for each secret, several v1 values while
a secret is being rolled. Done without the SDK's Event object, which costs half of the webhook's rate.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from portal.core import clock

# Older signatures are replays. Stripe's libraries use the same, in seconds.
TOLERANCE_SECONDS: Final = 300
# In digits: seconds since 1970 have ten. Python refuses to read thousands of them with an error that is none of ours.
LONGEST_TIMESTAMP: Final = 12


class BadSignature(ValueError):
    """The body was not signed with one of our secrets, or too long ago."""


def verify(body: bytes, header: str, secrets: Sequence[str]) -> None:
    """Raise BadSignature unless `header` (Stripe-Signature) fits the raw body and one of the secrets, and is fresh."""
    timestamp, signatures = _parts(header)
    if abs(clock.now().timestamp() - timestamp) > TOLERANCE_SECONDS:
        raise BadSignature("the timestamp is too far from now")
    signed = b"%d." % timestamp + body
    for secret in secrets:
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
        if any(hmac.compare_digest(expected, signature) for signature in signatures):
            return
    raise BadSignature("no signature fits")


def _parts(header: str) -> tuple[int, list[bytes]]:
    timestamp, signatures = None, []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t" and value.isascii() and value.isdigit() and len(value) <= LONGEST_TIMESTAMP:
            timestamp = int(value)
        elif name == "v1":
            signatures.append(value.encode())
    if timestamp is None or not signatures:
        raise BadSignature("the header has no timestamp or no v1 signature")
    return timestamp, signatures
