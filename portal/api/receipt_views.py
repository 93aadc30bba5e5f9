"""Documents, as facts and as PDF."""

from __future__ import annotations

import io

from flask import Response, send_file

from portal.api import receipt_schemas, representations, schemas
from portal.api.callers import Caller
from portal.api.operations import blueprint, operation
from portal.core import db
from portal.core.errors import N_, NotYet
from portal.documents import downloads, e_invoices, queries, service, xrechnung
from portal.documents.models import Document
from portal.documents.queries import Wanted

bp = blueprint("receipts")


class NotRendered(NotYet):
    """The worker has not made the PDF yet."""

    code = "pdf_being_made"
    message = N_("This document is being created. Please ask again in a moment.")


@bp.get("/receipts")
@operation(
    "receipts:read",
    tag="Receipts",
    answer=schemas.Page[receipt_schemas.Document],
    query=receipt_schemas.DocumentList,
    refusals=(404,),
)
def list_receipts(caller: Caller, query: receipt_schemas.DocumentList) -> schemas.Page[receipt_schemas.Document]:
    """List invoices, receipts, credit notes and confirmations, newest first."""
    whose = caller.one_customer(query.customer_id)
    with db.reading() as session:
        found = queries.of_customer(session, whose, query.cursor, Wanted(kind=query.kind), size=query.limit)
    rows = [representations.document(row) for row in found.rows]
    return representations.page(found, rows)


@bp.get("/receipts/<receipt_id>")
@operation("receipts:read", tag="Receipts", answer=receipt_schemas.Document, refusals=(404,))
def get_receipt(caller: Caller, receipt_id: str) -> receipt_schemas.Document:
    """Get one document."""
    return representations.document(_one(caller, receipt_id))


@bp.get("/receipts/download/<receipt_id>")
@operation("receipts:read", tag="Receipts", answer=None, refusals=(404,), media_type="application/pdf")
def download_receipt(caller: Caller, receipt_id: str) -> Response:
    """Download one as PDF.

    The bytes that were mailed. While it is being made, the answer is 503 with Retry-After.
    """
    document = _one(caller, receipt_id)
    with db.reading() as session:
        with_pdf = queries.pdf_for_customer(session, document.id, document.customer_id)
    if with_pdf.pdf is None:
        raise NotRendered
    _record_download(caller, document)
    response = send_file(
        io.BytesIO(with_pdf.pdf),
        mimetype="application/pdf",
        as_attachment=True,
        download_name=f"{document.number}.pdf",
        etag=False,
    )
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.get("/receipts/<receipt_id>/e-invoice")
@operation("receipts:read", tag="Receipts", answer=None, refusals=(404,), media_type=e_invoices.MIME_TYPE)
def download_e_invoice(caller: Caller, receipt_id: str) -> Response:
    """Download the e-invoice of an invoice or of a credit note.

    Factur-X (ZUGFeRD) in the profile EN 16931: the XML that its PDF carries. 404 where it carries none: `e_invoice` of the document tells.
    """
    document = _one(caller, receipt_id)
    response = send_file(
        io.BytesIO(e_invoices.of(document)),
        mimetype=e_invoices.MIME_TYPE,
        as_attachment=True,
        download_name=f"{document.number}.xml",
        etag=False,
    )
    _record_download(caller, document)
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.get("/receipts/<receipt_id>/xrechnung")
@operation(
    "receipts:read",
    tag="Receipts",
    answer=None,
    query=receipt_schemas.XRechnungWanted,
    refusals=(404,),
    media_type=xrechnung.MIME_TYPE,
)
def download_xrechnung(caller: Caller, receipt_id: str, query: receipt_schemas.XRechnungWanted) -> Response:
    """Download an invoice or a credit note as XRechnung 3.0.

    404 where something is missing for one, such as the buyer reference: `xrechnung` of the document tells.
    """
    document = _one(caller, receipt_id)
    response = send_file(
        io.BytesIO(xrechnung.of(document, xrechnung.Syntax(query.syntax))),
        mimetype=xrechnung.MIME_TYPE,
        as_attachment=True,
        download_name=f"{document.number}-xrechnung-{query.syntax}.xml",
        etag=False,
    )
    _record_download(caller, document)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _again(caller: Caller, document_id: str) -> receipt_schemas.Document:
    return representations.document(_one(caller, document_id))


@bp.post("/receipts/<receipt_id>/mail")
@operation(
    "documents:send",
    tag="Receipts",
    answer=receipt_schemas.Document,
    refusals=(404, 409),
    again=_again,
    limit="changes",
)
def send_document(caller: Caller, receipt_id: str) -> receipt_schemas.Document:
    """Mail a document again.

    For staff. It goes to everyone who gets such documents of this customer now. 409 while its PDF is being made: its first mail is still to
    come.
    """
    caller.reviewer()
    return representations.document(service.send_again(_one(caller, receipt_id).id))


def _record_download(caller: Caller, document: Document) -> None:
    if caller.customer_id is not None:
        downloads.record(document)


def _one(caller: Caller, document_id: str) -> Document:
    with db.reading() as session:
        whose = caller.customer_id
        row = queries.for_customer(session, document_id, whose) if whose else queries.for_company(session, document_id)
    caller.record_access(row.id, row.customer_id, row.kind)
    return row
