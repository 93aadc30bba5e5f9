"""Documents at the staff's desk: those of a payment; one that was held is made, and one is sent again."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import audit, db
from portal.core.errors import Conflict
from portal.core.permissions import Permission
from portal.documents import queries, service
from portal.payments import queries as payments
from portal.web.guards import staff_only
from portal.web.pages import page, reader_language, see_other

bp = Blueprint("support_documents", __name__, url_prefix="/support/documents")


@bp.get("/of-payment/<payment_id>")
@staff_only(Permission.LOOK_UP)
def of_payment(payment_id: str) -> Response:
    """A payment's receipt, and its documents that wait for a person, for the payment's page. Raises NotFound."""
    with db.reading() as session:
        payment = payments.by_id(session, payment_id)
        receipt = queries.receipt_of(session, payment_id)
        held = queries.held(session, payment_id)
    audit.record_access(payment_id, payment.customer_id, "payment")
    return page("support/documents/_of_payment.html", payment=payment, receipt=receipt, held=held)


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
