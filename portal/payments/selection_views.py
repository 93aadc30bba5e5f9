"""Choosing what is paid: several invoices at once, or a part of one. Where they are paid is portal.payments.pay_views."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, request
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import db, money
from portal.core.errors import Conflict, Invalid
from portal.invoices import part_payments
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


@bp.get("/invoices/<invoice_id>/part")
@payers_only
def part(invoice_id: str) -> Response | AnyResponse:
    """The `amount` that was typed of an invoice goes to the page where that is paid; what cannot be paid of it is told at the field."""
    typed = request.args.get("amount", "")
    with db.reading() as session:
        invoice = invoices.for_customer(session, invoice_id, customer_id())
    try:
        amount = money.parse(typed, invoice.currency, reader_language())
        part_payments.check(invoice, amount)
    except Invalid as error:
        wrong = language.error_text(error, reader_language())
    except ValueError:
        example = language.typed_amount(invoice.amount_due, reader_language())
        wrong = gettext("Please enter an amount such as %(example)s.", example=example)
    else:
        return see_other("pay.invoice", selection=invoice_id, part=amount.minor, now="yes")
    least = part_payments.least(invoice)
    return page("payments/part.html", status=422, invoice=invoice, typed=typed, wrong=wrong, least=least)
