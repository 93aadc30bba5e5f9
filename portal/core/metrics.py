"""What is counted about the portal, for Prometheus. A worker serves it on a port of its own, web processes at /metrics for a token.

Each process counts for itself from its start, and web processes add up what they count, by files in PROMETHEUS_MULTIPROC_DIR
(deploy/gunicorn.conf.py). What any of them could measure is read from the database, by workers. Of money nothing is told but whether the
books fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import nan
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
    values,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import Pool, event
from sqlalchemy.orm import Session

from portal.core import config, db

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

# Requests. "route" is the pattern of an address ("/invoices/<invoice_id>"), or "none" where there is no such page.
REQUESTS: Final = Counter(
    "portal_requests", "Requests, by what was asked for and how it was answered.", ["route", "method", "status"]
)
REQUEST_SECONDS: Final = Histogram(
    "portal_request_seconds", "How long requests took.", ["route"], buckets=(0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
)
CONNECTIONS_IN_USE: Final = Gauge(
    "portal_database_connections_in_use", "Connections to the database that are in use.", multiprocess_mode="livesum"
)


@event.listens_for(Pool, "checkout")
def _taken(*_of: object) -> None:
    CONNECTIONS_IN_USE.inc()


@event.listens_for(Pool, "checkin")
def _given_back(*_of: object) -> None:
    CONNECTIONS_IN_USE.dec()


# Calls to Stripe: "what" is the kind of object, and what is done with it ("payment_intents confirm"); "outcome" is "done", "refused" (an
# answer that says no), "failed" (an error of Stripe's), "unanswered", or "not_sent" (left alone, or too many wait already).
STRIPE_CALLS: Final = Counter("portal_stripe_calls", "Calls to Stripe, each try once.", ["method", "what", "outcome"])
STRIPE_SECONDS: Final = Histogram(
    "portal_stripe_call_seconds", "How long Stripe took to answer.", ["what"], buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10)
)
LEFT_ALONE: Final = Gauge(
    "portal_service_left_alone",
    "1 while a service is not called, because it did not answer.",
    ["service"],
    multiprocess_mode="livemax",
)

# Payments: "outcome" is the status that they came to; "method" is Stripe's type of the payment method, or "none" before a try.
PAYMENTS: Final = Counter("portal_payments", "What payments came to.", ["method", "outcome"])
SETTLED_SECONDS: Final = Histogram(
    "portal_payment_settled_seconds", "From when a payment was begun until it was settled.", ["method"],
    buckets=(2, 5, 15, 60, 300, 3_600, 86_400, 604_800),
)  # fmt: skip
# "what": "request" (an app sent it again), "payment" (one of the same is under way).
DUPLICATES_STOPPED: Final = Counter(
    "portal_duplicates_stopped", "What would have been done twice, and was not.", ["what"]
)
OPEN_REFUNDS: Final = Gauge(
    "portal_open_refunds",
    "Refunds that are undecided, under way, or failed and not dealt with.",
    ["state"],
)
WEBHOOK_ARRIVAL_SECONDS: Final = Histogram(
    "portal_webhook_arrival_seconds",
    "From an event at Stripe until its webhook was here.",
    buckets=(1, 2, 5, 15, 60, 300, 3_600),
)
WEBHOOK_APPLIED_SECONDS: Final = Histogram(
    "portal_webhook_applied_seconds",
    "From a webhook until what it tells was applied.",
    buckets=(0.2, 0.5, 1, 2, 5, 15, 60, 300),
)
# To customers' systems: "outcome" is "delivered", "later" or "failed".
DELIVERIES: Final = Counter(
    "portal_deliveries", "Tries to deliver an event to an endpoint of a customer's.", ["outcome"]
)

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


# What web processes count; the rest is the workers' to tell, who may ask the database.
_OF_WEB: Final = (
    REQUESTS, REQUEST_SECONDS, CONNECTIONS_IN_USE, STRIPE_CALLS, STRIPE_SECONDS, LEFT_ALONE, PAYMENTS, SETTLED_SECONDS,
    DUPLICATES_STOPPED, WEBHOOK_ARRIVAL_SECONDS,
)  # fmt: skip


class _OfWeb:
    """Those of _OF_WEB, of all web processes together where they share a directory, else of this one."""

    def collect(self) -> Iterator[Metric]:
        ours = [metric for counted in _OF_WEB for metric in counted.collect()]
        if values.ValueClass is values.MutexValue:
            yield from ours
            return
        names = {metric.name for metric in ours}  # the process was started with PROMETHEUS_MULTIPROC_DIR
        every = MultiProcessCollector(CollectorRegistry()).collect()  # type: ignore[no-untyped-call]
        yield from (metric for metric in every if metric.name in names)


def of_web() -> bytes:
    """What web processes have counted, as Prometheus reads it."""
    return generate_latest(_OfWeb())


def serve() -> None:
    """Serve all of this at /metrics in a thread of its own, where the settings name a port. Raises OSError when it is taken."""
    settings = config.current()
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.metrics_host)
