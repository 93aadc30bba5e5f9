"""The table of jobs. Rows are made by portal.jobs.job, and claimed and ended by portal.jobs.outbox."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, Index, Integer, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText
from portal.jobs.lanes import Lane


class JobStatus(StrEnum):
    QUEUED = "queued"
    DONE = "done"
    DEAD = "dead"  # has failed permanently


# Jobs that failed in their last try: the dead ones, and those that are tried again.
FAILED: Final = text("last_error IS NOT NULL")
DEAD: Final = text(f"status = '{JobStatus.DEAD}'")
# No index begins with the state: SQLite would take it for the due jobs, and sort all that are queued.
QUEUED: Final = text(f"status = '{JobStatus.QUEUED}'")
FINISHED: Final = text("finished_at IS NOT NULL")
ENDED: Final = text(f"status <> '{JobStatus.QUEUED}'")
WAITING: Final = text("waits_for IS NOT NULL")


class JobRow(Base):
    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    args: Mapped[dict[str, Any]] = mapped_column(JSON)
    unique_key: Mapped[str | None] = mapped_column(String(160), unique=True)
    status: Mapped[JobStatus] = mapped_column(EnumText(JobStatus, 10), default=JobStatus.QUEUED)
    lane: Mapped[int] = mapped_column(SmallInteger, default=Lane.MONEY, server_default="0")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    run_at: Mapped[datetime] = mapped_column(UTCDateTime)
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    last_error: Mapped[str | None] = mapped_column(Text)
    # The first failure since it last went well; a dead job keeps it, and so does one that is tried again.
    failing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The service that did not answer in the last try (see portal.jobs.outages), and since when the job has got no further for that reason.
    waits_for: Mapped[str | None] = mapped_column(String(20))
    waits_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        one_of("status", JobStatus),
        Index("ix_jobs_due", "run_at", sqlite_where=QUEUED, postgresql_where=QUEUED),
        Index("ix_jobs_due_by_lane", "lane", "run_at", sqlite_where=QUEUED, postgresql_where=QUEUED),
        Index("ix_jobs_finished", "finished_at", "id", sqlite_where=FINISHED, postgresql_where=FINISHED),
        Index("ix_jobs_dead", "finished_at", "id", sqlite_where=DEAD, postgresql_where=DEAD),
        Index("ix_jobs_waiting", "waits_for", "run_at", sqlite_where=WAITING, postgresql_where=WAITING),
        Index("ix_jobs_failed", "created_at", "id", sqlite_where=FAILED, postgresql_where=FAILED),
    )
