"""Reading what went by network; nothing here commits."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from portal.core import keyset
from portal.documents import queries as documents
from portal.edelivery.models import NOT_TAKEN, Handover


def of_invoice(session: Session, invoice_id: str) -> Handover | None:
    """Of the document of an invoice; None where it does not go by network."""
    document = documents.of_issued_invoice(session, invoice_id)
    return of_document(session, document.id) if document is not None else None


def of_document(session: Session, document_id: str) -> Handover | None:
    return session.scalars(select(Handover).where(Handover.document_id == document_id)).one_or_none()


def not_taken() -> Select[Handover]:
    """Those that were refused, or given up."""
    return select(Handover).where(NOT_TAKEN)


def not_taken_page(session: Session, cursor: str | None) -> keyset.Page[Handover]:
    """Newest first, with their documents."""
    query = not_taken().options(joinedload(Handover.document))
    return keyset.page(session, query, Handover.created_at, Handover.id, cursor)
