"""The PDF of an invoice before it is issued: asked for, made by the worker (portal.documents.previews), looked at, and soon removed.

It takes no number, is no document, and each of its pages says so. Everybody has one at a time, which nobody else sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.content.made_files import MadeFileStatus, Store
from portal.core import audit, clock, db
from portal.core.errors import N_, Conflict, NotFound
from portal.invoices import drafts, jobs
from portal.invoices.drafts import InvoiceDraft
from portal.invoices.models import InvoicePreview, InvoicePreviewPart

STORE: Final = Store(InvoicePreview, InvoicePreviewPart, "preview_id")
KEEP_FOR: Final = timedelta(hours=1)
GIVE_UP_AFTER: Final = timedelta(minutes=20)
_DRAFT: Final = TypeAdapter(InvoiceDraft)


def request(user_id: str, draft: InvoiceDraft, language: str) -> str:
    """Have the PDF of a draft made that was checked; returns the preview's id. The mark on its pages is in this language.

    The last one of this person goes. Raises Conflict when they ask twice in the same moment.
    """
    with db.transaction() as session:
        for old in session.scalars(select(InvoicePreview.id).where(InvoicePreview.requested_by == user_id)):
            session.execute(delete(InvoicePreviewPart).where(InvoicePreviewPart.preview_id == old))
            session.execute(delete(InvoicePreview).where(InvoicePreview.id == old))
        insert = sqlite.insert if db.dialect_of(session) == "sqlite" else postgresql.insert
        row = {
            "id": db.new_id("ipv"),
            "requested_by": user_id,
            "requested_at": clock.now(),
            "customer_id": draft.customer_id,
            "draft": _DRAFT.dump_python(draft, mode="json"),
            "language": language,
            "files_all": 1,
        }
        made = insert(InvoicePreview).values(row).on_conflict_do_nothing().returning(InvoicePreview.id)
        preview_id: str | None = session.scalar(made)
        if preview_id is None:
            raise Conflict(N_("Another preview is being created. Please wait until it is ready."))
        facts = {"total_minor": drafts.totals_of(draft).total_minor, "currency": draft.currency}
        audit.record(session, "invoice_preview.requested", preview_id, facts, customer_id=draft.customer_id)
        jobs.make_preview.enqueue(session, preview_id=preview_id)
        return preview_id


def draft_of(preview: InvoicePreview) -> InvoiceDraft:
    """What is drafted."""
    return _DRAFT.validate_python(preview.draft, strict=False)


def preview(session: Session, preview_id: str, user_id: str) -> InvoicePreview:
    """One that this person has asked for. Raises NotFound, also for somebody else's."""
    found = session.get(InvoicePreview, preview_id)
    if found is None or found.requested_by != user_id:
        raise NotFound
    return found


def download(preview_id: str, user_id: str) -> tuple[InvoicePreview, Iterator[bytes]]:
    """One that is ready, and its bytes. Raises NotFound."""
    with db.reading() as session:
        row = preview(session, preview_id, user_id)
    if row.status != MadeFileStatus.READY:
        raise NotFound
    return row, STORE.content(row)


def sweep() -> None:
    """Remove previews after their time, and give those up whose job has died, so that the page says so."""
    now = clock.now()
    STORE.remove(now - KEEP_FOR)
    STORE.give_up(now - GIVE_UP_AFTER)
