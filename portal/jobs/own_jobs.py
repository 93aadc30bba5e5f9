"""The jobs that the queue and its workers leave themselves, most of them for packages above."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("jobs.sweep", every_seconds=3600)
def sweep() -> None:
    """Forget done jobs after their time."""


@job("operations.mail_dead", once_per=("span",), in_recovery=True, lane=Lane.MESSAGES)
def mail_dead(span: int) -> None:
    """Tell staff of jobs that failed for good: one mail for all of a span (outbox.ALERT_SPAN_SECONDS)."""


@job("operations.mail_outage", once_per=("service", "since"), in_recovery=True, lane=Lane.MESSAGES)
def mail_outage(service: str, since: int) -> None:
    """Tell staff that a service has not answered for long; `since` is in seconds since 1970."""


@job("reconciliation.tend_recovery", every_seconds=60, in_recovery=True)
def tend_recovery() -> None:
    """Bring recovery mode forward, and end it once it is done."""
