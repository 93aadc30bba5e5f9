"""A customer's invoices: the list, and one invoice with its lines."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, request

from portal.core import db
from portal.invoices import queries
from portal.web import guards, pages

bp: Final = Blueprint("invoices", __name__, url_prefix="/invoices")


@bp.get("")
@guards.customers_only
def index() -> Response:
    """The newest first; `status` filters, `page` is a cursor that a link of this page gave out."""
    customer_id, status = guards.customer_id(), request.args.get("status") or None
    with db.reading() as session:
        found = queries.page_for_customer(session, customer_id, status=status, cursor=request.args.get("page"))
        standings = queries.standings(session, found.rows)
        sums = queries.sums(session, customer_id)
    return pages.page(
        "invoices/index.html",
        partial="invoices/_list.html",
        found=found,
        standings=standings,
        sums=sums,
        wanted=status,
        filters=queries.FILTERS,
    )


@bp.get("/<invoice_id>")
@guards.customers_only
def show(invoice_id: str) -> Response:
    customer_id = guards.customer_id()
    with db.reading() as session:
        invoice = queries.for_customer(session, invoice_id, customer_id, with_lines=True)
        standing = queries.standings(session, [invoice])[invoice.id]
    return pages.page("invoices/show.html", invoice=invoice, standing=standing)
