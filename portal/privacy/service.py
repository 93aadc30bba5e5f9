"""The copy of all data about a customer: asked for, made by the worker, taken home, and removed after some days."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.content import archives
from portal.content.made_files import MadeFileStatus, Superseded
from portal.core import audit, clock, db
from portal.core.errors import NotFound
from portal.privacy import copying, jobs
from portal.privacy.inventory import TABLES
from portal.privacy.models import STORE, PersonalDataFile

log = structlog.get_logger(__name__)

KEEP_FOR: Final = timedelta(days=3)
GIVE_UP_AFTER: Final = timedelta(hours=12)
MOST_SHOWN: Final = 3


def request(customer_id: str, user_id: str) -> str:
    """Have the ZIP of all about a customer made; returns its id. While one of this customer is being made, it is that one's.

    Raises NotFound.
    """
    with db.transaction() as session:
        accounts.customer(session, customer_id)
        insert = sqlite.insert if db.dialect_of(session) == "sqlite" else postgresql.insert
        row = {
            "id": db.new_id("pdf"),
            "customer_id": customer_id,
            "requested_by": user_id,
            "requested_at": clock.now(),
            "files_all": len(TABLES),
        }
        # One that is being made stands in the way: see the index of the table.
        made = insert(PersonalDataFile).values(row).on_conflict_do_nothing().returning(PersonalDataFile.id)
        file_id: str | None = session.scalar(made)
        if file_id is None:
            making = PersonalDataFile.customer_id == customer_id, PersonalDataFile.status == MadeFileStatus.MAKING
            return session.scalars(select(PersonalDataFile.id).where(*making)).one()
        audit.record(session, "personal_data.requested", file_id, customer_id=customer_id)
        jobs.make_file.enqueue(session, file_id=file_id)
        return file_id


def make(file_id: str) -> None:
    """Make the ZIP from its beginning, whatever was made of it before; one that is ready or removed stays as it is."""
    with db.reading() as session:
        row = session.get(PersonalDataFile, file_id)
    if row is None or row.status != MadeFileStatus.MAKING:
        return
    try:
        keeper = STORE.begin(file_id, row.files_all)
        with archives.writing(keeper.keep) as archive:
            missing = copying.pack(archive, row.customer_id)
        with db.transaction() as session:
            made = keeper.finish(session, clock.now(), size=archive.size, files=len(archive.entries), missing=missing)
            facts = {"files": made.files_all, "missing": missing}
            audit.record(session, "personal_data.made", file_id, facts, customer_id=made.customer_id)
    except Superseded:
        log.info("personal_data_superseded", file=file_id)


def write(customer_id: str, into: Path) -> tuple[int, int]:
    """Write the ZIP into a file of the operator's that nobody else can read; returns how many files are in it, and how many documents are
    missing.

    Raises NotFound, and OSError where it cannot be written.
    """
    with db.transaction() as session:
        accounts.customer(session, customer_id)
        audit.record(session, "personal_data.exported", customer_id, customer_id=customer_id)
    with os.fdopen(os.open(into, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        into.chmod(0o600)  # also one that was there before

        def keep(part: bytes, _files: int) -> None:
            file.write(part)

        with archives.writing(keep) as archive:
            missing = copying.pack(archive, customer_id)
    return len(archive.entries), missing


def files(session: Session, customer_id: str) -> list[PersonalDataFile]:
    """The newest ones that were asked for and are not removed."""
    mine = select(PersonalDataFile).where(PersonalDataFile.customer_id == customer_id)
    return list(session.scalars(mine.order_by(PersonalDataFile.requested_at.desc()).limit(MOST_SHOWN)))


def file(session: Session, file_id: str, customer_id: str) -> PersonalDataFile:
    """Raises NotFound, also for another customer's."""
    found = session.get(PersonalDataFile, file_id)
    if found is None or found.customer_id != customer_id:
        raise NotFound
    return found


def download(file_id: str, customer_id: str) -> tuple[PersonalDataFile, Iterator[bytes]]:
    """One that is ready, and its bytes, a part at a time; that it was taken is recorded before the first. Raises NotFound."""
    with db.transaction() as session:
        row = file(session, file_id, customer_id)
        if row.status != MadeFileStatus.READY:
            raise NotFound
        audit.record(session, "personal_data.downloaded", file_id, customer_id=customer_id)
    return row, STORE.content(row)


def sweep() -> None:
    """Remove files after their time, and give those up whose job has died, so that a new one can be asked for."""
    now = clock.now()
    STORE.remove(now - KEEP_FOR)
    STORE.give_up(now - GIVE_UP_AFTER)
