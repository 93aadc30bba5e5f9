"""The endpoint at Stripe through which events reach the portal: with exactly the types that HANDLERS knows, at our API version.

An endpoint's version is chosen when it is made, and Stripe tells its signing secret then alone. So where the version is another one, a new
endpoint is made beside the old one, and the old one is removed once the new secret is in the settings: meanwhile each event comes
twice under one id, which changes nothing. Source: Stripe's API reference, "Webhook Endpoints", and "Handle webhook versioning".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from portal import gateway
from portal.core import config
from portal.core.db import new_id
from portal.gateway import WebhookEndpoint
from portal.stripe_events.handlers import HANDLERS

PATH: Final = "/api/webhooks/stripe"
ALL_TYPES: Final = "*"


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is at Stripe: our endpoint, if there is one at our version, and `others` of the same address at other versions.

    `missing` are types that we handle and the endpoint does not send, `unused` are those that it sends and we do not handle.
    """

    url: str
    version: str
    endpoint: WebhookEndpoint | None
    others: Sequence[WebhookEndpoint]

    @property
    def missing(self) -> list[str]:
        if self.endpoint is None:
            return sorted(HANDLERS)
        return [] if ALL_TYPES in self.endpoint.types else sorted(HANDLERS.keys() - self.endpoint.types)

    @property
    def unused(self) -> list[str]:
        return sorted(self.endpoint.types - HANDLERS.keys()) if self.endpoint else []

    @property
    def is_disabled(self) -> bool:
        return self.endpoint is not None and not self.endpoint.is_enabled

    @property
    def fits(self) -> bool:
        wrong = self.missing or self.unused or self.is_disabled or self.others
        return self.endpoint is not None and not wrong


def standing() -> Standing:
    """How things stand at Stripe; nothing is changed. Raises the gateway's errors."""
    url, version = config.current().base_url + PATH, gateway.current().api_version
    ours = [endpoint for endpoint in gateway.current().list_webhook_endpoints() if endpoint.url == url]
    fitting = next((endpoint for endpoint in ours if endpoint.api_version == version), None)
    return Standing(url, version, fitting, [endpoint for endpoint in ours if endpoint != fitting])


def bring_in_line(before: Standing) -> WebhookEndpoint:
    """Make the endpoint, or give it our types and switch it on; returns it, with its secret where it is new.

    Others of its address stay as they are; a second call changes nothing. Raises the gateway's errors.
    """
    if before.endpoint is None:
        return gateway.current().create_webhook_endpoint(new_id("webhook"), before.url, sorted(HANDLERS))
    if before.missing or before.unused or before.is_disabled:
        return gateway.current().update_webhook_endpoint(before.endpoint.id, sorted(HANDLERS))
    return before.endpoint


def remove_others(before: Standing) -> None:
    """Remove the endpoints of our address that are not ours. Raises the gateway's errors."""
    for endpoint in before.others:
        gateway.current().delete_webhook_endpoint(endpoint.id)
