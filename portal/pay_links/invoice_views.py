"""The link on the page of its invoice: for the customer, who may hand it on, and for staff, who do not see it."""

from __future__ import annotations

from flask import Blueprint, Response, flash
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.core.permissions import Permission
from portal.pay_links import service
from portal.web import guards
from portal.web.pages import limiter, page, see_other

bp = Blueprint("invoice_pay_links", __name__, url_prefix="/invoices/<invoice_id>/pay-link")
staff_bp = Blueprint("support_pay_links", __name__, url_prefix="/support/invoices/<invoice_id>/pay-link")


@bp.get("")
@guards.customers_only
def of_invoice(invoice_id: str) -> Response:
    """As a part of the invoice's page. The link itself is shown to those who may pay."""
    shown = service.of_invoice(invoice_id, guards.customer_id())
    may_share = current_user.may_pay and not current_user.viewing
    return page(
        "pay_links/of_invoice.html",
        partial="pay_links/_of_invoice.html",
        shown=shown,
        invoice_id=invoice_id,
        may_share=may_share,
        at_the_desk=False,
    )


@bp.post("")
@limiter.limit("30/minute")
@guards.payers_only
def make(invoice_id: str) -> AnyResponse:
    service.make(invoice_id, guards.customer_id())
    flash(gettext("The new pay link works. Earlier ones no longer do."), "success")
    return see_other("invoices.show", invoice_id=invoice_id)


@bp.post("/revocation")
@limiter.limit("30/minute")
@guards.payers_only
def revoke(invoice_id: str) -> AnyResponse:
    service.revoke(invoice_id, guards.customer_id())
    flash(gettext("The pay link no longer works."), "success")
    return see_other("invoices.show", invoice_id=invoice_id)


@staff_bp.get("")
@guards.staff_only(Permission.LOOK_UP)
def staff_of_invoice(invoice_id: str) -> Response:
    return page(
        "pay_links/of_invoice.html",
        partial="pay_links/_of_invoice.html",
        shown=service.of_invoice(invoice_id),
        invoice_id=invoice_id,
        may_share=current_user.may(Permission.MANAGE_REMINDERS),
        at_the_desk=True,
    )


@staff_bp.post("")
@guards.staff_only(Permission.MANAGE_REMINDERS)
def staff_make(invoice_id: str) -> AnyResponse:
    service.make(invoice_id)
    flash(
        gettext("The new pay link goes out with the next e-mail about this invoice. Earlier ones no longer work."),
        "success",
    )
    return see_other("support_invoices.show", invoice_id=invoice_id)


@staff_bp.post("/revocation")
@guards.staff_only(Permission.MANAGE_REMINDERS)
def staff_revoke(invoice_id: str) -> AnyResponse:
    service.revoke(invoice_id)
    flash(gettext("The pay link no longer works."), "success")
    return see_other("support_invoices.show", invoice_id=invoice_id)
