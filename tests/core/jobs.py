"""What the tests of jobs share: jobs of a name of their own, done by whatever function a test brings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from portal.core import clock, db
from portal.jobs import outbox
from portal.jobs.outbox import Job

NAME = "tests.work"

Work = Callable[[Callable[..., None]], None]


def jobs() -> list[Job]:
    with db.reading() as session:
        return list(session.execute(select(Job).where(Job.name.startswith("tests.")).order_by(Job.id)).scalars())


def job() -> Job:
    (only,) = jobs()
    return only


def add(name: str = NAME, **how: Any) -> None:
    with db.transaction() as session:
        outbox.enqueue(session, name, **how)


def change(**values: Any) -> None:
    """As time, or an accident, would have left the jobs."""
    with db.transaction() as session:
        session.execute(Job.__table__.update().values(values))


def due_now() -> None:
    change(run_at=clock.now() - timedelta(seconds=1))


def fails(**_: object) -> None:
    raise ValueError("no luck today")
