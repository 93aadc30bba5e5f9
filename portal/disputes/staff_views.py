"""Disputes as staff see them: those that wait for us, one with its history, those of a customer."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, url_for

from portal.accounts import queries as accounts
from portal.core import audit, db
from portal.core.permissions import Permission
from portal.disputes import queries
from portal.disputes.staff_list import LIST
from portal.payments import queries as payments
from portal.web import staff_lists
from portal.web.guards import staff_only
from portal.web.pages import page

bp = Blueprint("support_disputes", __name__, url_prefix="/support/disputes")


@bp.get("")
@staff_only(Permission.LOOK_UP)
def index() -> Response:
    """The open disputes, the nearest deadline first, unless others are wanted."""
    return staff_lists.show(LIST)


@bp.get("/list.csv")
@staff_only(Permission.LOOK_UP)
def csv() -> Response:
    return staff_lists.as_csv(LIST)


@bp.get("/<dispute_id>")
@staff_only(Permission.LOOK_UP)
def show(dispute_id: str) -> Response:
    with db.reading() as session:
        dispute = queries.dispute(session, dispute_id)
        money = queries.money_of(session, dispute)
        warnings = queries.warnings_of(session, [dispute.payment_id])
        blocking = queries.blocking(session, dispute.payment_id)
    audit.record_access(dispute_id, dispute.customer_id, "dispute")
    return page(
        "support/disputes/show.html",
        dispute=dispute,
        money=money,
        warnings=warnings,
        blocks_refunds=blocking is not None and blocking.id == dispute_id,
        customer_url=_url_if_there("support.customer", customer_id=dispute.customer_id),
        payment_url=url_for("support_payments.show", payment_id=dispute.payment_id),
    )


@bp.get("/of-customer/<customer_id>")
@staff_only(Permission.LOOK_UP)
def of_customer(customer_id: str) -> Response:
    """A customer's disputes, as a part of a page of the desk."""
    with db.reading() as session:
        customer = accounts.customer(session, customer_id)
        found = queries.of_customer(session, customer_id)
    audit.record_access(customer_id, customer_id, "customer")
    return page(
        "support/disputes/of_customer.html",
        partial="support/disputes/_of_customer.html",
        customer=customer,
        disputes=found,
    )


@bp.get("/of-payment/<payment_id>")
@staff_only(Permission.LOOK_UP)
def of_payment(payment_id: str) -> Response:
    """The disputes of a payment, for the payment's page. Raises NotFound."""
    return _of_payment("support/disputes/_of_payment.html", payment_id)


@bp.get("/warnings-of-payment/<payment_id>")
@staff_only(Permission.LOOK_UP)
def warnings_of_payment(payment_id: str) -> Response:
    """The early fraud warnings of a payment, for the payment's page. Raises NotFound."""
    return _of_payment("support/disputes/_warnings_of_payment.html", payment_id)


def _of_payment(template: str, payment_id: str) -> Response:
    with db.reading() as session:
        payment = payments.by_id(session, payment_id)
        found = queries.of_payment(session, payment_id)
        warnings = queries.warnings_of(session, [payment_id])
    audit.record_access(payment_id, payment.customer_id, "payment")
    return page(template, disputes=found, warnings=warnings)


def _url_if_there(endpoint: str, **values: Any) -> str | None:
    """A link into a part of the desk that may not be installed."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None
