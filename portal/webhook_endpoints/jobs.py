"""The jobs of webhook endpoints: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("webhook_endpoints.deliver", once_per=("delivery_id", "replay"), lane=Lane.MESSAGES)
def deliver(delivery_id: str, replay: int) -> None:
    """Send an event to a customer's system; `replay` counts how often its delivery was begun anew."""


@job("webhook_endpoints.mail_disabled", lane=Lane.MESSAGES)
def mail_disabled(endpoint_id: str, owner_id: str, reason: str, occasion: str) -> None:
    """Tell an owner that an endpoint was switched off."""


@job("webhook_endpoints.sweep", every_seconds=3600)
def sweep() -> None:
    """Forget events after their time."""
