"""What is counted about the portal, for Prometheus; the worker serves it on a port of its own, never the web server.

Each process counts for itself from its start; what several of them could measure is read from the database. Of money nothing is told
but whether the books fit.
"""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, start_http_server
from sqlalchemy.orm import Session

from portal.core import config, db

# Jobs: "outcome" is "done", "later", "waits", "failed" or "dead".
JOBS: Final = Counter("portal_jobs", "Jobs that were run, by name and what came of them.", ["job", "outcome"])
JOB_SECONDS: Final = Histogram(
    "portal_job_seconds", "How long jobs took.", ["job"], buckets=(0.01, 0.05, 0.2, 1, 5, 20, 60, 300)
)
OUTAGE_SECONDS: Final = Gauge(
    "portal_outage_seconds", "For how long jobs have waited for this service; 0 when none does.", ["service"]
)
OLDEST_DUE: Final = Gauge(
    "portal_oldest_due_job_seconds", "For how long the oldest job of a lane has been due; 0 when none is.", ["lane"]
)
CLOCK_SET_BACK: Final = Counter("portal_clock_set_back", "How often the database's clock was found to be set back.")
# What the sweepers found without a job; "what" is the feature.
LOST_JOBS_REQUEUED: Final = Counter("portal_lost_jobs_requeued", "Rows that had lost their job and got one.", ["what"])

# The reconciler; "outcome" is "done" or "failed".
RECONCILIATIONS: Final = Counter("portal_reconciliations", "Runs of the reconciler.", ["outcome"])
RECONCILIATION_SECONDS: Final = Histogram(
    "portal_reconciliation_seconds", "How long its runs took.", buckets=(0.1, 0.5, 2, 10, 30, 120, 600)
)
LAST_RECONCILIATION: Final = Gauge(
    "portal_last_reconciliation_timestamp_seconds", "When its last run that succeeded ended, in seconds since 1970."
)
IN_RECOVERY: Final = Gauge("portal_in_recovery", "1 while the portal holds money and numbers still after a restore.")
OPEN_DISCREPANCIES: Final = Gauge(
    "portal_open_discrepancies", "Discrepancies of reconciliation that wait for a person."
)

# What operators say that they did: flask record.
LAST_BACKUP: Final = Gauge(
    "portal_last_backup_timestamp_seconds", "When the last backup that was recorded was made, in seconds since 1970."
)
LAST_RESTORE_DRILL: Final = Gauge(
    "portal_last_restore_drill_timestamp_seconds",
    "When a backup was last restored on another machine to try it, as recorded, in seconds since 1970.",
)

# Events of Stripe's.
LAST_WEBHOOK: Final = Gauge(
    "portal_last_webhook_timestamp_seconds", "When the last webhook of Stripe's arrived, in seconds since 1970."
)
WEBHOOKS_MISSING: Final = Gauge(
    "portal_webhooks_missing_seconds",
    "For how long Stripe has had events that no webhook brought here; 0 while all arrive.",
)


def read_from_database(gauge: Gauge, measure: Callable[[Session], float]) -> None:
    """The gauge is measured when it is asked for, whichever process wrote what it says; not a number while the database is away."""

    def value() -> float:
        try:
            with db.reading() as session:
                return measure(session)
        except db.UNREACHABLE:
            return nan

    gauge.set_function(value)


def serve() -> None:
    """Serve all of this at /metrics in a thread of its own, where the settings name a port. Raises OSError when it is taken."""
    settings = config.current()
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.metrics_host)
