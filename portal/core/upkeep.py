"""What an operator does beside the portal, and tells it of: backups that were made, and restores that were tried.

The portal cannot know of them by itself, for they are made by other programs, on other machines. The script that makes a backup says so
(`flask record backup`); here it is written down, and the page Operations and the metrics tell how old the last one is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from math import nan
from typing import Final

from sqlalchemy import String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import audit, clock, db, metrics, texts
from portal.core.db import Base, UTCDateTime, new_id, one_of
from portal.core.enums import EnumText
from portal.core.errors import N_, Invalid

LONGEST_NOTE: Final = 200
# The clocks of two machines agree within this.
CLOCK_SKEW: Final = timedelta(minutes=5)


class UpkeepKind(StrEnum):
    BACKUP = "backup"
    RESTORE_DRILL = "restore_drill"  # a backup was put back on another machine, and read there


class Upkeep(Base):
    """Something of a kind that was done at a time; `note` says in the operator's words where or how."""

    __tablename__ = "upkeep"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[UpkeepKind] = mapped_column(EnumText(UpkeepKind, 20))
    done_at: Mapped[datetime] = mapped_column(UTCDateTime)
    recorded_at: Mapped[datetime] = mapped_column(UTCDateTime)
    note: Mapped[str] = mapped_column(String(LONGEST_NOTE), default="")

    __table_args__ = (one_of("kind", UpkeepKind), UniqueConstraint("kind", "done_at"))


def record(kind: UpkeepKind, done_at: datetime | None = None, note: str = "") -> bool:
    """Write down that this was done then, or now; False, having changed nothing, when it is written down already.

    Raises Invalid for a time that has not come, and for a note that is no line of at most LONGEST_NOTE characters.
    """
    now = clock.now()
    at = done_at or now
    words = texts.one_line(note, field="note", longest=LONGEST_NOTE)
    if at > now + CLOCK_SKEW:
        raise Invalid(N_("This time has not come yet."), field="at")
    with db.transaction() as session:
        audit.locked_head(session)  # whoever writes down the same at the same time waits here
        if session.scalar(select(Upkeep.id).where(Upkeep.kind == kind, Upkeep.done_at == at)) is not None:
            return False
        made = Upkeep(id=new_id("upk"), kind=kind, done_at=at, recorded_at=now, note=words)
        session.add(made)
        audit.record(session, f"upkeep.{kind}", made.id, {"done_at": at.isoformat(), "note": words})
    return True


def latest(session: Session, kind: UpkeepKind) -> Upkeep | None:
    """The last one of its kind that was written down; None before the first."""
    return session.scalar(select(Upkeep).where(Upkeep.kind == kind).order_by(Upkeep.done_at.desc()).limit(1))


def _last(kind: UpkeepKind, session: Session) -> float:
    """In seconds since 1970; not a number before the first."""
    found = latest(session, kind)
    return found.done_at.timestamp() if found else nan


metrics.read_from_database(metrics.LAST_BACKUP, lambda session: _last(UpkeepKind.BACKUP, session))
metrics.read_from_database(metrics.LAST_RESTORE_DRILL, lambda session: _last(UpkeepKind.RESTORE_DRILL, session))
