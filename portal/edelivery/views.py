"""E-invoices for networks at the staff's desk: on the page of an invoice, and those that nobody took."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import audit, db
from portal.core.errors import Conflict
from portal.core.permissions import Permission
from portal.edelivery import queries, service
from portal.invoices import queries as invoices
from portal.web import lists
from portal.web.guards import staff_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("support_edelivery", __name__, url_prefix="/support")


@bp.get("/invoices/<invoice_id>/network")
@staff_only(Permission.LOOK_UP)
def of_invoice(invoice_id: str) -> Response:
    """As a part of the invoice's page; nothing where it does not go by network."""
    with db.reading() as session:
        invoice = invoices.for_staff(session, invoice_id)
        found = queries.of_invoice(session, invoice_id)
    audit.record_access(invoice_id, invoice.customer_id, "invoice")
    return page("support/edelivery/_of_invoice.html", found=found, may_send=current_user.may(Permission.SEND_DOCUMENTS))


@bp.get("/network")
@staff_only(Permission.LOOK_UP)
def not_taken() -> Response:
    """E-invoices that were refused or given up, newest first."""
    with db.reading() as session:
        found = queries.not_taken_page(session, request.args.get("page"))
    return page(
        "support/edelivery/not_taken.html",
        found=found,
        may_send=current_user.may(Permission.SEND_DOCUMENTS),
        **lists.pager_links("support_edelivery.not_taken", found),
    )


@bp.post("/network/<document_id>")
@limiter.limit("30/minute")
@staff_only(Permission.SEND_DOCUMENTS)
def send_again(document_id: str) -> AnyResponse:
    try:
        service.send_again(document_id)
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(gettext("It is being handed over to the network."), "success")
    return see_other("support_edelivery.not_taken")
