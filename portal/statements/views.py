"""The history of a customer's payments, with all that became of them, as a file."""

from __future__ import annotations

from flask import Blueprint, Response, request

from portal.core import db
from portal.core.errors import Invalid
from portal.payments import queries as payments
from portal.payments.forms import HistoryFilterForm
from portal.statements import export, queries
from portal.web import lists
from portal.web.guards import customer_id, customers_only

bp = Blueprint("statements", __name__)


@bp.get("/payments.csv")
@customers_only
def payments_csv() -> Response:
    """The history, filtered as on the page."""
    form = HistoryFilterForm(request.args)
    if not form.validate():
        raise Invalid
    shape = lists.csv_shape()
    with db.reading() as session:
        found = list(queries.lines(session, payments.export(session, customer_id(), form.filter())))
        text = "".join(export.rows(found, shape))
    return lists.csv_file([text], "payments.csv")
