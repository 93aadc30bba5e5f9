"""Jobs by kind, as the operations desk shows them: how many of each wait, fail or have failed for good, since when, and of what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.core.db import database_now
from portal.jobs.job import declared
from portal.jobs.models import DEAD, FAILED, QUEUED, JobRow, JobStatus

# So many jobs of a state are counted: counting further tells nobody more.
MOST_COUNTED: Final = 5_000


@dataclass(frozen=True, slots=True)
class JobKind:
    """The jobs of one name that are not done. `scheduled` have not failed, `failing` are tried again, `dead` have failed for good.

    `oldest_at` is when the oldest of those was left that are due or fail, `failing_since` when the first of those that fail did so, and
    `last_error` what the newest of them said. `one_by_one` kinds are never tried again all together.
    """

    name: str
    scheduled: int
    failing: int
    dead: int
    oldest_at: datetime | None
    failing_since: datetime | None
    last_error: str
    waits_for: str | None
    one_by_one: bool

    @property
    def is_fine(self) -> bool:
        return not (self.failing or self.dead)


@dataclass(frozen=True, slots=True)
class JobKinds:
    """`is_cut` says that there are more jobs than were counted, so that numbers are at least what they say."""

    kinds: list[JobKind]
    is_cut: bool


def by_kind(session: Session) -> JobKinds:
    """Every kind of which a job is not done: those that have failed for good first, then those that fail, then by name."""
    now = database_now(session)
    columns = select(*_COLUMNS).limit(MOST_COUNTED)
    queued = columns.where(QUEUED).order_by(JobRow.run_at)
    dead = columns.where(DEAD).order_by(JobRow.finished_at.desc(), JobRow.id.desc())
    found: dict[str, dict[str, Any]] = {}
    for rows in (queued, dead):
        one = rows.subquery()
        is_late = one.c.last_error.is_not(None) | (one.c.run_at <= now)
        number, failing = func.count(), func.count(one.c.last_error)
        oldest = func.min(one.c.created_at).filter(is_late)
        counts = select(one.c.name, one.c.status, number, failing, oldest, func.min(one.c.failing_since))
        for name, status, of_kind, failed, oldest_at, since in session.execute(
            counts.group_by(one.c.name, one.c.status)
        ):
            kind = found.setdefault(name, {"scheduled": 0, "failing": 0, "dead": 0, "oldest_at": None, "since": None})
            if status == JobStatus.DEAD:
                kind["dead"] += of_kind
            else:
                kind["failing"] += failed
                kind["scheduled"] += of_kind - failed
            kind["oldest_at"] = _earlier(kind["oldest_at"], oldest_at)
            kind["since"] = _earlier(kind["since"], since)
    errors = _last_errors(session)
    kinds = [
        JobKind(
            name=name,
            scheduled=kind["scheduled"],
            failing=kind["failing"],
            dead=kind["dead"],
            oldest_at=kind["oldest_at"],
            failing_since=kind["since"],
            last_error=errors.get(name, ("", None))[0],
            waits_for=errors.get(name, ("", None))[1],
            one_by_one=is_one_by_one(name),
        )
        for name, kind in found.items()
    ]
    total = sum(kind.scheduled + kind.failing for kind in kinds), sum(kind.dead for kind in kinds)
    kinds.sort(key=lambda kind: (not kind.dead, not kind.failing, kind.name))
    return JobKinds(kinds, is_cut=max(total) >= MOST_COUNTED)


def is_one_by_one(name: str) -> bool:
    """Whether jobs of this name are looked at one after the other; also those that nothing here knows."""
    known = declared().get(name)
    return known is None or known.one_by_one


_COLUMNS: Final = (
    JobRow.name,
    JobRow.status,
    JobRow.last_error,
    JobRow.created_at,
    JobRow.run_at,
    JobRow.failing_since,
)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _last_errors(session: Session) -> dict[str, tuple[str, str | None]]:
    """Of each kind what its newest job that failed said, and what it waits for."""
    newest = select(JobRow.id, JobRow.name, JobRow.last_error, JobRow.waits_for, JobRow.created_at).where(FAILED)
    rows = newest.order_by(JobRow.created_at.desc(), JobRow.id.desc()).limit(MOST_COUNTED).subquery()
    place = func.row_number().over(partition_by=rows.c.name, order_by=(rows.c.created_at.desc(), rows.c.id.desc()))
    placed = select(rows.c.name, rows.c.last_error, rows.c.waits_for, place.label("place")).subquery()
    first = select(placed.c.name, placed.c.last_error, placed.c.waits_for).where(placed.c.place == 1)
    return {name: (error or "", waits_for) for name, error, waits_for in session.execute(first)}
