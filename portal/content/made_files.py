"""Files that the worker makes and the web hands out; they share the database alone, so a file is kept there in parts.

A kind of them has two tables: one of MadeFile, and one of Part whose first column names the file. `Store` is all that is done with both: a
file is begun, kept part by part by one attempt at a time, finished, read again, and removed after its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import BigInteger, Integer, LargeBinary, String, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import crash, db
from portal.core.db import UTCDateTime
from portal.core.enums import EnumText
from portal.core.errors import NotFound


class MadeFileStatus(StrEnum):
    MAKING = "making"
    READY = "ready"
    GIVEN_UP = "given_up"  # its job has died; a new one may be asked for


MAKING: Final = f"status = '{MadeFileStatus.MAKING}'"


class Superseded(RuntimeError):
    """Another worker has begun the file anew, or it was removed: what this one has made is nobody's."""


class MadeFile:
    """`attempt` counts how often it was begun: parts of another attempt than this are nobody's. `missing` counts what could not be put in;
    `size` is in bytes.
    """

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    status: Mapped[MadeFileStatus] = mapped_column(EnumText(MadeFileStatus, 10), default=MadeFileStatus.MAKING)
    requested_at: Mapped[datetime] = mapped_column(UTCDateTime)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    files_done: Mapped[int] = mapped_column(Integer, default=0)
    files_all: Mapped[int] = mapped_column(Integer, default=0)
    made_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    missing: Mapped[int] = mapped_column(Integer, default=0)

    @property
    def megabytes(self) -> str:
        return f"{self.size / 1_000_000:.1f}"


class Part:
    """About a megabyte of a file, in order."""

    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


F = TypeVar("F", bound=Any)


@dataclass(frozen=True, slots=True)
class Store(Generic[F]):
    """The files of a kind: their table, that of their parts, and the name of the parts' column with the file's id."""

    file: type[F]
    part: Any
    of: str

    def begin(self, file_id: str, files_all: int) -> Keeper[F]:
        """Begin an attempt; what others have left is removed. Raises Superseded."""
        with db.transaction() as session:
            row = self.locked(session, file_id)
            row.attempt += 1
            row.files_done, row.files_all = 0, files_all
            session.execute(delete(self.part).where(self._of() == file_id))
            return Keeper(self, file_id, row.attempt)

    def locked(self, session: Session, file_id: str, attempt: int | None = None) -> F:
        """The row, while it is being made by this attempt. Raises Superseded."""
        row = session.get(self.file, file_id, with_for_update=True)
        if row is None or row.status != MadeFileStatus.MAKING or (attempt is not None and row.attempt != attempt):
            raise Superseded
        return row

    def content(self, row: F) -> Iterator[bytes]:
        """The bytes of a file that is ready, a part at a time.

        Raises NotFound when it is removed meanwhile: then the file breaks off, and is seen not to be whole.
        """
        number, sent = 0, 0
        while sent < row.size:
            with db.reading() as session:
                key = {self.of: row.id, "attempt": row.attempt, "number": number}
                part = session.get(self.part, key)
            if part is None:
                raise NotFound
            yield part.content
            number, sent = number + 1, sent + len(part.content)

    def remove(self, asked_before: datetime) -> None:
        """Remove the files that were asked for before this moment."""
        with db.reading() as session:
            old = session.scalars(select(self.file.id).where(self.file.requested_at < asked_before)).all()
        for file_id in old:
            with db.transaction() as session:
                session.execute(delete(self.part).where(self._of() == file_id))
                session.execute(delete(self.file).where(self.file.id == file_id))

    def give_up(self, asked_before: datetime) -> None:
        """Give those up that are not made by now, for their job has died."""
        with db.transaction() as session:
            dead = (self.file.status == MadeFileStatus.MAKING, self.file.requested_at < asked_before)
            session.execute(update(self.file).where(*dead).values(status=MadeFileStatus.GIVEN_UP))

    def _of(self) -> Any:
        return getattr(self.part, self.of)


class Keeper(Generic[F]):
    """Keeps the parts of one attempt, as long as there is no later one."""

    def __init__(self, store: Store[F], file_id: str, attempt: int) -> None:
        self.store, self.file_id, self.attempt = store, file_id, attempt
        self._number = 0

    def keep(self, content: bytes, files_done: int) -> None:
        """Raises Superseded."""
        crash.point("pack part made")
        with db.transaction() as session:
            row = self.store.locked(session, self.file_id, self.attempt)
            row.files_done = files_done
            key = {self.store.of: self.file_id, "attempt": self.attempt, "number": self._number}
            session.add(self.store.part(**key, content=content))
        self._number += 1

    def finish(self, session: Session, at: datetime, *, size: int, files: int, missing: int) -> F:
        """The file is whole, in the caller's transaction. Raises Superseded."""
        row = self.store.locked(session, self.file_id, self.attempt)
        row.status, row.made_at, row.size, row.missing = MadeFileStatus.READY, at, size, missing
        row.files_done = row.files_all = files
        return row
