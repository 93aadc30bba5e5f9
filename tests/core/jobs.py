"""What the tests of jobs share: jobs of names of their own, done by whatever function a test brings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from portal.core import clock, db
from portal.jobs import job as portal_jobs
from portal.jobs import outbox
from portal.jobs.job import Job
from portal.jobs.models import JobRow

NAME = "tests.work"

Work = Callable[[Callable[..., object]], None]


def jobs() -> list[JobRow]:
    with db.reading() as session:
        return list(
            session.execute(select(JobRow).where(JobRow.name.startswith("tests.")).order_by(JobRow.id)).scalars()
        )


def job() -> JobRow:
    (only,) = jobs()
    return only


def named(name: str = NAME, *, once_per: tuple[str, ...] = (), every_seconds: int | None = None) -> Job[...]:
    """A job that nothing but the test knows."""

    def declaration(number: int = 0, words: str = "", nothing: str | None = None) -> None:
        """Do what the test says."""

    return Job(name, declaration, once_per=once_per, every_seconds=every_seconds, in_recovery=False)


def add(name: str = NAME, *, delay_seconds: float = 0, **args: str | int | None) -> None:
    with db.transaction() as session:
        named(name).enqueue_in(session, delay_seconds, **args)


def do(handler: Callable[..., object], name: str = NAME, *, every_seconds: int | None = None) -> None:
    """Have workers do the jobs of this name by this function; only where the fixture `work` forgets it afterwards."""
    declared = named(name, every_seconds=every_seconds)
    declared._handler = handler
    portal_jobs._declared[name] = declared


def change(**values: Any) -> None:
    """As time, or an accident, would have left the jobs."""
    with db.transaction() as session:
        session.execute(update(JobRow).values(values))


def due_now() -> None:
    change(run_at=clock.now() - timedelta(seconds=1))


def fails(**_: object) -> None:
    raise ValueError("no luck today")


def move_database_clock(patch: pytest.MonkeyPatch, moment: Callable[[], datetime]) -> None:
    """It is this moment for whoever leaves, takes and ends jobs."""
    for module in (outbox, portal_jobs):
        patch.setattr(module, "database_now", lambda _session: moment())
        patch.setattr(module, "database_moment", lambda _session, seconds=0: moment() + timedelta(seconds=seconds))
