"""Documents in a ZIP: each in the folder of its kind, under its number."""

from __future__ import annotations

from typing import Final

import structlog

from portal.content import archives
from portal.content.archives import Archive
from portal.core import db
from portal.documents import queries
from portal.documents.models import Document, DocumentKind

log = structlog.get_logger(__name__)

FOLDERS: Final = {
    DocumentKind.INVOICE: "invoices",
    DocumentKind.RECEIPT: "receipts",
    DocumentKind.PAYMENT_CONFIRMATION: "payment-confirmations",
    DocumentKind.CREDIT_NOTE: "credit-notes",
    DocumentKind.REFUND_CONFIRMATION: "refund-confirmations",
}
NOT_RENDERED: Final = "its PDF was not made yet"
DAMAGED: Final = "its stored PDF is not the one that was made"


def place(document: Document) -> str:
    """Where it is in the ZIP: "invoices/INV-2026-000123.pdf"."""
    return f"{FOLDERS[document.kind]}/{archives.safe_name(document.number)}.pdf"


def pack(archive: Archive, document: Document) -> str:
    """Put the PDF of a document in; or tell why not, "" otherwise."""
    try:
        with db.reading() as session:
            pdf = queries.with_pdf(session, document.id).pdf
    except queries.Damaged:
        log.error("document_damaged", document=document.id)
        return DAMAGED
    if pdf is None:
        return NOT_RENDERED
    archive.add(place(document), [pdf], compress=False)
    return ""
