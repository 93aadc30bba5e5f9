"""Jobs as objects: a name, its arguments and its key are written once, where the job is declared.

A package declares the jobs that it leaves in its module `jobs`, each as the signature of its handler:

    @job("payments.follow_up", once_per=("payment_id",))
    def follow_up(payment_id: str) -> None:
        \"\"\"Bring a payment to its end.\"\"\"

Whoever leaves one calls `jobs.follow_up.enqueue(session, payment_id=payment.id)`. The handler is registered in the module `job_handlers` of
the package whose name the job has, which may stand above: `jobs.follow_up.handler(service.follow_up)`. mypy holds both against the
declaration.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Generic, ParamSpec

from sqlalchemy import (
    CTE,
    JSON,
    ColumnElement,
    Connection,
    SmallInteger,
    String,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.core import crash
from portal.core.db import database_moment, database_now, dialect_of, new_id
from portal.jobs.lanes import Lane
from portal.jobs.models import ENDED, JobRow, JobStatus

# What should have a job has lost it, or it died. Then there is one again, after a job that ended not before this time.
REQUEUE_AFTER: Final = timedelta(days=1)
# What an argument may be: jobs are kept as JSON, and carry ids rather than things.
ARGUMENT_TYPES: Final = (str, int, str | None, int | None)

P = ParamSpec("P")


class Job(Generic[P]):
    """Work that a worker does later. `name` begins with the name of the package that handles it.

    Of a job with `once_per` there is one for the same values of these arguments, even after it ran. With `every_seconds` workers leave one
    by themselves, once a period however many workers there are; its arguments have defaults. In recovery mode jobs wait, unless they are
    `in_recovery`. What customers do not wait for has another `lane` than the first; jobs of a period are upkeep. One that takes money,
    gives money back, or tells a bank what cannot be taken back is `one_by_one`: when it has failed for good, staff look at each before
    they have it tried again. `doc` says what the job does.
    """

    def __init__(
        self,
        name: str,
        declaration: Callable[P, None],
        *,
        once_per: Sequence[str],
        every_seconds: int | None,
        in_recovery: bool,
        one_by_one: bool = False,
        lane: Lane = Lane.MONEY,
    ) -> None:
        self.name = name
        self.lane = Lane.UPKEEP if every_seconds else lane
        self.doc = inspect.getdoc(declaration) or ""
        self.once_per = tuple(once_per)
        self.every_seconds = every_seconds
        self.in_recovery = in_recovery
        self.one_by_one = one_by_one
        self.signature = inspect.signature(declaration, eval_str=True)
        self._handler: Callable[P, object] | None = None
        self._check()

    def _check(self) -> None:
        for argument in self.signature.parameters.values():
            if argument.annotation not in ARGUMENT_TYPES:
                raise TypeError(f"{self.name}: {argument} is neither a text nor a whole number")
            if self.every_seconds and argument.default is argument.empty:
                raise TypeError(f"{self.name}: workers leave it by themselves, and know no {argument.name}")
        if unknown := set(self.once_per) - self.signature.parameters.keys():
            raise TypeError(f"{self.name}: once per {', '.join(sorted(unknown))}, which is no argument")

    def handler(self, handler: Callable[P, object]) -> Callable[P, object]:
        """Register the function that does the job; returns it. It takes the job's arguments, and may have more that are optional; what it
        returns is not looked at. Raises TypeError for one of another signature, and for a second one.
        """
        if self._handler is not None:
            raise TypeError(f"{self.name} has a handler already")
        given, declared = inspect.signature(handler, eval_str=True), list(self.signature.parameters.values())
        taken = list(given.parameters.values())
        if taken[: len(declared)] != declared or any(one.default is one.empty for one in taken[len(declared) :]):
            raise TypeError(f"{self.name} is declared with {self.signature}, and handled with {given}")
        self._handler = handler
        return handler

    @property
    def is_handled(self) -> bool:
        return self._handler is not None

    def run(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Do the job here and now. Raises LookupError where nothing does it."""
        if self._handler is None:
            raise LookupError(f"nothing here handles {self.name}")
        self._handler(*args, **kwargs)

    def enqueue(self, session: Session | Connection, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Leave the job in the caller's transaction; returns whether one was made, which is always so without `once_per`."""
        return self._leave(session, 0, *args, **kwargs)

    def enqueue_in(self, session: Session, seconds: float, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """As `enqueue`, for a job that is due only after so many seconds."""
        return self._leave(session, seconds, *args, **kwargs)

    def insertion_after(self, made: CTE) -> CTE:
        """The job's insertion as a part of a statement of PostgreSQL's: one is written where `made` has a row. See `values`."""
        insertion = postgresql.insert(_ROWS).from_select(list(_ROW), select(*_ROW.values()).select_from(made))
        return insertion.on_conflict_do_nothing(index_elements=["unique_key"]).returning(_ROWS.c.id).cte("job")

    def values(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, object]:
        """What such a statement is executed with, for a job with these arguments."""
        given = self.signature.bind(*args, **kwargs)
        row = {"job_id": new_id("job"), "job_name": self.name, "job_lane": self.lane}
        return row | {"job_args": dict(given.arguments), "job_key": self._key(given)}

    def enqueue_for_period(self, session: Session) -> bool:
        """Leave a job without arguments for the period that has begun, unless there is one. For a job with `every_seconds`."""
        if not self.every_seconds:
            raise TypeError(f"{self.name} has no period")
        period = int(database_now(session).timestamp()) // self.every_seconds
        return _insert(session, self, {}, key=f"{self.name}:{period}")

    def requeue(self, session: Session, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Leave the job for what has none: a new one, or that of its key from the start, when it has ended; in the caller's transaction.

        A job that is queued stays as it is.
        """
        if self._leave(session, 0, *args, **kwargs):
            return
        again = {"status": JobStatus.QUEUED, "attempts": 0, "run_at": database_now(session), "finished_at": None}
        session.execute(update(JobRow).where(JobRow.unique_key == self.key(*args, **kwargs), ENDED).values(again))

    def cancel(self, session: Session, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Take back the job of a key that nobody has begun, in the caller's transaction; returns whether there was one.

        A job that a worker has claimed is not taken back: it may be at work already.
        """
        free = JobRow.lease_until.is_(None) | (JobRow.lease_until < database_now(session))
        mine = (JobRow.unique_key == self.key(*args, **kwargs), JobRow.status == JobStatus.QUEUED, free)
        return session.execute(delete(JobRow).where(*mine).returning(JobRow.id)).first() is not None

    def find(self, session: Session, /, *args: P.args, **kwargs: P.kwargs) -> JobRow | None:
        """The row of the job with these arguments; None where there was none, and some time after it is done."""
        return session.scalars(select(JobRow).where(JobRow.unique_key == self.key(*args, **kwargs))).one_or_none()

    def missing(
        self,
        session: Session,
        /,
        *,
        ever: bool = False,
        **columns: ColumnElement[str] | InstrumentedAttribute[str] | InstrumentedAttribute[int],
    ) -> ColumnElement[bool]:
        """That no such job is queued, or has ended within REQUEUE_AFTER (with `ever`: is known at all).

        For the queries by which a feature finds what has lost its job: `columns` are those of the queried table that hold what the job is
        `once_per`.
        """
        if columns.keys() != set(self.once_per) or not columns:
            raise TypeError(f"{self.name} is looked up by {self.once_per}")
        key: ColumnElement[str] = literal(self.name)
        for argument in self.once_per:
            key = key + ":" + cast(columns[argument], String)
        recent = database_now(session) - REQUEUE_AFTER
        alive = (
            true()
            if ever
            else or_(JobRow.status == literal_column(f"'{JobStatus.QUEUED}'"), JobRow.finished_at > recent)
        )
        return ~exists().where(JobRow.unique_key == key, alive)

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """What `once_per` makes of these arguments, as rows keep it."""
        if not self.once_per:
            raise TypeError(f"{self.name} has no key: any number of them may be left")
        return str(self._key(self.signature.bind(*args, **kwargs)))

    def _key(self, bound: inspect.BoundArguments) -> str | None:
        if not self.once_per:
            return None
        given, known = bound.arguments, self.signature.parameters
        values = (given[name] if name in given else known[name].default for name in self.once_per)
        return ":".join([self.name, *map(str, values)])

    def _leave(self, session: Session | Connection, seconds: float, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        given = self.signature.bind(*args, **kwargs)
        return _insert(session, self, given.arguments, key=self._key(given), seconds=seconds)


_declared: dict[str, Job[...]] = {}


def job(
    name: str,
    *,
    once_per: Sequence[str] = (),
    every_seconds: int | None = None,
    in_recovery: bool = False,
    one_by_one: bool = False,
    lane: Lane = Lane.MONEY,
) -> Callable[[Callable[P, None]], Job[P]]:
    """Declare a job (see Job) with the signature and the docstring of this function, which has no body."""

    def declare(declaration: Callable[P, None]) -> Job[P]:
        if name in _declared:
            raise TypeError(f"there is a job {name} already")
        made = Job(
            name,
            declaration,
            once_per=once_per,
            every_seconds=every_seconds,
            in_recovery=in_recovery,
            one_by_one=one_by_one,
            lane=lane,
        )
        _declared[name] = made
        return made

    return declare


def declared() -> Mapping[str, Job[...]]:
    """All jobs of the modules that are loaded, by their names."""
    return _declared


def periodic() -> list[Job[...]]:
    """Those that workers leave by themselves."""
    return [one for one in _declared.values() if one.every_seconds]


_ROWS: Final = JobRow.metadata.tables[JobRow.__tablename__]
# What `values` gives to a statement with `insertion_after`. The times are those of the database.
_ROW: Final[dict[str, ColumnElement[Any]]] = {
    "id": bindparam("job_id", type_=String()),
    "name": bindparam("job_name", type_=String()),
    "lane": bindparam("job_lane", type_=SmallInteger()),
    "args": bindparam("job_args", type_=JSON()),
    "unique_key": bindparam("job_key", type_=String()),
    "status": literal_column(f"'{JobStatus.QUEUED}'"),
    "attempts": literal_column("0"),
    "run_at": func.statement_timestamp(),
    "created_at": func.statement_timestamp(),
}


def _insert(
    session: Session | Connection, job: Job[...], args: Mapping[str, object], *, key: str | None, seconds: float = 0
) -> bool:
    crash.point("job to enqueue")
    upsert = postgresql.insert if dialect_of(session) == "postgresql" else sqlite.insert
    row = {
        "id": new_id("job"),
        "name": job.name,
        "lane": job.lane,
        "args": dict(args),
        "unique_key": key,
        "status": JobStatus.QUEUED,
        "attempts": 0,
    }
    times = {"run_at": database_moment(session, seconds), "created_at": database_moment(session)}
    unless_known = upsert(_ROWS).values(row | times).on_conflict_do_nothing(index_elements=["unique_key"])
    return session.execute(unless_known.returning(_ROWS.c.id)).first() is not None
