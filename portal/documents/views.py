"""Receipts and credit notes as their owner sees them: the list, one of them, its PDF, and those of a payment."""

from __future__ import annotations

import io
from typing import Final

from flask import Blueprint, Response, request, send_file, url_for

from portal.core import db
from portal.documents import facts, queries
from portal.documents.models import DocumentKind
from portal.invoices import queries as invoices
from portal.web import guards, pages

bp = Blueprint("documents", __name__, url_prefix="/receipts")

# A page that shows a payment asks again this often while its documents are being made, and this many times: five minutes,
# longer than a worker that has fallen behind; after that the mail brings them.
POLL_EVERY_SECONDS: Final = 2
MOST_POLLS: Final = 150

# The page of each kind.
TEMPLATES: Final = {
    DocumentKind.RECEIPT: "documents/receipt.html",
    DocumentKind.CREDIT_NOTE: "documents/credit_note.html",
}


@bp.get("/")
@guards.customers_only
def index() -> Response:
    """All receipts and credit notes, newest first."""
    with db.reading() as session:
        found = queries.of_customer(session, guards.customer_id(), request.args.get("page"))
    return pages.page(
        "documents/index.html",
        partial="documents/_list.html",
        documents=found.rows,
        next_url=url_for("documents.index", page=found.older) if found.older else None,
        previous_url=url_for("documents.index", page=found.newer) if found.newer else None,
    )


@bp.get("/<document_id>")
@guards.customers_only
def show(document_id: str) -> Response:
    with db.reading() as session:
        document = queries.for_customer(session, document_id, guards.customer_id())
    return pages.page(TEMPLATES[document.kind], document=document, facts=facts.from_json(document.facts))


@bp.get("/<document_id>/pdf")
@guards.customers_only
def pdf(document_id: str) -> Response:
    """The bytes that were mailed, as a file to keep; while they are not there yet, a page that says so."""
    with db.reading() as session:
        document = queries.pdf_for_customer(session, document_id, guards.customer_id())
        addresses = queries.addresses(session, document)
    if document.pdf is None:
        waiting = pages.page("documents/being_made.html", status=503, document=document, addresses=addresses)
        waiting.headers["Retry-After"] = str(POLL_EVERY_SECONDS)
        return waiting
    response = send_file(
        io.BytesIO(document.pdf),
        mimetype="application/pdf",
        as_attachment=True,
        download_name=f"{document.number}.pdf",
        etag=document.pdf_sha256 or False,
        last_modified=document.issued_at,
    )
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.get("/of-payment/<payment_id>")
@guards.customers_only
def of_payment(payment_id: str) -> Response:
    """Where a payment's documents are to be had, or that one is being made: then this part of the page asks again by itself."""
    polls = request.args.get("polls", 0, type=int)
    with db.reading() as session:
        found = queries.of_payment(session, payment_id, guards.customer_id())
    return pages.page(
        "documents/of_payment.html",
        partial="documents/_of_payment.html",
        found=found,
        next_poll=polls + 1 if 0 <= polls < MOST_POLLS else None,
        every_seconds=POLL_EVERY_SECONDS,
    )


@bp.get("/of-invoice/<invoice_id>")
@guards.customers_only
def of_invoice(invoice_id: str) -> Response:
    """What became of the money for a paid invoice, with its documents; a part of the invoice's page, or a page of its own."""
    me = guards.customer_id()
    with db.reading() as session:
        invoice = invoices.for_customer(session, invoice_id, me)
        paid = queries.of_invoice(session, invoice_id, me)
    return pages.page(
        "documents/of_invoice.html",
        partial="documents/_of_invoice.html",
        invoice=invoice,
        paid=paid,
        next_poll=1,
        every_seconds=POLL_EVERY_SECONDS,
    )
