"""Jobs in our own table, written in the transaction of the change that calls for them (portal.jobs.job).

A worker (portal.jobs.workers) claims a job with a lease, renews it while the job runs outside any transaction, and marks it done. When the
worker dies, the lease runs out and another takes the job: so a job may run twice, and every handler must bear that. A job whose service
does not answer waits for the service. Why our own table and not a queue library: docs/decisions/0001-jobs-in-our-own-table.md.
"""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, Select, delete, func, literal_column, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from portal.core import audit, clock, db, metrics, recovery
from portal.core.db import database_moment, database_now
from portal.core.errors import PortalError
from portal.jobs import outages, own_jobs
from portal.jobs.job import declared, periodic
from portal.jobs.lanes import Lane
from portal.jobs.models import DEAD, FAILED, QUEUED, WAITING, JobRow, JobStatus

log = structlog.get_logger(__name__)

# After this the worker is taken for dead: it missed two heartbeats.
LEASE_SECONDS: Final = 30
# Waits between attempts, in seconds: quick after a hiccup, hours once somebody has to look. Twelve attempts span about eight hours.
BACKOFF_SECONDS: Final = (1, 2, 4, 8, 30, 120, 600, 1800, 3600, 7200, 14400, 28800)
MOST_ATTEMPTS: Final = len(BACKOFF_SECONDS)
# From the first try to the last, which no wait follows.
HOURS_OF_ATTEMPTS: Final = round(sum(BACKOFF_SECONDS[:-1]) / 3600)

# A job whose service does not answer is tried so often by the schedule, for most times that is a hiccup. Then it is set down for a time
# that never comes, unless nobody looks: workers have one of those that wait for a service try it now and then, and when one succeeds,
# all are due.
FAST_RETRIES: Final = 4
PARK_FOR: Final = timedelta(days=1)
# Nobody knows what such an old job was about, and a service that was away for so long is not coming back by itself.
GIVE_UP_AFTER: Final = timedelta(days=7)
# Done jobs are kept this long for whoever asks what happened, in days.
KEEP_DONE_DAYS: Final = 14

# Staff get one mail about all jobs that died within the same span, so that a bad day of the mail server does not bury them in mail
# afterwards. It leaves when the span is over and those who were just writing into it are done. Seconds.
ALERT_SPAN_SECONDS: Final = 300
ALERT_GRACE_SECONDS: Final = 30

# So many of what has lost its job get one at a time; those that have a job then are not found any more.
MOST_REQUEUED: Final = 200
# Periodic jobs leave a row a minute, about which nobody asks later.
KEEP_PERIODIC: Final = timedelta(days=1)


class Reschedule(Exception):
    """Raised by a handler whose time has not come: run again in `seconds`; it is no failure, and ends a row of failures."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"again in {seconds} s")


@dataclass(frozen=True, slots=True)
class Claimed:
    id: str
    name: str
    args: dict[str, Any]
    attempts: int
    waits_for: str | None = None
    waits_since: datetime | None = None
    lane: Lane = Lane.MONEY


def claim(owner: str, most: int, lease_seconds: int = LEASE_SECONDS, lanes: Sequence[Lane] = ()) -> list[Claimed]:
    """Take up to `most` due jobs for `owner`, oldest first; no one else gets them until the lease runs out.

    With `lanes`, those of the first of them that has some; without, whatever lane they are of.
    """
    with db.reading_once() as session:  # an idle worker must not ask SQLite for its one write lock
        found = _lanes_with_some(session, lanes, held=False)
        held = bool(found) and recovery.is_on(session)
        if held:
            found = _lanes_with_some(session, lanes, held=True)
    for lane in found:
        if taken := _take(owner, most, lease_seconds, lane, held=held):
            return taken
    return []


def _lanes_with_some(session: Session, lanes: Sequence[Lane], *, held: bool) -> list[Lane | None]:
    """Those of these lanes of which a job is due, in their order; None stands for all lanes."""
    wanted: list[Lane | None] = [*lanes] or [None]
    dues = [_due(database_moment(session), 1, lane) for lane in wanted]
    heads = [(_not_held(due) if held else due).with_only_columns(JobRow.id).scalar_subquery() for due in dues]
    (row,) = session.execute(select(*heads))
    return [lane for lane, head in zip(wanted, row, strict=True) if head is not None]


def _take(owner: str, most: int, lease_seconds: int, lane: Lane | None, *, held: bool) -> list[Claimed]:
    with db.transaction() as session:
        now = database_moment(session)
        due = _due(now, most, lane)
        lease = database_moment(session, lease_seconds)
        taken = session.execute(_claiming(_not_held(due) if held else due, owner, lease)).all()
        poisoned = {job.id: job.name for job in taken if job.attempts > MOST_ATTEMPTS}
        if poisoned:
            _bury(session, poisoned)
        oldest_first = sorted((job for job in taken if job.id not in poisoned), key=lambda job: job.run_at)
        return [
            Claimed(job.id, job.name, dict(job.args), job.attempts, job.waits_for, job.waits_since, Lane(job.lane))
            for job in oldest_first
        ]


def _claiming(due: Select[JobRow], owner: str, lease_until: Any) -> ReturningUpdate[Any]:
    """The statement that takes these jobs: their rows are locked as they are read, and nobody waits for another's."""
    found = due.with_only_columns(JobRow.id).with_for_update(skip_locked=True).cte("due")
    jobs = JobRow.metadata.tables[JobRow.__tablename__]
    lease = {"lease_until": lease_until, "lease_owner": owner, "attempts": jobs.c.attempts + 1}
    told = [jobs.c[name] for name in ("id", "name", "args", "attempts", "run_at", "waits_for", "waits_since", "lane")]
    return update(jobs).where(jobs.c.id.in_(select(found.c.id))).values(lease).returning(*told)


def _bury(session: Session, names: Mapping[str, str]) -> None:
    """These were begun for the last time and never ended: no failure was recorded, so their worker died, as it may have each time."""
    now = database_now(session)
    dead = {
        "status": JobStatus.DEAD,
        "attempts": MOST_ATTEMPTS,
        "finished_at": now,
        "lease_until": None,
        "lease_owner": None,
    }
    dead |= {"last_error": "the worker died in the last try", "failing_since": _first_failure(session)}
    session.execute(update(JobRow).where(JobRow.id.in_(list(names))).values(dead))
    for job_id, name in names.items():
        log.error("job_dead", job=name, job_id=job_id, attempts=MOST_ATTEMPTS)
        _alert(session, name, now)


def _due(now: Any, most: int, lane: Lane | None = None) -> Select[JobRow]:
    free = JobRow.lease_until.is_(None) | (JobRow.lease_until < now)
    queued = JobRow.status == literal_column(f"'{JobStatus.QUEUED}'")  # written out: see db.inline_literals
    due = select(JobRow).where(queued, JobRow.run_at <= now, free).order_by(JobRow.run_at).limit(most)
    return due if lane is None else due.where(JobRow.lane == literal_column(str(lane.value)))


def oldest_due(session: Session) -> dict[Lane, datetime | None]:
    """Since when the oldest job of each lane has been due that nobody has begun; None where none is."""
    now = database_now(session)
    heads = [_due(now, 1, lane).with_only_columns(JobRow.run_at).scalar_subquery() for lane in Lane]
    (row,) = session.execute(select(*heads))
    return dict(zip(Lane, row, strict=True))


def _not_held(due: Select[JobRow]) -> Select[JobRow]:
    """Only what may be done in recovery mode."""
    return due.where(JobRow.name.in_(sorted(names_in_recovery())))


def renew(owner: str, job_ids: Iterable[str]) -> None:
    """Keep the leases of these jobs, as far as they are still the owner's, for as long as a new one lasts."""
    with db.transaction() as session:
        until = database_now(session) + timedelta(seconds=LEASE_SECONDS)
        session.execute(
            update(JobRow).where(JobRow.id.in_(list(job_ids)), JobRow.lease_owner == owner).values(lease_until=until)
        )


def run(job: Claimed, owner: str) -> None:
    """Run one claimed job and record its outcome. A failure backs off; after the last try, or when no other try can help, it is dead
    and alerts.

    When it was a service that did not answer, the job waits for it, and is dead after GIVE_UP_AFTER only.
    """
    started = time.monotonic()
    with structlog.contextvars.bound_contextvars(job=job.name, job_id=job.id):
        try:
            known = declared().get(job.name)
            if known is None:
                raise LookupError(f"nothing here handles {job.name}")
            with audit.acting(audit.Actor("worker", job.name)):
                known.run(**job.args)
        except recovery.InRecovery as held:  # it came on while the job ran
            _close(job, owner, again_in=held.retry_after, counted=False)
            metrics.JOBS.labels(job.name, "later").inc()
        except Reschedule as later:
            _close(job, owner, again_in=later.seconds, counted=False)
            metrics.JOBS.labels(job.name, "later").inc()
        except Exception as error:  # noqa: BLE001  # whatever it was is logged, kept with the job, and tried again
            _fail(job, owner, error)
        else:
            _close(job, owner)
            metrics.JOBS.labels(job.name, "done").inc()
            metrics.JOB_SECONDS.labels(job.name).observe(time.monotonic() - started)
            log.info("job_done", milliseconds=round((time.monotonic() - started) * 1000))


def _fail(job: Claimed, owner: str, error: Exception) -> None:
    reason = _reason(error)
    service = outages.service_of(error)
    if service is not None and (job.waits_since is None or clock.now() - job.waits_since < GIVE_UP_AFTER):
        log.warning("job_waits", service=service, attempts=job.attempts, exc_info=error)
        _wait(job, owner, service, reason)
        metrics.JOBS.labels(job.name, "waits").inc()
        return
    if service is not None or job.attempts >= MOST_ATTEMPTS or outages.is_final(error):
        log.error("job_dead", attempts=job.attempts, exc_info=error)
        _close(job, owner, dead=True, error=reason)
        metrics.JOBS.labels(job.name, "dead").inc()
        return
    wait = wait_after(job.attempts)
    log.warning("job_failed", attempts=job.attempts, again_in=round(wait, 1), exc_info=error)
    _close(job, owner, again_in=wait, error=reason)
    metrics.JOBS.labels(job.name, "failed").inc()


def _reason(error: BaseException) -> str:
    """What staff read of a failure: what it was and what it came of. The message of a PortalError is made for customers."""
    if not isinstance(error, PortalError):
        return "".join(traceback.format_exception_only(error)).strip()
    facts = "".join(f", {name}: {value}" for name, value in error.facts.items())
    cause = f": {_reason(error.__cause__)}" if error.__cause__ else ""
    return f"{type(error).__name__} ({error.code}{facts}){cause}"


def wait_after(attempts: int) -> float:
    """Seconds until the next try after so many that failed, fewer than MOST_ATTEMPTS; scattered, so that not all come at once."""
    return BACKOFF_SECONDS[attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311  # no secret


def _close(
    job: Claimed,
    owner: str,
    *,
    again_in: float | None = None,
    counted: bool = True,
    dead: bool = False,
    error: str | None = None,
) -> None:
    """Write the outcome. A job that got further than a service that it waited for wakes all others that wait for it."""
    with db.transaction() as session:
        values: dict[str, Any] = {"last_error": error, "waits_for": None, "waits_since": None}
        values["failing_since"] = None if error is None else _first_failure(session)
        if again_in is not None:
            values["run_at"] = database_moment(session, again_in)
            if not counted:
                values["attempts"] = 0  # it went well so far: earlier failures are over
        else:
            values |= {"status": JobStatus.DEAD if dead else JobStatus.DONE, "finished_at": database_moment(session)}
        written = _write(session, job, owner, values)
        if dead and written:
            _alert(session, job.name, database_now(session))
        if error is None and job.waits_for is not None:
            log.info("service_is_back", service=job.waits_for)
            awaited = update(JobRow).where(WAITING, JobRow.waits_for == job.waits_for)
            session.execute(awaited.values(run_at=database_moment(session), waits_for=None))


def _first_failure(session: Session) -> ColumnElement[Any]:
    return func.coalesce(JobRow.failing_since, database_moment(session))


def _wait(job: Claimed, owner: str, service: str, reason: str) -> None:
    """Set a job down until its service answers: such attempts are not counted, for however many there are, none is the job's fault."""
    with db.transaction() as session:
        now = database_now(session)
        patient = job.attempts >= FAST_RETRIES
        values = {
            "run_at": now + (PARK_FOR if patient else timedelta(seconds=wait_after(job.attempts))),
            "attempts": min(job.attempts, FAST_RETRIES),
            "last_error": reason,
            "waits_for": service,
            "waits_since": job.waits_since or now,
            "failing_since": func.coalesce(JobRow.failing_since, job.waits_since or now),
        }
        _write(session, job, owner, values)


def _write(session: Session, job: Claimed, owner: str, values: dict[str, Any]) -> bool:
    """Unless the lease has passed to someone else in the meantime: then theirs counts."""
    jobs = JobRow.metadata.tables[JobRow.__tablename__]
    mine = update(jobs).where(jobs.c.id == job.id, jobs.c.lease_owner == owner)
    written = session.execute(mine.values(lease_until=None, lease_owner=None, **values))
    return bool(written.rowcount)  # type: ignore[attr-defined]


def close_unstarted(session: Session, keys: Sequence[str]) -> None:
    """Mark the jobs with these keys as done, in the caller's transaction that has done their work; one that is being run ends by itself."""
    if not keys:
        return
    queued = update(JobRow).where(JobRow.unique_key.in_(keys), QUEUED, JobRow.lease_owner.is_(None))
    session.execute(
        queued.values(status=JobStatus.DONE, finished_at=database_now(session), waits_for=None, waits_since=None)
    )


def _alert(session: Session, name: str, now: datetime) -> None:
    """Have staff told, once, of a job that is dead as of now; never of one that was to tell them of others."""
    if name == own_jobs.mail_dead.name:
        return
    span = int(now.timestamp()) // ALERT_SPAN_SECONDS
    wait = (span + 1) * ALERT_SPAN_SECONDS - now.timestamp() + ALERT_GRACE_SECONDS
    own_jobs.mail_dead.enqueue_in(session, wait, span=span)


def died_in(session: Session, span: int) -> list[JobRow]:
    """The jobs that died in this span and have not been revived since, in the order of their deaths."""
    begins = clock.from_epoch(span * ALERT_SPAN_SECONDS)
    ends = begins + timedelta(seconds=ALERT_SPAN_SECONDS)
    died = (DEAD, JobRow.finished_at >= begins, JobRow.finished_at < ends)
    found = select(JobRow).where(*died, JobRow.name != own_jobs.mail_dead.name)
    return list(session.scalars(found.order_by(JobRow.finished_at, JobRow.id)))


def run_due(owner: str = "inline", most: int = 100) -> int:
    """Run what is due now, one after the other, in this thread; returns how many. For tests and one-shot commands."""
    done = 0
    while done < most and (jobs := claim(owner, 1)):
        run(jobs[0], owner)
        done += 1
    return done


def enqueue_periodic(session: Session) -> None:
    """Leave a job for each periodic one whose period has begun; its key makes it one however many workers ask.

    In recovery mode none is left that would wait, for they would all run at its end.
    """
    held = recovery.is_on(session)
    for one in periodic():
        if one.in_recovery or not held:
            one.enqueue_for_period(session)


def names_in_recovery() -> frozenset[str]:
    """The names of the jobs that are done also in recovery mode (portal.core.recovery): they move no money and give out no number."""
    return frozenset(one.name for one in declared().values() if one.in_recovery)


def periodic_names() -> list[str]:
    """The names of the jobs that workers enqueue by themselves."""
    return [one.name for one in periodic()]


def revive(session: Session, job_id: str) -> bool:
    """Let a job that is dead, or waits after a failure, try again now and from the start, in the caller's transaction.

    False for any other job, which stays as it is: one that is done, was never tried, or is being run.
    """
    now = database_now(session)
    free = JobRow.lease_until.is_(None) | (JobRow.lease_until < now)
    revived = session.execute(
        update(JobRow)
        .where(JobRow.id == job_id, or_(DEAD, FAILED), JobRow.status != JobStatus.DONE, free)
        .values(status=JobStatus.QUEUED, attempts=0, run_at=now, finished_at=None, waits_for=None, waits_since=None)
    )
    return bool(revived.rowcount)  # type: ignore[attr-defined]


@own_jobs.sweep.handler
def sweep() -> None:
    """Forget done jobs after their time."""
    with db.transaction() as session:
        now = database_now(session)
        done = delete(JobRow).where(JobRow.status == JobStatus.DONE)
        session.execute(done.where(JobRow.finished_at < now - timedelta(days=KEEP_DONE_DAYS)))
        session.execute(done.where(JobRow.finished_at < now - KEEP_PERIODIC, JobRow.name.in_(periodic_names())))
