"""Jobs about events."""

from portal import metrics, outbox
from portal.webhooks import service


@outbox.handles("webhooks.apply")
def apply(event_id: str) -> None:
    service.apply(event_id)


@outbox.handles("webhooks.complete", every_seconds=60)
def complete() -> None:
    metrics.STARTED_OVER.labels("events").inc(service.complete())
