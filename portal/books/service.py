"""The life of a pack: asked for, made by the worker part by part, handed out, and removed after its time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.books import jobs, packing
from portal.books.models import STORE, Pack
from portal.content.made_files import Keeper, MadeFileStatus, Superseded
from portal.core import audit, clock, db
from portal.core.db import new_id
from portal.core.errors import N_, Invalid, NotFound
from portal.documents import queries as receipts
from portal.jobs import outbox
from portal.reconciliation.figures import Period

log = structlog.get_logger(__name__)

# So long a pack waits for documents whose PDF is not made yet, and looks every so many seconds.
WAIT_FOR_DOCUMENTS: Final = timedelta(minutes=10)
CHECK_AGAIN_SECONDS: Final = 15
KEEP_FOR: Final = timedelta(days=30)
# Its job has died by then, with all its attempts.
GIVE_UP_AFTER: Final = timedelta(days=2)


def request(month: date, user_id: str) -> str:
    """Have the pack of a month made, whose first day this is; returns its id. While one is being made, it is that one's.

    Raises Invalid for a month that is not over: its pack would soon be wrong.
    """
    if clock.now() < Period.of_month(month).ends:
        raise Invalid(N_("This month is not over yet."), field="month")
    while True:
        with db.transaction() as session:
            made = _insert(session, month, user_id)
            if made is not None:
                audit.record(session, "pack.requested", made, {"month": f"{month:%Y-%m}"})
                jobs.make_pack.enqueue(session, pack_id=made)
                return made
            under_way: str | None = session.scalar(
                select(Pack.id).where(Pack.month == month, Pack.status == MadeFileStatus.MAKING)
            )
        if under_way is not None:  # else it became ready between the two statements
            return under_way


def _insert(session: Session, month: date, user_id: str) -> str | None:
    """A new row; None while there is one that is being made."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    values = {"id": new_id("pck"), "month": month, "requested_by": user_id, "requested_at": clock.now()}
    made: str | None = session.scalar(insert(Pack).values(values).on_conflict_do_nothing().returning(Pack.id))
    return made


def make(pack_id: str) -> None:
    """Make the pack from its beginning, whatever was made of it before; a pack that is ready or removed stays as it is.

    Raises outbox.Reschedule while documents of the month are still being made.
    """
    with db.reading() as session:
        row = session.get(Pack, pack_id)
        if row is None or row.status != MadeFileStatus.MAKING:
            return
        period = Period.of_month(row.month)
        awaited = receipts.number_issued(session, period.begins, period.ends, unrendered_only=True)
    if awaited and clock.now() - row.requested_at < WAIT_FOR_DOCUMENTS:
        raise outbox.Reschedule(CHECK_AGAIN_SECONDS)
    try:
        keeper = STORE.begin(pack_id, packing.count_files(period))
        _finish(keeper, packing.pack(period, keeper.keep))
    except Superseded:
        log.info("pack_superseded", pack=pack_id)


def _finish(keeper: Keeper[Pack], made: packing.Packed) -> None:
    with db.transaction() as session:
        row = keeper.finish(session, clock.now(), size=made.size, files=made.files, missing=len(made.missing))
        # The trail is anchored outside of the database: so it vouches for the pack also when the key has changed since.
        facts = {
            "month": f"{row.month:%Y-%m}",
            "files": made.files,
            "missing": len(made.missing),
            "manifest": made.manifest_sha256,
            "key": made.key,
        }
        audit.record(session, "pack.made", row.id, facts)


def download(pack_id: str) -> tuple[Pack, Iterator[bytes]]:
    """A pack that is ready, and its bytes, a part at a time; that it was taken is recorded before the first. Raises NotFound."""
    with db.transaction() as session:
        row = session.get(Pack, pack_id)
        if row is None or row.status != MadeFileStatus.READY:
            raise NotFound
        audit.record(session, "pack.downloaded", pack_id, {"month": f"{row.month:%Y-%m}"})
    return row, STORE.content(row)


def sweep() -> None:
    """Remove packs after their time, and give those up whose job has died, so that a new one can be asked for."""
    now = clock.now()
    STORE.remove(now - KEEP_FOR)
    STORE.give_up(now - GIVE_UP_AFTER)
