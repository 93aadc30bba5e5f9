"""What does the jobs of Stripe's events."""

from portal.core import metrics
from portal.stripe_events import jobs, service, silence

jobs.check_silence.handler(silence.check)


@jobs.apply.handler
def apply(event_id: str, replay: int) -> None:
    service.apply(event_id)


@jobs.requeue_lost_jobs.handler
def requeue_lost_jobs() -> None:
    metrics.LOST_JOBS_REQUEUED.labels("events").inc(service.requeue_lost_jobs())


metrics.read_from_database(metrics.WEBHOOKS_MISSING, silence.missing_seconds)
metrics.read_from_database(metrics.LAST_WEBHOOK, silence.last_arrival)
