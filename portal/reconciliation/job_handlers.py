"""The worker's runs: every few minutes from where the last one ended, and once a day over all that may still change."""

from math import nan

from portal.core import db, metrics
from portal.jobs import own_jobs
from portal.reconciliation import jobs, queries, recovering, service
from portal.reconciliation.models import RunKind

own_jobs.tend_recovery.handler(recovering.tend)


@jobs.frequent.handler
def frequent() -> None:
    service.leave(RunKind.FREQUENT)


@jobs.nightly.handler
def nightly() -> None:
    service.leave(RunKind.NIGHTLY)


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


def _open_discrepancies() -> float:
    """As the database has it, whichever worker ran last."""
    try:
        with db.reading() as session:
            return len(queries.open_discrepancies(session))
    except db.UNREACHABLE:
        return nan


def _last_reconciliation() -> float:
    """When the last run ended, in seconds since 1970; not a number before the first."""
    try:
        with db.reading() as session:
            latest = queries.latest_finished(session)
    except db.UNREACHABLE:
        return nan
    return latest.finished_at.timestamp() if latest is not None and latest.finished_at is not None else nan


metrics.OPEN_DISCREPANCIES.set_function(_open_discrepancies)
metrics.LAST_RECONCILIATION.set_function(_last_reconciliation)
