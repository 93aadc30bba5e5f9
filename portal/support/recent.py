"""What a member of staff has opened last: a few ids each, which nobody else is shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.core import clock, db
from portal.support.models import RecentSubject

MOST: Final = 10
# Who goes to and fro between two pages writes nothing.
AGAIN_AFTER: Final = timedelta(minutes=1)


def subjects(session: Session, user_id: str) -> list[str]:
    """The ids of what this person has opened, the last one first."""
    mine = select(RecentSubject.subject).where(RecentSubject.user_id == user_id)
    return list(session.scalars(mine.order_by(RecentSubject.opened_at.desc()).limit(MOST)))


def note_opened(user_id: str, subject: str) -> None:
    """That this person has opened the page about this id. Writes nothing again within AGAIN_AFTER; keeps the newest MOST."""
    now = clock.now()
    key = {"user_id": user_id, "subject": subject}
    with db.reading() as session:
        seen = session.scalar(select(RecentSubject.opened_at).filter_by(**key))
    if seen is not None and now - seen < AGAIN_AFTER:
        return
    with db.transaction() as session:
        insert = postgresql.insert if db.dialect_of(session) == "postgresql" else sqlite.insert
        written = insert(RecentSubject).values(**key, opened_at=now)
        session.execute(written.on_conflict_do_update(index_elements=list(key), set_={"opened_at": now}))
        mine = RecentSubject.user_id == user_id
        kept = select(RecentSubject.subject).where(mine).order_by(RecentSubject.opened_at.desc()).limit(MOST)
        # In two steps: MOST + 1 rows at most are read, and SQLite deletes none that it still reads.
        names = list(session.scalars(kept))
        session.execute(delete(RecentSubject).where(mine, RecentSubject.subject.not_in(names)))
