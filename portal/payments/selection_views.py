"""Choosing several invoices to be paid at once. The page where they are paid is that of one: portal.payments.pay_views."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import db
from portal.core.errors import Conflict, Invalid
from portal.invoices import queries as invoices
from portal.payments import allocating
from portal.payments.order_rules import MOST_INVOICES, whole
from portal.web.guards import customer_id, payers_only
from portal.web.pages import page, reader_language, see_other

bp: Final = Blueprint("pay_together", __name__, url_prefix="/payments")

# The earliest due ones; who owes more pays these first.
MOST_SHOWN: Final = 100


@bp.get("/together")
@payers_only
def choose() -> Response | AnyResponse:
    """The invoices that stand in the address, or of a currency `all` that are due, go to the page where they are paid. What cannot be paid
    at once is told here, where it can be chosen otherwise; so is what was not chosen yet.
    """
    me, chosen, currency = customer_id(), request.args.getlist("invoice"), request.args.get("all", "")
    with db.reading() as session:
        due = invoices.due(session, me, MOST_SHOWN)
        if currency:
            chosen = [one.id for one in due if one.currency == currency][:MOST_INVOICES]
        try:
            if request.args:
                allocating.check_selection(session, me, whole(*chosen))
            refusal = ""
        except (Invalid, Conflict) as error:
            refusal = language.error_text(error, reader_language())
    if request.args and not refusal:
        return see_other("pay.invoice", selection=",".join(chosen), now="yes")
    return page(
        "payments/together.html",
        due=due,
        chosen=set(chosen),
        refusal=refusal,
        status=422 if refusal else 200,
    )
