"""Files that staff upload to import them: kept until their uploader has seen what they would do, and imported once.

A kind of them has a table of UploadedFile. `Uploads` is all that is done with it; what such a file holds is for who imports it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ForeignKey, LargeBinary, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.content import sheets
from portal.core import audit, clock, db, texts
from portal.core.db import UTCDateTime
from portal.core.errors import NotFound

LONGEST_FILENAME: Final = 200
# Nobody comes back to a file that they uploaded longer ago.
KEEP_FILES: Final = timedelta(days=2)


class UploadedFile:
    """The content goes when it has been imported, or when nobody came back to it."""

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    uploaded_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    uploaded_at: Mapped[datetime] = mapped_column(UTCDateTime)
    filename: Mapped[str] = mapped_column(String(LONGEST_FILENAME))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    decimal_mark: Mapped[str] = mapped_column(String(1), default="")


Uploaded = TypeVar("Uploaded", bound=UploadedFile)


class Uploads(Generic[Uploaded]):
    """Files of one kind; `word` begins their events in the audit trail: "<word>.uploaded" and "<word>.imported"."""

    def __init__(self, table: type[Uploaded], word: str) -> None:
        self._table: Any = table
        self._word = word

    def keep(self, user_id: str, filename: str, content: bytes, decimal_mark: str = "") -> str:
        """Keep a file until its uploader has looked at what it would do; returns its id. Raises as sheets.check_upload."""
        filename = texts.one_line(filename[-LONGEST_FILENAME:], field="file", longest=LONGEST_FILENAME)
        sheets.check_upload(content)
        with db.transaction() as session:
            file = self._table(
                id=db.new_id("fil"),
                uploaded_by=user_id,
                uploaded_at=clock.now(),
                filename=filename,
                content=content,
                decimal_mark=decimal_mark,
            )
            session.add(file)
            session.flush()
            facts = {"filename": file.filename, "bytes": len(content)}
            audit.record(session, f"{self._word}.uploaded", file.id, facts)
            file_id: str = file.id
        return file_id

    def found(self, session: Session, file_id: str, user_id: str) -> Uploaded:
        """A file that this member of staff has uploaded and not imported yet. Raises NotFound."""
        of_theirs = select(self._table).where(self._table.id == file_id, self._table.uploaded_by == user_id)
        file: Uploaded | None = session.scalar(of_theirs)
        if file is None:
            raise NotFound
        return file

    def done(self, file_id: str, facts: dict[str, Any]) -> None:
        """Forget one that is imported."""
        with db.transaction() as session:
            session.execute(delete(self._table).where(self._table.id == file_id))
            audit.record(session, f"{self._word}.imported", file_id, facts)

    def forget_old(self) -> None:
        """Remove the files that nobody came back to."""
        with db.transaction() as session:
            session.execute(delete(self._table).where(self._table.uploaded_at < clock.now() - KEEP_FILES))
