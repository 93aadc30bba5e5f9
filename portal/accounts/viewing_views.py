"""Viewing a customer's account as the customer sees it, and the guard that keeps it to reading."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, flash, make_response, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse
from wtforms import StringField
from wtforms.validators import InputRequired

from portal.accounts import service
from portal.core import audit, config
from portal.core.errors import N_, Forbidden, Invalid
from portal.core.permissions import Permission
from portal.identity import viewing, web
from portal.identity.forms import tell, typed
from portal.web import pages
from portal.web.guards import recently_proved, staff_only
from portal.web.resuming import ResumableForm

bp = Blueprint("viewing", __name__)

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# What a customer sees of the company's business with it. Not among them: what belongs to a person, and all that is the staff's.
_SHOWN: Final = frozenset(
    {
        *("payments", "pay", "invoices", "documents", "payment_methods", "mandates", "refunds", "disputes"),
        *("statements", "people", "recipients", "invoice_pay_links", "webhooks_page", "pages", "verification"),
    }
)
_LEADS_OUT: Final = frozenset({"viewing.end", "identity.sign_out"})
# Who is signed in is nothing to these, and must not be asked for: the database may be gone.
_WITHOUT_A_READER: Final = frozenset({"pages.healthz", "pages.readyz"})
_READ_ONLY: Final = N_("You see this account as the customer does: nothing can be changed or paid. End the view first.")
_NOT_SHOWN: Final = N_("This page is not part of the view of a customer’s account. End the view first.")


class ViewForm(ResumableForm):
    reason = StringField(
        lazy_gettext("Reason"),
        [InputRequired(lazy_gettext("Please enter a reason."))],
        description=lazy_gettext("The customer reads it on their account page, in these words."),
    )


@bp.before_app_request
def hold_to_reading() -> AnyResponse | None:
    """Whatever the page: while a view is open, nothing but reading the customer's pages; and when its time is over, back to the desk."""
    if pages.is_api() or request.endpoint in _LEADS_OUT | _WITHOUT_A_READER:
        return None
    found = getattr(current_user, "viewing", None)
    if found is None:
        return None
    if found.is_over:
        return _over()
    if request.method not in _READING:
        raise Forbidden(_READ_ONLY)
    if request.blueprint not in _SHOWN and request.endpoint is not None:
        raise Forbidden(_NOT_SHOWN)
    return None


def _over() -> AnyResponse:
    customer_id = viewing.end(current_user.token)
    flash(_("The view of the customer’s account is over. Nothing was sent."), "info")
    there = url_for("support.customer", customer_id=customer_id)
    if "HX-Request" in request.headers:
        return make_response("", 401, {"HX-Redirect": there})
    return redirect(there, 303)


@bp.route("/support/customers/<customer_id>/view", methods=["GET", "POST"])
@pages.limiter.limit("30/minute", methods=["POST"])
@staff_only(Permission.VIEW_AS_CUSTOMER)
@recently_proved
def begin(customer_id: str) -> AnyResponse:
    customer = service.billing_details(customer_id)
    audit.record_access(customer_id, customer_id, "customer")
    form = ViewForm()
    if form.validate_on_submit():
        try:
            viewing.begin(current_user.token, current_user.id, customer_id, customer.name, typed(form.reason))
        except Invalid as error:
            tell(form, error)
        else:
            return pages.see_other("payments.overview")
    minutes = config.current().view_as_customer_minutes
    return pages.page(
        "support/customers/view.html", status=web.status(form), form=form, customer=customer, minutes=minutes
    )


@bp.post("/viewing/end")
def end() -> AnyResponse:
    """A second press, or one after the time is over, leads to the desk as well."""
    customer_id = viewing.end(current_user.token) if current_user.is_authenticated else None
    if customer_id is None:
        return redirect(web.home(), 303) if current_user.is_authenticated else pages.see_other("identity.sign_in")
    return pages.see_other("support.customer", customer_id=customer_id)
