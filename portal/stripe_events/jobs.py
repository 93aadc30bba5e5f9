"""Jobs about events."""

from portal.core import metrics
from portal.jobs import outbox
from portal.stripe_events import service, silence


@outbox.handles("webhooks.apply")
def apply(event_id: str) -> None:
    service.apply(event_id)


@outbox.handles("webhooks.complete", every_seconds=60)
def complete() -> None:
    metrics.STARTED_OVER.labels("events").inc(service.complete())


@outbox.handles("webhooks.check_silence", every_seconds=300)
def check_silence() -> None:
    silence.check()
