"""Jobs in our own table, written in the transaction of the change that calls for them.

A worker (portal.jobs.workers) claims a job with a lease, renews it while the job runs outside any transaction, and marks it done. When the
worker dies, the lease runs out and another takes the job: so a job may run twice, and every handler must bear that. A job whose service
does not answer waits for the service. Why our own table and not a queue library: docs/decisions/0001-jobs-in-our-own-table.md.
"""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import (
    JSON,
    ColumnElement,
    Index,
    Integer,
    Select,
    String,
    Text,
    and_,
    delete,
    exists,
    insert,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import audit, clock, crash, db, metrics, recovery
from portal.core.db import Base, UTCDateTime, database_now, new_id, one_of
from portal.core.errors import PortalError
from portal.jobs import outages

log = structlog.get_logger(__name__)

# After this the worker is taken for dead: it missed two heartbeats.
LEASE_SECONDS: Final = 30
# Waits between tries, in seconds: quick after a hiccup, hours once somebody has to look. Twelve tries span about eight hours.
BACKOFF_SECONDS: Final = (1, 2, 4, 8, 30, 120, 600, 1800, 3600, 7200, 14400, 28800)
MOST_TRIES: Final = len(BACKOFF_SECONDS)
# From the first try to the last, which no wait follows.
HOURS_OF_TRIES: Final = round(sum(BACKOFF_SECONDS[:-1]) / 3600)

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
MAIL_DEAD: Final = "outbox.mail_dead"

# What should have a job has lost it, or it died. Then there is one again, after a job that ended not before this time.
START_OVER_AFTER: Final = timedelta(days=1)
# So many at a time; those that have a job then are not found any more.
MOST_STARTED_OVER: Final = 200
# Periodic jobs leave a row a minute, about which nobody asks later.
KEEP_PERIODIC: Final = timedelta(days=1)

STATES: Final = ("queued", "done", "dead")
# Jobs that failed in their last try: the dead ones, and those that are tried again.
FAILED: Final = text("last_error IS NOT NULL")
DEAD: Final = text("state = 'dead'")


# No index begins with the state: SQLite would take it for the due jobs, and sort all that are queued.
QUEUED: Final = text("state = 'queued'")
FINISHED: Final = text("finished_at IS NOT NULL")
_ENDED: Final = text("state <> 'queued'")
WAITING: Final = text("waits_for IS NOT NULL")


class Job(Base):
    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    args: Mapped[dict[str, Any]] = mapped_column(JSON)
    unique_key: Mapped[str | None] = mapped_column(String(160), unique=True)
    state: Mapped[str] = mapped_column(String(10), default="queued")
    tries: Mapped[int] = mapped_column(Integer, default=0)
    run_at: Mapped[datetime] = mapped_column(UTCDateTime)
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    last_error: Mapped[str | None] = mapped_column(Text)
    # The service that did not answer in the last try (see portal.jobs.outages), and since when the job has got no further for that reason.
    waits_for: Mapped[str | None] = mapped_column(String(20))
    waits_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        one_of("state", STATES),
        Index("ix_jobs_due", "run_at", sqlite_where=QUEUED, postgresql_where=QUEUED),
        Index("ix_jobs_finished", "finished_at", "id", sqlite_where=FINISHED, postgresql_where=FINISHED),
        Index("ix_jobs_dead", "finished_at", "id", sqlite_where=DEAD, postgresql_where=DEAD),
        Index("ix_jobs_waiting", "waits_for", "run_at", sqlite_where=WAITING, postgresql_where=WAITING),
        Index("ix_jobs_failed", "created_at", "id", sqlite_where=FAILED, postgresql_where=FAILED),
    )


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
    tries: int
    waits_for: str | None = None
    waits_since: datetime | None = None


Handler = Callable[..., None]
_handlers: dict[str, Handler] = {}
_periodic: dict[str, int] = {}
# What workers do also in recovery mode (portal.core.recovery): it moves no money and gives out no number.
_in_recovery: set[str] = set()


def handles(name: str, *, every_seconds: int | None = None, in_recovery: bool = False) -> Callable[[Handler], Handler]:
    """Register the function that runs the jobs of this name; it gets the job's args as keywords.

    With `every_seconds` (and no args) the worker enqueues it by itself, once a period however many workers there are. In recovery mode
    jobs wait, unless they are `in_recovery`.
    """

    def register(handler: Handler) -> Handler:
        _handlers[name] = handler
        if every_seconds:
            _periodic[name] = every_seconds
        if in_recovery:
            _in_recovery.add(name)
        return handler

    return register


def periodic() -> dict[str, int]:
    """The jobs that the worker enqueues by itself, of the modules that are loaded: names and periods in seconds."""
    return dict(_periodic)


def enqueue(
    session: Session, name: str, /, *, delay_seconds: float = 0, key: str | None = None, **args: str | int | None
) -> bool:
    """Leave a job in the caller's transaction. With `key`, a second job of that key is not made, even after the first ran.

    Returns whether one was made.
    """
    crash.point("job to enqueue")
    now = database_now(session)
    row = {
        "id": new_id("job"),
        "name": name,
        "args": args,
        "unique_key": key,
        "state": "queued",
        "tries": 0,
        "run_at": now + timedelta(seconds=delay_seconds),
        "created_at": now,
    }
    if key is None:
        session.execute(insert(Job).values(row))
        return True
    upsert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    unless_known = upsert(Job).values(row).on_conflict_do_nothing(index_elements=["unique_key"]).returning(Job.id)
    return session.execute(unless_known).first() is not None


def without_job(session: Session, *keys: ColumnElement[str], ever: bool = False) -> ColumnElement[bool]:
    """That no job of any of these keys is queued, or has ended within START_OVER_AFTER (with `ever`: is known at all).

    For the queries by which a feature finds what has lost its job.
    """
    recent = database_now(session) - START_OVER_AFTER
    alive = true() if ever else or_(Job.state == literal_column("'queued'"), Job.finished_at > recent)
    return and_(*(~exists().where(Job.unique_key == key, alive) for key in keys))


def start_over(session: Session, name: str, /, *, key: str, **args: str | int | None) -> None:
    """Leave a job for what has none: a new one, or that of this key from the start, when it has ended; in the caller's transaction.

    A job that is queued stays as it is.
    """
    if enqueue(session, name, key=key, **args):  # type: ignore[arg-type]  # no argument of a job is called delay_seconds
        return
    again = {"state": "queued", "tries": 0, "run_at": database_now(session), "finished_at": None}
    session.execute(update(Job).where(Job.unique_key == key, _ENDED).values(again))


def claim(owner: str, most: int, lease_seconds: int = LEASE_SECONDS) -> list[Claimed]:
    """Take up to `most` due jobs for `owner`, oldest first; no one else gets them until the lease runs out."""
    with db.reading() as session:  # an idle worker must not ask SQLite for its one write lock
        if session.execute(_due(database_now(session), 1)).first() is None:
            return []
        if recovery.is_on(session) and session.execute(_not_held(_due(database_now(session), 1))).first() is None:
            return []
    with db.transaction() as session:
        now = database_now(session)
        due = _due(now, most)
        if recovery.is_on(session):
            due = _not_held(due)
        jobs = session.execute(due.with_for_update(skip_locked=True)).scalars().all()
        poisoned = [job for job in jobs if job.tries >= MOST_TRIES]
        for job in poisoned:  # no failure was recorded, so its worker died, as it may have each time
            job.state, job.finished_at, job.lease_until, job.lease_owner = "dead", now, None, None
            job.last_error = "the worker died in the last try"
            log.error("job_dead", job=job.name, job_id=job.id, tries=job.tries)
            _alert(session, job.name, now)
        taken = [job for job in jobs if job not in poisoned]
        for job in taken:
            job.lease_until = now + timedelta(seconds=lease_seconds)
            job.lease_owner = owner
            job.tries += 1
        return [Claimed(job.id, job.name, dict(job.args), job.tries, job.waits_for, job.waits_since) for job in taken]


def _due(now: datetime, most: int) -> Select[Job]:
    free = Job.lease_until.is_(None) | (Job.lease_until < now)
    queued = Job.state == literal_column("'queued'")  # written out: see db.inline_literals
    return select(Job).where(queued, Job.run_at <= now, free).order_by(Job.run_at).limit(most)


def _not_held(due: Select[Job]) -> Select[Job]:
    """Only what may be done in recovery mode."""
    return due.where(Job.name.in_(sorted(_in_recovery)))


def renew(owner: str, job_ids: Iterable[str]) -> None:
    """Keep the leases of these jobs, as far as they are still the owner's, for as long as a new one lasts."""
    with db.transaction() as session:
        until = database_now(session) + timedelta(seconds=LEASE_SECONDS)
        session.execute(
            update(Job).where(Job.id.in_(list(job_ids)), Job.lease_owner == owner).values(lease_until=until)
        )


def run(job: Claimed, owner: str) -> None:
    """Run one claimed job and record its outcome. A failure backs off; after the last try, or when no other try can help, it is dead
    and alerts.

    When it was a service that did not answer, the job waits for it, and is dead after GIVE_UP_AFTER only.
    """
    started = time.monotonic()
    with structlog.contextvars.bound_contextvars(job=job.name, job_id=job.id):
        try:
            handler = _handlers.get(job.name)
            if handler is None:
                raise LookupError(f"nothing here handles {job.name}")
            with audit.acting(audit.Actor("worker", job.name)):
                handler(**job.args)
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
        log.warning("job_waits", service=service, tries=job.tries, exc_info=error)
        _wait(job, owner, service, reason)
        metrics.JOBS.labels(job.name, "waits").inc()
        return
    if service is not None or job.tries >= MOST_TRIES or outages.is_final(error):
        log.error("job_dead", tries=job.tries, exc_info=error)
        _close(job, owner, dead=True, error=reason)
        metrics.JOBS.labels(job.name, "dead").inc()
        return
    wait = wait_after(job.tries)
    log.warning("job_failed", tries=job.tries, again_in=round(wait, 1), exc_info=error)
    _close(job, owner, again_in=wait, error=reason)
    metrics.JOBS.labels(job.name, "failed").inc()


def _reason(error: BaseException) -> str:
    """What staff read of a failure: what it was and what it came of. The message of a PortalError is made for customers."""
    if not isinstance(error, PortalError):
        return "".join(traceback.format_exception_only(error)).strip()
    facts = "".join(f", {name}: {value}" for name, value in error.facts.items())
    cause = f": {_reason(error.__cause__)}" if error.__cause__ else ""
    return f"{type(error).__name__} ({error.code}{facts}){cause}"


def wait_after(tries: int) -> float:
    """Seconds until the next try after so many that failed, fewer than MOST_TRIES; scattered, so that not all come at once."""
    return BACKOFF_SECONDS[tries - 1] * random.uniform(0.8, 1.2)  # noqa: S311  # no secret


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
        now = database_now(session)
        values: dict[str, Any] = {"last_error": error, "waits_for": None, "waits_since": None}
        if again_in is not None:
            values["run_at"] = now + timedelta(seconds=again_in)
            if not counted:
                values["tries"] = 0  # it went well so far: earlier failures are over
        else:
            values |= {"state": "dead" if dead else "done", "finished_at": now}
        written = _write(session, job, owner, values)
        if dead and written:
            _alert(session, job.name, now)
        if error is None and job.waits_for is not None:
            log.info("service_is_back", service=job.waits_for)
            awaited = update(Job).where(WAITING, Job.waits_for == job.waits_for)
            session.execute(awaited.values(run_at=now, waits_for=None))


def _wait(job: Claimed, owner: str, service: str, reason: str) -> None:
    """Set a job down until its service answers: such tries are not counted, for however many there are, none is the job's fault."""
    with db.transaction() as session:
        now = database_now(session)
        patient = job.tries >= FAST_RETRIES
        values = {
            "run_at": now + (PARK_FOR if patient else timedelta(seconds=wait_after(job.tries))),
            "tries": min(job.tries, FAST_RETRIES),
            "last_error": reason,
            "waits_for": service,
            "waits_since": job.waits_since or now,
        }
        _write(session, job, owner, values)


def _write(session: Session, job: Claimed, owner: str, values: dict[str, Any]) -> bool:
    """Unless the lease has passed to someone else in the meantime: then theirs counts."""
    mine = update(Job).where(Job.id == job.id, Job.lease_owner == owner)
    written = session.execute(mine.values(lease_until=None, lease_owner=None, **values))
    return bool(written.rowcount)  # type: ignore[attr-defined]


def _alert(session: Session, name: str, now: datetime) -> None:
    """Have staff told, once, of a job that is dead as of now; never of one that was to tell them of others."""
    if name == MAIL_DEAD:
        return
    span = int(now.timestamp()) // ALERT_SPAN_SECONDS
    wait = (span + 1) * ALERT_SPAN_SECONDS - now.timestamp() + ALERT_GRACE_SECONDS
    enqueue(session, MAIL_DEAD, key=f"{MAIL_DEAD}:{span}", delay_seconds=wait, span=span)


def died_in(session: Session, span: int) -> list[Job]:
    """The jobs that died in this span and have not been revived since, in the order of their deaths."""
    begins = clock.from_epoch(span * ALERT_SPAN_SECONDS)
    ends = begins + timedelta(seconds=ALERT_SPAN_SECONDS)
    found = select(Job).where(DEAD, Job.name != MAIL_DEAD, Job.finished_at >= begins, Job.finished_at < ends)
    return list(session.scalars(found.order_by(Job.finished_at, Job.id)))


def run_due(owner: str = "inline", most: int = 100) -> int:
    """Run what is due now, one after the other, in this thread; returns how many. For tests and one-shot commands."""
    done = 0
    while done < most and (jobs := claim(owner, 1)):
        run(jobs[0], owner)
        done += 1
    return done


def enqueue_periodic(session: Session) -> None:
    """Leave a job for each periodic name whose period has begun; the key makes it one however many workers ask.

    In recovery mode none is left that would wait, for they would all run at its end.
    """
    now = database_now(session)
    held = recovery.is_on(session)
    for name, seconds in _periodic.items():
        if held and name not in _in_recovery:
            continue
        enqueue(session, name, key=f"{name}:{int(now.timestamp()) // seconds}")


def names_in_recovery() -> frozenset[str]:
    """The names of the jobs that are done also in recovery mode."""
    return frozenset(_in_recovery)


def names() -> frozenset[str]:
    """The names of all jobs that are handled here."""
    return frozenset(_handlers)


def handler(name: str) -> Handler:
    """The function that runs the jobs of this name. Raises KeyError."""
    return _handlers[name]


def periodic_names() -> list[str]:
    """The names of the jobs that workers enqueue by themselves."""
    return list(_periodic)


def revive(session: Session, job_id: str) -> bool:
    """Let a job that is dead, or waits after a failure, try again now and from the start, in the caller's transaction.

    False for any other job, which stays as it is: one that is done, was never tried, or is being run.
    """
    now = database_now(session)
    free = Job.lease_until.is_(None) | (Job.lease_until < now)
    revived = session.execute(
        update(Job)
        .where(Job.id == job_id, or_(DEAD, FAILED), Job.state != "done", free)
        .values(state="queued", tries=0, run_at=now, finished_at=None, waits_for=None, waits_since=None)
    )
    return bool(revived.rowcount)  # type: ignore[attr-defined]


@handles("outbox.sweep", every_seconds=3600)
def sweep() -> None:
    """Forget done jobs after their time."""
    with db.transaction() as session:
        now = database_now(session)
        done = delete(Job).where(Job.state == "done")
        session.execute(done.where(Job.finished_at < now - timedelta(days=KEEP_DONE_DAYS)))
        session.execute(done.where(Job.finished_at < now - KEEP_PERIODIC, Job.name.in_(_periodic)))
