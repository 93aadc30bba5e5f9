"""Reminders at the staff's desk: on the page of an invoice, and the invoices that were reminded of for the last time."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import db
from portal.core.errors import Conflict, Invalid
from portal.core.permissions import Permission
from portal.identity import queries as people
from portal.identity.forms import tell, typed
from portal.reminders import queries, service
from portal.reminders.forms import HoldForm
from portal.web import lists
from portal.web.guards import staff_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("support_reminders", __name__, url_prefix="/support")


@bp.get("/invoices/<invoice_id>/reminders")
@staff_only(Permission.LOOK_UP)
def of_invoice(invoice_id: str) -> Response:
    """As a part of the invoice's page."""
    return _of_invoice(invoice_id, HoldForm(formdata=None))


def _of_invoice(invoice_id: str, form: HoldForm) -> Response:
    found = service.of_invoice(invoice_id)
    with db.reading() as session:
        names = people.names(
            session, {one.asked_by for one in found.sent} | {found.hold.held_by if found.hold else None}
        )
    return page(
        "support/reminders/of_invoice.html",
        partial="support/reminders/_of_invoice.html",
        status=422 if form.errors else 200,
        found=found,
        names=names,
        form=form,
        invoice_id=invoice_id,
        may_change=current_user.may(Permission.MANAGE_REMINDERS),
    )


@bp.post("/invoices/<invoice_id>/reminders")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_REMINDERS)
def send_now(invoice_id: str) -> AnyResponse:
    try:
        service.send_now(invoice_id, by=current_user.id)
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(gettext("The reminder is being sent."), "success")
    return see_other("support_invoices.show", invoice_id=invoice_id)


@bp.post("/invoices/<invoice_id>/reminders/hold")
@staff_only(Permission.MANAGE_REMINDERS)
def hold(invoice_id: str) -> AnyResponse:
    form = HoldForm()
    if form.validate_on_submit():
        try:
            service.hold(invoice_id, reason=typed(form.reason), until=form.until.data or date.min, by=current_user.id)
        except (Invalid, Conflict) as error:
            tell(form, error)
        else:
            flash(gettext("Nobody is reminded of this invoice until then."), "success")
            return see_other("support_invoices.show", invoice_id=invoice_id)
    return _of_invoice(invoice_id, form)


@bp.post("/invoices/<invoice_id>/reminders/release")
@staff_only(Permission.MANAGE_REMINDERS)
def release(invoice_id: str) -> AnyResponse:
    service.release(invoice_id)
    flash(gettext("Reminders of this invoice go on."), "success")
    return see_other("support_invoices.show", invoice_id=invoice_id)


@bp.get("/reminders/ended")
@staff_only(Permission.LOOK_UP)
def ended() -> Response:
    """Invoices after the last reminder of the plan, newest first: a person goes on with them."""
    with db.reading() as session:
        found = queries.ended_page(session, request.args.get("page"))
    return page("support/reminders/ended.html", found=found, **lists.pager_links("support_reminders.ended", found))
