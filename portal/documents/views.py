"""Documents as their owner sees them: the list, one of them, its PDF, and those of a payment."""

from __future__ import annotations

import io
from typing import Final

from flask import Blueprint, Response, request, send_file
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import db
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.documents import archives, downloads, e_invoices, facts, queries, xrechnung
from portal.documents.forms import DocumentFilterForm
from portal.documents.models import Document, DocumentKind
from portal.documents.queries import Wanted
from portal.invoices import queries as invoices
from portal.web import guards, lists, pages

bp = Blueprint("documents", __name__, url_prefix="/receipts")

# A page that shows a payment asks again this often while its documents are being made, and this many times: five minutes,
# longer than a worker that has fallen behind; after that the mail brings them.
POLL_EVERY_SECONDS: Final = 2
MOST_POLLS: Final = 150
# A page has fewer rows.
MOST_TICKED: Final = 200

# The page of each kind of facts.
TEMPLATES: Final = {
    "receipt": "documents/receipt.html",
    "payment_confirmation": "documents/payment_confirmation.html",
    "credit_note": "documents/credit_note.html",
    "correction": "documents/correction.html",
    "refund_confirmation": "documents/refund_confirmation.html",
}


@bp.get("/")
@guards.customers_only
def index() -> Response:
    """All documents, newest first; all filters stand in the address."""
    return _list()


def _list(problem: str = "") -> Response:
    form = DocumentFilterForm(request.args)
    wrong = not form.validate()
    me = guards.customer_id()
    with db.reading() as session:
        found = queries.of_customer(session, me, request.args.get("page"), Wanted() if wrong else form.filter())
        made = queries.archives(session, me)
    return lists.filtered(
        "documents.index",
        "documents/index.html",
        found,
        wrong=wrong or bool(problem),
        form=form,
        archives=made,
        problem=problem,
        kinds=list(DocumentKind),
    )


@bp.post("/archives")
@pages.limiter.limit("30/minute")
@guards.customers_only
def request_archive() -> AnyResponse:
    """Have a ZIP made of the documents that are ticked, or of all that the filters find."""
    form = DocumentFilterForm(request.form)
    try:
        if "all" not in request.form:
            wanted = Wanted(ids=tuple(request.form.getlist("document")[:MOST_TICKED]))
            if not wanted.ids:
                raise Invalid(N_("Please choose the documents that you want to download."))
        elif form.validate():
            wanted = form.filter()
        else:
            return _list(gettext("Please check the filters."))
        archive_id = archives.request(guards.customer_id(), current_user.id, wanted)
    except (Invalid, Conflict) as error:
        return _list(language.error_text(error, pages.reader_language()))
    return pages.see_other("documents.show_archive", archive_id=archive_id)


@bp.get("/archives/<archive_id>")
@guards.customers_only
def show_archive(archive_id: str) -> Response:
    """A ZIP, ready or being made; then this asks again by itself."""
    with db.reading() as session:
        found = queries.archive(session, archive_id, guards.customer_id())
    return pages.page("documents/archive.html", partial="documents/_archive.html", archive=found)


@bp.get("/archives/<archive_id>/file")
@pages.limiter.limit("30/minute")
@guards.customers_only
def download_archive(archive_id: str) -> Response:
    archive, parts = archives.download(archive_id, guards.customer_id())
    response = Response(parts, content_type="application/zip")
    response.content_length = archive.size
    response.headers["Content-Disposition"] = f'attachment; filename="documents-{archive.requested_at:%Y-%m-%d}.zip"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.get("/<document_id>")
@guards.customers_only
def show(document_id: str) -> AnyResponse:
    """One of them; an invoice has its own page."""
    with db.reading() as session:
        document = queries.for_customer(session, document_id, guards.customer_id())
        invoice_id = (
            document.invoice_id
            or queries.invoice_paid(session, document)
            or queries.invoice_corrected(session, document)
        )
    if document.kind == DocumentKind.INVOICE:
        return pages.see_other("invoices.show", invoice_id=invoice_id)
    said = facts.from_json(document.facts)
    is_ready = xrechnung.is_ready(said)
    return pages.page(TEMPLATES[said.kind], document=document, facts=said, invoice_id=invoice_id, x_rechnung=is_ready)


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
    _record_download(document)
    return as_file(document)


@bp.get("/<document_id>/e-invoice")
@guards.customers_only
def e_invoice(document_id: str) -> Response:
    """The data that the PDF of an invoice or of a credit note carries, as a file. Raises NotFound where it carries none."""
    with db.reading() as session:
        document = queries.for_customer(session, document_id, guards.customer_id())
    found = as_data(document)
    _record_download(document)
    return found


@bp.get("/<document_id>/xrechnung/<syntax>")
@guards.customers_only
def x_rechnung(document_id: str, syntax: str) -> Response:
    """An invoice or a credit note as XRechnung, in CII or in UBL. Raises NotFound where something is missing for it."""
    with db.reading() as session:
        document = queries.for_customer(session, document_id, guards.customer_id())
    found = as_x_rechnung(document, syntax)
    _record_download(document)
    return found


def _record_download(document: Document) -> None:
    """Staff who view a customer's pages are not the customer."""
    if current_user.viewing is None:
        downloads.record(document)


def as_x_rechnung(document: Document, syntax: str) -> Response:
    """The XRechnung of a document, to keep. Raises NotFound, also for a syntax that there is none of."""
    if syntax not in set(xrechnung.Syntax):
        raise NotFound
    response = send_file(
        io.BytesIO(xrechnung.of(document, xrechnung.Syntax(syntax))),
        mimetype=xrechnung.MIME_TYPE,
        as_attachment=True,
        download_name=f"{document.number}-xrechnung-{syntax}.xml",
        etag=False,
        last_modified=document.issued_at,
    )
    response.headers["Cache-Control"] = "private, no-store"
    return response


def as_data(document: Document) -> Response:
    """The e-invoice of a document, to keep. Raises NotFound where it has none."""
    response = send_file(
        io.BytesIO(e_invoices.of(document)),
        mimetype=e_invoices.MIME_TYPE,
        as_attachment=True,
        download_name=f"{document.number}.xml",
        etag=False,
        last_modified=document.issued_at,
    )
    response.headers["Cache-Control"] = "private, no-store"
    return response


def as_file(document: Document) -> Response:
    """The PDF of a document that has one, to keep."""
    response = send_file(
        io.BytesIO(document.pdf or b""),
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


@bp.get("/file-of-invoice/<invoice_id>")
@guards.customers_only
def file_of_invoice(invoice_id: str) -> Response:
    """Where the PDF of an invoice is to be had; a part of the invoice's page."""
    with db.reading() as session:
        invoices.for_customer(session, invoice_id, guards.customer_id())
        document = queries.of_issued_invoice(session, invoice_id)
    e_invoice = bool(document and document.facts.get("e_invoice"))
    x_rechnung = document is not None and xrechnung.is_ready(facts.from_json(document.facts))
    return pages.page("documents/_file_of_invoice.html", document=document, e_invoice=e_invoice, x_rechnung=x_rechnung)


@bp.get("/corrections-of-invoice/<invoice_id>")
@guards.customers_only
def corrections(invoice_id: str) -> Response:
    """The credit notes by which an invoice was lowered before it was paid; a part of the invoice's page."""
    with db.reading() as session:
        invoices.for_customer(session, invoice_id, guards.customer_id())
        found = queries.corrections_of(session, invoice_id)
    return pages.page("documents/_corrections.html", corrections=found)


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
