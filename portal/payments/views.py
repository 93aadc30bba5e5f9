"""The overview, the history, and a payment's page."""

from __future__ import annotations

from flask import Blueprint, Response, request
from flask_babel import gettext

from portal import gateway
from portal.core import config, db
from portal.invoices import queries as invoices
from portal.payments import queries
from portal.payments.forms import HistoryFilterForm
from portal.payments.statuses import PaymentStatus
from portal.web import lists
from portal.web.guards import customer_id, customers_only
from portal.web.pages import page

bp = Blueprint("payments", __name__)

LATEST_ON_OVERVIEW = 5


@bp.get("/")
@customers_only
def overview() -> Response:
    me = customer_id()
    with db.reading() as session:
        owed = invoices.owed(session, me)
        latest = queries.latest(session, me, LATEST_ON_OVERVIEW)
        shown = queries.shown_statuses(session, latest)
    return page(
        "payments/overview.html", owed=owed, latest=latest, shown=shown, other_amounts=config.current().pay_any_amount
    )


@bp.get("/payments")
@customers_only
def history() -> Response:
    """The payments of a customer, newest first; all filters stand in the address."""
    form = HistoryFilterForm(request.args)
    wrong = not form.validate()
    wanted = queries.Filter() if wrong else form.filter()
    with db.reading() as session:
        found = queries.history(session, customer_id(), wanted, request.args.get("page"))
        shown = queries.shown_statuses(session, found.rows)
    return lists.filtered(
        "payments.history",
        "payments/history.html",
        found,
        wrong=wrong,
        form=form,
        shown=shown,
        other_amounts=config.current().pay_any_amount,
    )


@bp.get("/payments/<payment_id>")
@customers_only
def show(payment_id: str) -> Response:
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, customer_id())
        shown = queries.shown_statuses(session, [payment])[payment.id]

    def explain(failure_code: str, decline_code: str) -> str:
        return str(gettext(gateway.advice(failure_code, decline_code, debit=payment.is_by_debit)))

    advice = explain(payment.failure_code, payment.decline_code) if payment.failure_code else ""
    return page("payments/show.html", payment=payment, shown=shown, advice=advice, explain=explain)


@bp.get("/payments/of-invoice/<invoice_id>")
@customers_only
def of_invoice(invoice_id: str) -> Response:
    """The payments of an invoice, as a part of the invoice's page; alone, for those without JavaScript, as a page."""
    me = customer_id()
    with db.reading() as session:
        invoice = invoices.for_customer(session, invoice_id, me)
        payments = queries.of_invoice(session, invoice_id, me)
        shown = queries.shown_statuses(session, payments)
    unfinished = next(
        (p for p in payments if p.public_status == PaymentStatus.REQUIRES_ACTION and not p.review_reason), None
    )
    return page(
        "payments/of_invoice.html",
        partial="payments/_of_invoice.html",
        invoice=invoice,
        payments=payments,
        shown=shown,
        unfinished=unfinished,
    )
