"""Documents at the staff's desk: those of a payment; one that was held is made, and one is sent again."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import audit, db
from portal.core.errors import N_, Conflict, NotFound
from portal.core.permissions import Permission
from portal.documents import downloads, e_invoices, facts, queries, service, xrechnung
from portal.documents.models import Document
from portal.documents.staff_list import LIST
from portal.documents.views import as_data, as_file, as_x_rechnung
from portal.invoices import queries as invoices
from portal.payments import queries as payments
from portal.web import staff_lists
from portal.web.guards import staff_only
from portal.web.offers import Offer, offer
from portal.web.pages import page, reader_language, see_other

bp = Blueprint("support_documents", __name__, url_prefix="/support/documents")


@bp.get("")
@staff_only(Permission.LOOK_UP)
def index() -> Response:
    return staff_lists.show(LIST)


@bp.get("/list.csv")
@staff_only(Permission.LOOK_UP)
def csv() -> Response:
    return staff_lists.as_csv(LIST)


@bp.get("/of-payment/<payment_id>")
@staff_only(Permission.LOOK_UP)
def of_payment(payment_id: str) -> Response:
    """A payment's receipt, and its documents that wait for a person, for the payment's page. Raises NotFound."""
    with db.reading() as session:
        payment = payments.by_id(session, payment_id)
        receipt = queries.receipt_of(session, payment_id)
        held = queries.held(session, payment_id)
    audit.record_access(payment_id, payment.customer_id, "payment")
    return page(
        "support/documents/_of_payment.html",
        payment=payment,
        receipt=receipt,
        held=held,
        sending=_sending(receipt),
        rendering=_rendering(),
    )


def _sending(document: Document | None) -> Offer:
    """Its mail once more; its first one comes by itself."""
    is_held = document is not None and document.is_held
    return offer(
        N_("Send again"),
        Permission.SEND_DOCUMENTS,
        is_held and N_("It is held because characters are missing, and was not sent yet."),
        not is_held
        and (document is None or document.pdf_sha256 is None)
        and N_("It is still being created, and is sent then."),
    )


def _rendering() -> Offer:
    return offer(N_("Create again, or send as it is"), Permission.SEND_DOCUMENTS)


@bp.get("/of-invoice/<invoice_id>")
@staff_only(Permission.LOOK_UP)
def of_invoice(invoice_id: str) -> Response:
    """The document of an invoice, for the invoice's page: where it went and when. Raises NotFound."""
    with db.reading() as session:
        invoice = invoices.for_staff(session, invoice_id)
        document = queries.of_issued_invoice(session, invoice_id)
        recipients = (
            queries.sent_to(session, document) or ", ".join(queries.addresses(session, document)) if document else ""
        )
        refused = queries.refused_mail(session, document) if document else ""
        unreached = queries.unreached(session, document) if document else []
        download = downloads.of(session, document.id) if document else None
        corrections = queries.corrections_of(session, invoice_id)
    audit.record_access(invoice_id, invoice.customer_id, "invoice")
    said = facts.from_json(document.facts) if document else None
    return page(
        "support/documents/_of_invoice.html",
        document=document,
        sending=_sending(document),
        rendering=_rendering(),
        recipients=recipients,
        refused=refused,
        unreached=unreached,
        download=download,
        e_invoice=isinstance(said, facts.InvoiceFacts) and said.e_invoice,
        missing=e_invoices.missing(said) if said else (),
        x_rechnung=said is not None and xrechnung.is_ready(said),
        x_missing=xrechnung.missing(said) if said and xrechnung.reference(said) else (),
        corrections=[(one, _sending(one)) for one in corrections],
    )


@bp.get("/<document_id>/pdf")
@staff_only(Permission.LOOK_UP)
def pdf(document_id: str) -> Response:
    """The bytes that were mailed. Raises NotFound, also while they are not made, and Damaged."""
    with db.reading() as session:
        document = queries.with_pdf(session, document_id)
    if document.pdf is None:
        raise NotFound
    audit.record_access(document.subject, document.customer_id, document.kind)
    return as_file(document)


@bp.get("/<document_id>/e-invoice")
@staff_only(Permission.LOOK_UP)
def e_invoice(document_id: str) -> Response:
    """The data that the PDF carries. Raises NotFound where it carries none."""
    with db.reading() as session:
        document = queries.for_company(session, document_id)
    audit.record_access(document.subject, document.customer_id, document.kind)
    return as_data(document)


@bp.get("/<document_id>/xrechnung/<syntax>")
@staff_only(Permission.LOOK_UP)
def x_rechnung(document_id: str, syntax: str) -> Response:
    """It as XRechnung, in CII or in UBL. Raises NotFound where something is missing for it."""
    with db.reading() as session:
        document = queries.for_company(session, document_id)
    audit.record_access(document.subject, document.customer_id, document.kind)
    return as_x_rechnung(document, syntax)


@bp.get("/<document_id>")
@staff_only(Permission.LOOK_UP)
def place(document_id: str) -> AnyResponse:
    """The page of what a document is about. Raises NotFound."""
    with db.reading() as session:
        document = queries.for_company(session, document_id)
    return _place_of(document)


@bp.post("/<document_id>/rendering")
@staff_only(Permission.SEND_DOCUMENTS)
def render_held(document_id: str) -> AnyResponse:
    """Of a document that lacks characters: a person has looked."""
    try:
        document = service.render_held(document_id, as_it_is=request.form.get("as_it_is") == "yes")
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
        return see_other("support.index")
    flash(gettext("%(number)s is being created.", number=document.number), "success")
    return _place_of(document)


def _place_of(document: Document) -> AnyResponse:
    with db.reading() as session:
        invoice_id = document.invoice_id or queries.invoice_corrected(session, document)
    if invoice_id is not None:
        return see_other("support_invoices.show", invoice_id=invoice_id)
    return see_other("support_payments.show", payment_id=document.payment_id)


@bp.post("/<document_id>/mail")
@staff_only(Permission.SEND_DOCUMENTS)
def send_again(document_id: str) -> AnyResponse:
    try:
        document = service.send_again(document_id)
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
        return see_other("support.index")
    flash(gettext("%(number)s was sent again.", number=document.number), "success")
    return see_other("support.customer", customer_id=document.customer_id)
