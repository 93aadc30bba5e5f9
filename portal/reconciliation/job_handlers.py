"""The worker's runs: every few minutes from where the last one ended, and once a day over all that may still change."""

from math import nan

from sqlalchemy.orm import Session

from portal.core import metrics
from portal.jobs import own_jobs
from portal.reconciliation import balances, jobs, queries, recovering, service
from portal.reconciliation.models import RunKind

own_jobs.tend_recovery.handler(recovering.tend)


@jobs.frequent.handler
def frequent() -> None:
    service.leave(RunKind.FREQUENT)


@jobs.nightly.handler
def nightly() -> None:
    service.leave(RunKind.NIGHTLY)


@jobs.keep_balances.handler
def keep_balances() -> None:
    balances.keep()


@jobs.walk.handler
def walk(reconciliation_id: str) -> None:
    """When its process is killed the job comes again, and goes on behind the last batch."""
    try:
        with metrics.RECONCILIATION_SECONDS.time():
            service.execute(reconciliation_id)
            recovering.tend()
    except Exception:
        metrics.RECONCILIATIONS.labels("failed").inc()
        raise
    metrics.RECONCILIATIONS.labels("done").inc()


def _last_reconciliation(session: Session) -> float:
    """When the last run ended, in seconds since 1970; not a number before the first."""
    latest = queries.latest_finished(session)
    return latest.finished_at.timestamp() if latest is not None and latest.finished_at is not None else nan


metrics.read_from_database(metrics.OPEN_DISCREPANCIES, lambda session: len(queries.open_discrepancies(session)))
metrics.read_from_database(metrics.LAST_RECONCILIATION, _last_reconciliation)
