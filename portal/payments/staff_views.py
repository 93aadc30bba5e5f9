"""Payments at the staff's desk."""

from __future__ import annotations

from flask import Blueprint, Response

from portal.core import db
from portal.identity.models import STAFF_ROLES
from portal.invoices import queries as invoices
from portal.payments import queries
from portal.web.guards import staff_only
from portal.web.pages import page

bp = Blueprint("support_payments", __name__, url_prefix="/support/payments")


@bp.get("/of-invoice/<invoice_id>")
@staff_only(*STAFF_ROLES)
def of_invoice(invoice_id: str) -> Response:
    """The payments of an invoice, newest first, for the invoice's page. Raises NotFound."""
    with db.reading() as session:
        invoice = invoices.for_staff(session, invoice_id)
        payments = queries.of_invoice(session, invoice_id, invoice.customer_id)
    return page("support/payments/_of_invoice.html", payments=payments)
