"""The jobs of Stripe's events, and one that tells staff: what each is given."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("stripe_events.apply", once_per=("event_id", "replay"))
def apply(event_id: str, replay: int) -> None:
    """Act on a stored event; `replay` counts how often staff had it applied anew."""


@job("stripe_events.requeue_lost_jobs", every_seconds=60)
def requeue_lost_jobs() -> None:
    """Leave a job for each received event that has none."""


@job("stripe_events.check_silence", every_seconds=300)
def check_silence() -> None:
    """Ask Stripe whether webhooks should have arrived."""


@job("operations.mail_missing_webhooks", once_per=("since",), lane=Lane.MESSAGES)
def mail_missing_webhooks(since: int) -> None:
    """Tell staff that Stripe has events that no webhook brought; `since` is in seconds since 1970."""
