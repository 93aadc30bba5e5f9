"""Automatic payment: its page, and the parts of other pages that tell of it."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import config, db
from portal.core.errors import Conflict
from portal.mandates import policy, queries, service
from portal.web.guards import customer_id, customers_only, payers_only, recently_proved
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("mandates", __name__, url_prefix="/automatic-payment")


@bp.get("")
@customers_only
def index() -> Response:
    me = customer_id()
    with db.reading() as session:
        mandate = queries.in_force(session, me)
        planned = queries.planned(session, me, mandate)
        method = queries.charged_under(session, mandate, me)
        # What may be charged once the newer words are agreed to, of which older ones do not speak.
        other = None if method is not None or mandate is None else queries.charged_under(session, None, me)
    words = policy.terms(config.current().company.name, reader_language())
    return page(
        "mandates/index.html",
        mandate=mandate,
        planned=planned,
        method=method,
        other=other,
        words=words,
        agreed=policy.digest(words),
    )


@bp.post("/on")
@limiter.limit("30/minute")
@payers_only
@recently_proved
def switch_on() -> AnyResponse:
    """The tick is the customer's signature: without it nothing happens."""
    if request.form.get("agree") != "yes":
        flash(gettext("Please tick “I agree to this” so that we may charge your payment method."), "error")
        return see_other("mandates.index")
    try:
        service.switch_on(
            customer_id(),
            current_user.id,
            ip=request.remote_addr or "",
            locale=reader_language(),
            agreed=request.form.get("agreed", ""),
        )
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(gettext("Automatic payment is on. We notify you before each charge."), "success")
    return see_other("mandates.index")


@bp.post("/off")
@limiter.limit("30/minute")
@payers_only
def switch_off() -> AnyResponse:
    service.switch_off(customer_id(), current_user.id)
    flash(gettext("Automatic payment is off. You now pay your invoices yourself."), "success")
    return see_other("mandates.index")


@bp.get("/summary")
@customers_only
def summary() -> Response:
    """Whether it is on, as a part of the page of payment methods."""
    with db.reading() as session:
        mandate = queries.in_force(session, customer_id())
    return page("mandates/summary.html", partial="mandates/_summary.html", mandate=mandate)


@bp.get("/of-invoice/<invoice_id>")
@customers_only
def of_invoice(invoice_id: str) -> Response:
    """When an invoice is charged by itself, as a part of its page."""
    me = customer_id()
    with db.reading() as session:
        planned = queries.planned_for(session, invoice_id, me)
        mandate = queries.in_force(session, me)
        method = queries.charged_under(session, mandate, me, planned.invoice.currency) if planned else None
    return page(
        "mandates/of_invoice.html",
        partial="mandates/_of_invoice.html",
        planned=planned,
        method=method,
        invoice_id=invoice_id,
    )
