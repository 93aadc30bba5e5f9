"""Jobs about events."""

from portal.core import metrics
from portal.jobs import outbox
from portal.stripe_events import service, silence


@outbox.handles("webhooks.apply")
def apply(event_id: str) -> None:
    service.apply(event_id)


@outbox.handles("webhooks.requeue_lost_jobs", every_seconds=60)
def requeue_lost_jobs() -> None:
    metrics.STARTED_OVER.labels("events").inc(service.requeue_lost_jobs())


@outbox.handles("webhooks.check_silence", every_seconds=300)
def check_silence() -> None:
    silence.check()
