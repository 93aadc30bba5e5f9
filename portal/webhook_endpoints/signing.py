"""Signatures as the specification of Standard Webhooks has them, and the secrets that they are made with.

A secret is derived from the endpoint's id, a number that rises with every change of it, and the secret key, as one-time links are
(portal.identity.tokens). Kept encrypted it would be as safe against a copy of the database and no safer against a copy of the secret
key, for more parts: so nothing is kept at all. The price is the same, too: whoever changes the secret key changes all of them, and
deliveries are signed under those that are accepted beside it as well, until customers' systems have learned the new secrets.
Source: Standard Webhooks, "Signature scheme".
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from portal.core import secret_keys
from portal.webhook_endpoints.models import WebhookEndpoint

PREFIX: Final = "whsec_"
# So long an old secret signs beside the new one, and a customer's system may take its time to learn it.
OLD_SECRET_LASTS: Final = timedelta(hours=24)


def secret(endpoint: WebhookEndpoint) -> str:
    """What the customer's system verifies with: "whsec_" and 256 bits in base64."""
    key = _key(secret_keys.newest(), endpoint.id, endpoint.secret_number)
    return PREFIX + base64.b64encode(key).decode()


def signature(endpoint: WebhookEndpoint, event_id: str, timestamp: int, body: bytes, now: datetime) -> str:
    """The header's value: one signature for each secret that is good at `now`, the new one's first, parted by a space.

    `timestamp` is in whole seconds since 1970, of this try.
    """
    numbers = [endpoint.secret_number]
    if endpoint.old_secret_until is not None and now < endpoint.old_secret_until:
        numbers.append(endpoint.secret_number - 1)
    keys = [_key(secret_key, endpoint.id, number) for secret_key in secret_keys.every() for number in numbers]
    return signed(keys, event_id, timestamp, body)


def signed(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Likewise, for a message of any kind: one signature with each of these keys."""
    text = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.digest(key, text, "sha256") for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def key_of(secret: str) -> bytes:
    """The key that a secret such as "whsec_…" stands for. Raises ValueError for anything else."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"a secret begins with {PREFIX}")
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)


def _key(secret_key: str, endpoint_id: str, number: int) -> bytes:
    return hmac.digest(secret_key.encode(), f"webhook-endpoint:{endpoint_id}:{number}".encode(), "sha256")
