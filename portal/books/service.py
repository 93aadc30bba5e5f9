"""The life of a pack: asked for, made by the worker part by part, handed out, and removed after its time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.books import jobs, packing
from portal.books.models import Pack, PackPart, PackStatus
from portal.core import audit, clock, crash, db
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


class Superseded(RuntimeError):
    """Another worker has begun the pack anew, or it was removed: what this one has made is nobody's."""


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
                select(Pack.id).where(Pack.month == month, Pack.status == PackStatus.MAKING)
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
        if row is None or row.status != PackStatus.MAKING:
            return
        period = Period.of_month(row.month)
        awaited = receipts.number_issued(session, period.begins, period.ends, unrendered_only=True)
    if awaited and clock.now() - row.requested_at < WAIT_FOR_DOCUMENTS:
        raise outbox.Reschedule(CHECK_AGAIN_SECONDS)
    try:
        attempt = _begin(pack_id, packing.count_files(period))
        parts = _Parts(pack_id, attempt)
        _finish(pack_id, attempt, packing.pack(period, parts.keep))
    except Superseded:
        log.info("pack_superseded", pack=pack_id)


def _begin(pack_id: str, files_all: int) -> int:
    """The number of this attempt; what others have left is removed."""
    with db.transaction() as session:
        row = _locked(session, pack_id)
        row.attempt += 1
        row.files_done, row.files_all = 0, files_all
        session.execute(delete(PackPart).where(PackPart.pack_id == pack_id))
        return row.attempt


class _Parts:
    """Keeps the parts of one attempt, as long as there is no later one."""

    def __init__(self, pack_id: str, attempt: int) -> None:
        self._pack_id, self._attempt = pack_id, attempt
        self._number = 0

    def keep(self, content: bytes, files_done: int) -> None:
        """Raises Superseded."""
        crash.point("pack part made")
        with db.transaction() as session:
            row = _locked(session, self._pack_id, self._attempt)
            row.files_done = files_done
            session.add(PackPart(pack_id=self._pack_id, attempt=self._attempt, number=self._number, content=content))
        self._number += 1


def _finish(pack_id: str, attempt: int, made: packing.Packed) -> None:
    with db.transaction() as session:
        row = _locked(session, pack_id, attempt)
        row.status, row.made_at, row.size = PackStatus.READY, clock.now(), made.size
        row.files_done = row.files_all = made.files
        row.missing = len(made.missing)
        # The trail is anchored outside of the database: so it vouches for the pack also when the key has changed since.
        facts = {
            "month": f"{row.month:%Y-%m}",
            "files": made.files,
            "missing": len(made.missing),
            "manifest": made.manifest_sha256,
            "key": made.key,
        }
        audit.record(session, "pack.made", pack_id, facts)


def _locked(session: Session, pack_id: str, attempt: int | None = None) -> Pack:
    """The row, while it is being made by this attempt. Raises Superseded."""
    row = session.get(Pack, pack_id, with_for_update=True)
    if row is None or row.status != PackStatus.MAKING or (attempt is not None and row.attempt != attempt):
        raise Superseded
    return row


def download(pack_id: str) -> tuple[Pack, Iterator[bytes]]:
    """A pack that is ready, and its bytes, a part at a time; that it was taken is recorded before the first. Raises NotFound."""
    with db.transaction() as session:
        row = session.get(Pack, pack_id)
        if row is None or row.status != PackStatus.READY:
            raise NotFound
        audit.record(session, "pack.downloaded", pack_id, {"month": f"{row.month:%Y-%m}"})
    return row, _parts_of(row)


def _parts_of(pack: Pack) -> Iterator[bytes]:
    """Raises NotFound when it is removed meanwhile: then the file breaks off, and is seen not to be whole."""
    number, sent = 0, 0
    while sent < pack.size:
        with db.reading() as session:
            part = session.get(PackPart, (pack.id, pack.attempt, number))
        if part is None:
            raise NotFound
        yield part.content
        number, sent = number + 1, sent + len(part.content)


def sweep() -> None:
    """Remove packs after their time, and give those up whose job has died, so that a new one can be asked for."""
    now = clock.now()
    with db.reading() as session:
        old = session.scalars(select(Pack.id).where(Pack.requested_at < now - KEEP_FOR)).all()
    for pack_id in old:
        with db.transaction() as session:
            session.execute(delete(PackPart).where(PackPart.pack_id == pack_id))
            session.execute(delete(Pack).where(Pack.id == pack_id))
    with db.transaction() as session:
        dead = (Pack.status == PackStatus.MAKING, Pack.requested_at < now - GIVE_UP_AFTER)
        session.execute(update(Pack).where(*dead).values(status=PackStatus.GIVEN_UP))
