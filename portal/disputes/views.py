"""What a customer is told of a dispute, as a part of the payment's page."""

from __future__ import annotations

from flask import Blueprint, Response

from portal.core import db
from portal.disputes import queries
from portal.disputes.returning import is_final
from portal.payments.models import Payment
from portal.web.guards import customer_id, customers_only
from portal.web.pages import page

bp = Blueprint("disputes", __name__)


@bp.get("/payments/<payment_id>/dispute")
@customers_only
def of_payment(payment_id: str) -> Response:
    """Whether a payment is disputed; alone, for those without JavaScript, as a page."""
    with db.reading() as session:
        found = queries.of_own_payment(session, payment_id, customer_id())
        final = is_final(session.get_one(Payment, payment_id))
    return page(
        "disputes/of_payment.html",
        partial="disputes/_of_payment.html",
        payment_id=payment_id,
        disputes=found,
        is_final=final,
    )
