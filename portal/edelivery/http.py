"""An access point, or a program in front of one, that takes e-invoices by HTTP POST.

The body is the XML. It is signed as events for customers' systems are (Standard Webhooks), goes to addresses that these may have, and
carries `Idempotency-Key`, so that the receiver knows one that comes twice.
"""

from __future__ import annotations

from typing import Final

from portal.core import clock
from portal.core.errors import Invalid
from portal.edelivery.port import NotTaken, Package, Refused
from portal.webhook_endpoints import addresses, signing
from portal.webhook_endpoints.addresses import Unreachable

# Answers that may be others later: too early, too many at once, taken by another try.
_LATER: Final = frozenset({408, 409, 425, 429})
_REFUSALS: Final = range(400, 500)


class HttpEndpoint:
    """`secret` is "whsec_" and base64, as both sides know it."""

    def __init__(self, url: str, secret: str) -> None:
        self._url, self._key = url, signing.key_of(secret)

    def hand_over(self, package: Package) -> str:
        from portal.webhook_endpoints import posting  # and urllib3 with it, which web servers never need

        timestamp = int(clock.now().timestamp())
        headers = {
            "Content-Type": "application/xml",
            "Idempotency-Key": package.key,
            "Document-Number": package.number,
            "Recipient-Address": package.address,
            "webhook-id": package.key,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signing.signed([self._key], package.key, timestamp, package.xml),
        }
        try:
            answer = posting.post(addresses.parse(self._url), headers, package.xml)
        except Invalid as error:
            raise NotTaken(error.text()) from error
        except Unreachable as error:
            raise NotTaken(str(error)) from error
        said = f"{answer.status} {answer.text}".strip()
        if answer.is_success:
            return said
        if answer.status in _REFUSALS and answer.status not in _LATER:
            raise Refused(said)
        raise NotTaken(said)
