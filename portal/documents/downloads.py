"""When a document's customer downloaded it: for staff, who are asked whether it arrived."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.core import clock, db
from portal.documents.models import Document, DocumentDownload


def record(document: Document) -> None:
    """Note that the customer was given its file: the PDF, or the data of it. Each call counts one more."""
    now = clock.now()
    with db.transaction() as session:
        insert: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        values = insert(DocumentDownload).values(document_id=document.id, first_at=now, last_at=now, times=1)
        again = {"last_at": now, "times": DocumentDownload.times + 1}
        session.execute(values.on_conflict_do_update(index_elements=["document_id"], set_=again))


def of(session: Session, document_id: str) -> DocumentDownload | None:
    return session.get(DocumentDownload, document_id)
