"""Workers: they run the jobs of portal.jobs.outbox, several at a time, and show while a job runs that they are alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.core import db, metrics, recovery
from portal.core.db import database_now
from portal.jobs import outages, outbox, own_jobs
from portal.jobs.lanes import Lane, Shares
from portal.jobs.models import FINISHED, QUEUED, WAITING, JobRow
from portal.jobs.outbox import BACKOFF_SECONDS, FAST_RETRIES, LEASE_SECONDS, Claimed

log = structlog.get_logger(__name__)

# How often an idle worker looks, in seconds: one read of a small partial index. NOTIFY would make every commit that
# enqueues queue up behind a lock of PostgreSQL's own.
POLL_SECONDS: Final = 0.25
# How often a worker asks whether a periodic job's time has come, and has one job try a service that was away. Seconds.
HOUSEKEEPING_SECONDS: Final = 10
# A lease bears two heartbeats that did not arrive. Seconds.
HEARTBEAT_SECONDS: Final = 10
# No job takes so long: one that does hangs, and its lease is left to run out. Seconds.
LONGEST_RUN_SECONDS: Final = 3600

# From when on staff are told that a service is away.
TOLD_AFTER: Final = timedelta(minutes=15)
# A clock that is corrected by less than this was not set back.
CLOCK_TOLERANCE: Final = timedelta(seconds=5)
# What was due so long after the last job was done counts as due by the clock as it was: then periodic jobs have been done since.
CLOCK_MARGIN: Final = timedelta(minutes=5)


def work(
    owner: str,
    stop: threading.Event,
    threads: int = 4,
    context: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Run jobs until `stop` is set, then finish those begun. Any number of workers may run beside each other.

    No two of them may have the same `owner`. Each job runs within `context()`: the application context that sending mail needs.
    """
    next_housekeeping = 0.0
    free = threading.Semaphore(threads)
    running: dict[str, float] = {}  # since when, by the monotonic clock
    lanes: dict[str, Lane] = {}
    shares = Shares(threads)

    def run_and_free(job: Claimed) -> None:
        try:
            with context():
                outbox.run(job, owner)
        except Exception:
            log.exception("job_outcome_unrecorded", job_id=job.id)  # its lease runs out and it is taken again
        finally:
            running.pop(job.id, None)
            lanes.pop(job.id, None)
            free.release()

    with _heartbeat(owner, running), ThreadPoolExecutor(threads, thread_name_prefix="job") as pool:
        while not stop.is_set():
            if not free.acquire(timeout=POLL_SECONDS):
                continue
            if stop.is_set():  # while all threads were busy: what has not begun is left to others
                break
            jobs: list[Claimed] = []
            try:
                if time.monotonic() >= next_housekeeping:
                    next_housekeeping = time.monotonic() + HOUSEKEEPING_SECONDS
                    housekeeping()
                jobs = outbox.claim(owner, 1, lanes=shares.open(list(lanes.values())))
            except db.UNREACHABLE as error:
                log.error("database_unreachable", exc_info=error)
            if jobs:
                running[jobs[0].id] = time.monotonic()
                lanes[jobs[0].id] = jobs[0].lane
                pool.submit(run_and_free, jobs[0])
            else:
                free.release()
                stop.wait(POLL_SECONDS)


def housekeeping() -> None:
    """What a worker sees to now and then, whichever others do, too."""
    with db.transaction() as session:
        if recovery.notice(session):
            own_jobs.tend_recovery.enqueue(session)
        mend_times(session)
        outbox.enqueue_periodic(session)
        for lane, since in outbox.oldest_due(session).items():
            due_for = database_now(session) - since if since else timedelta()
            metrics.OLDEST_DUE.labels(lane.name.lower()).set(max(due_for.total_seconds(), 0))
        away = {outage.service: outage for outage in outages_now(session)}
        for service in outages.SERVICES:
            lasted = database_now(session) - away[service].since if service in away else timedelta()
            metrics.OUTAGE_SECONDS.labels(service).set(max(lasted.total_seconds(), 0))
        for outage in away.values():
            try_one(session, outage.service)
            _tell(session, outage)


def mend_times(session: Session) -> None:
    """After the database's clock was set back: nobody sleeps until it is again as late as it was.

    What has been done may not lie in the future. Where it does, what was due by then is due now, no lease lasts longer than a new one, and
    what was done is done now; so a second call, or another worker's, finds nothing to mend. A step forward needs no mending: leases run
    out early, and jobs bear being run twice.
    """
    now = database_now(session)
    last_done = select(JobRow.finished_at).where(FINISHED).order_by(JobRow.finished_at.desc()).limit(1)
    newest = session.scalar(last_done)
    if newest is None or newest <= now + CLOCK_TOLERANCE:
        return
    metrics.CLOCK_SET_BACK.inc()
    log.warning("clock_was_set_back", seconds=round((newest - now).total_seconds()))
    was_due = update(JobRow).where(QUEUED, JobRow.run_at <= newest + CLOCK_MARGIN)
    lease = now + timedelta(seconds=LEASE_SECONDS)
    session.execute(was_due.where(JobRow.lease_until > lease).values(lease_until=lease))
    session.execute(was_due.where(JobRow.run_at > now).values(run_at=now))
    # The keys of periodic jobs name their periods, which come again.
    ahead = update(JobRow).where(FINISHED, JobRow.finished_at > now)
    session.execute(ahead.where(JobRow.name.in_(outbox.periodic_names())).values(unique_key=None))
    session.execute(ahead.values(finished_at=now))


@dataclass(frozen=True, slots=True)
class Outage:
    """A service of portal.jobs.outages that jobs wait for: since when, and how many."""

    service: str
    since: datetime
    jobs: int


def outages_now(session: Session) -> list[Outage]:
    """The services that jobs wait for, in the order of their names."""
    rows = session.execute(
        select(JobRow.waits_for, func.min(JobRow.waits_since), func.count())
        .where(WAITING)
        .group_by(JobRow.waits_for)
        .order_by(JobRow.waits_for)
    )
    return [Outage(str(service), since, number) for service, since, number in rows if since is not None]


def try_one(session: Session, service: str) -> bool:
    """Have one of the jobs that wait for this service tried now: the one that was not tried for longest.

    So one that fails for a reason of its own does not keep the others waiting. False when another is about to be tried anyway.
    """
    now = database_now(session)
    waiting = select(JobRow).where(WAITING, JobRow.waits_for == service).order_by(JobRow.run_at).limit(1)
    first = session.scalars(waiting.with_for_update(skip_locked=True)).one_or_none()
    if first is None or first.run_at <= now + timedelta(seconds=BACKOFF_SECONDS[FAST_RETRIES - 1] * 1.5):
        return False
    first.run_at = now
    return True


def _tell(session: Session, outage: Outage) -> None:
    """Say once of a service that it has been away for long: in the log, and in a mail to staff, which may have to wait itself."""
    if database_now(session) - outage.since < TOLD_AFTER:
        return
    since = int(outage.since.timestamp())
    if own_jobs.mail_outage.enqueue(session, service=outage.service, since=since):
        log.error("service_is_away", service=outage.service, since=outage.since.isoformat(), jobs=outage.jobs)


@contextmanager
def _heartbeat(owner: str, running: dict[str, float]) -> Iterator[None]:
    """Renew the leases of what is running, from a thread of its own, until the block ends.

    Whoever cannot renew goes on: then the job may run twice, which its handler bears.
    """
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            renewed = [one for one, since in running.copy().items() if time.monotonic() - since < LONGEST_RUN_SECONDS]
            if not renewed:
                continue
            try:
                outbox.renew(owner, renewed)
            except Exception:
                log.exception("leases_not_renewed", jobs=len(renewed))

    beating = threading.Thread(target=beat, name="heartbeat", daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
