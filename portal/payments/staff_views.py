"""Payments at the staff's desk."""

from __future__ import annotations

from flask import Blueprint, Response, flash
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from portal import gateway
from portal.content import language
from portal.core import audit, db
from portal.core.errors import N_, Conflict
from portal.core.permissions import Permission
from portal.invoices import queries as invoices
from portal.payments import queries, service
from portal.payments.models import Payment
from portal.payments.staff_list import LIST
from portal.payments.statuses import PaymentStatus
from portal.web import staff_lists
from portal.web.guards import staff_only
from portal.web.offers import Offer, offer
from portal.web.pages import page, reader_language, see_other

bp = Blueprint("support_payments", __name__, url_prefix="/support/payments")


@bp.get("")
@staff_only(Permission.LOOK_UP)
def index() -> Response:
    return staff_lists.show(LIST)


@bp.get("/list.csv")
@staff_only(Permission.LOOK_UP)
def csv() -> Response:
    return staff_lists.as_csv(LIST)


@bp.get("/of-invoice/<invoice_id>")
@staff_only(Permission.LOOK_UP)
def of_invoice(invoice_id: str) -> Response:
    """The payments of an invoice, newest first, for the invoice's page. Raises NotFound."""
    with db.reading() as session:
        invoice = invoices.for_staff(session, invoice_id)
        payments = queries.of_invoice(session, invoice_id, invoice.customer_id)
        shown = queries.shown_statuses(session, payments)
    return page("support/payments/_of_invoice.html", payments=payments, shown=shown)


@bp.get("/<payment_id>")
@staff_only(Permission.LOOK_UP)
def show(payment_id: str) -> Response:
    """All of a payment; refunds, disputes and documents draw their parts of the page."""
    with db.reading() as session:
        payment = queries.by_id(session, payment_id)
        postings = queries.postings_of(session, payment_id)
        shown = queries.shown_statuses(session, [payment])[payment_id]
    audit.record_access(payment_id, payment.customer_id, "payment")
    return page(
        "support/payments/show.html",
        payment=payment,
        shown=shown,
        postings=postings,
        advice=_advice(payment),
        cancellation=_cancellation(payment),
    )


def _cancellation(payment: Payment) -> Offer:
    """What portal.payments.canceling would refuse is not offered."""
    match payment.status:
        case PaymentStatus.SUCCEEDED:
            obstacle = N_("This payment has succeeded, so it can only be refunded.")
        case PaymentStatus.CANCELED:
            obstacle = N_("This payment is canceled already.")
        case _ if payment.review_reason:
            obstacle = N_("This payment cannot be canceled while it is held for review.")
        case _ if not payment.can_be_canceled:
            obstacle = N_("This payment cannot be canceled: the customer’s bank is at work on it.")
        case _:
            obstacle = ""
    return offer(N_("Cancel payment"), Permission.CANCEL_PAYMENTS, obstacle)


def _advice(payment: Payment) -> str:
    return str(gettext(gateway.advice(payment.failure_code, payment.decline_code, debit=payment.is_by_debit)))


@bp.post("/<payment_id>/cancellation")
@staff_only(Permission.CANCEL_PAYMENTS)
def cancel(payment_id: str) -> AnyResponse:
    """Call off what the customer has begun and not finished; what is paid meanwhile stays paid, and is told."""
    try:
        service.cancel_waiting(payment_id)
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(gettext("The payment was canceled. The customer was not charged."), "success")
    return see_other("support_payments.show", payment_id=payment_id)
