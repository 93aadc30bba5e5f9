"""Further recipients of a customer's documents: at the customer's account, at the desk, and behind the link that confirms an address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, flash, redirect, session, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import recipients
from portal.accounts.recipient_forms import NewRecipientForm, RecipientForm
from portal.content import language
from portal.core import audit
from portal.core.errors import Conflict, Invalid, RateLimited
from portal.core.permissions import Permission
from portal.identity import web
from portal.identity.email_forms import LinkForm
from portal.identity.forms import tell, typed
from portal.identity.tokens import LinkExpired
from portal.web import guards, pages

bp = Blueprint("recipients", __name__)
staff_bp = Blueprint("support_recipients", __name__, url_prefix="/support/customers/<customer_id>/recipients")

_REFUSED = (Invalid, Conflict, RateLimited)


# At the customer's account


@bp.get("/account/recipients")
@guards.customers_only
def index() -> Response:
    return _list(guards.customer_id(), _new_form(guards.customer_id()))


@bp.post("/account/recipients")
@pages.limiter.limit("30/minute")
@guards.owners_only
def add() -> AnyResponse:
    return _add(guards.customer_id())


@bp.route("/account/recipients/<recipient_id>", methods=["GET", "POST"])
@guards.owners_only
def change(recipient_id: str) -> AnyResponse:
    return _change(guards.customer_id(), recipient_id)


@bp.post("/account/recipients/<recipient_id>/removal")
@guards.owners_only
def remove(recipient_id: str) -> AnyResponse:
    recipients.one(guards.customer_id(), recipient_id)
    return _remove(guards.customer_id(), recipient_id)


@bp.post("/account/recipients/<recipient_id>/confirmation")
@pages.limiter.limit("30/minute")
@guards.owners_only
def ask_again(recipient_id: str) -> AnyResponse:
    return _ask_again(guards.customer_id(), recipient_id)


# At the desk


@staff_bp.get("")
@guards.staff_only(Permission.LOOK_UP)
def staff_index(customer_id: str) -> Response:
    audit.record_access(customer_id, customer_id, "customer")
    return _list(customer_id, _new_form(customer_id))


@staff_bp.post("")
@pages.limiter.limit("30/minute")
@guards.staff_only(Permission.MANAGE_CUSTOMERS)
def staff_add(customer_id: str) -> AnyResponse:
    return _add(customer_id)


@staff_bp.route("/<recipient_id>", methods=["GET", "POST"])
@guards.staff_only(Permission.MANAGE_CUSTOMERS)
def staff_change(customer_id: str, recipient_id: str) -> AnyResponse:
    audit.record_access(customer_id, customer_id, "customer")
    return _change(customer_id, recipient_id)


@staff_bp.post("/<recipient_id>/removal")
@guards.staff_only(Permission.MANAGE_CUSTOMERS)
def staff_remove(customer_id: str, recipient_id: str) -> AnyResponse:
    return _remove(customer_id, recipient_id)


@staff_bp.post("/<recipient_id>/confirmation")
@pages.limiter.limit("30/minute")
@guards.staff_only(Permission.MANAGE_CUSTOMERS)
def staff_ask_again(customer_id: str, recipient_id: str) -> AnyResponse:
    return _ask_again(customer_id, recipient_id)


# What both share


def _address_of(customer_id: str) -> Callable[..., str]:
    """Where the acts of these pages are, for whoever looks at them."""

    def address(act: str, **values: Any) -> str:
        if current_user.is_staff:
            return str(url_for(f"support_recipients.staff_{act}", **{"customer_id": customer_id, **values}))
        return str(url_for(f"recipients.{act}", **values))

    return address


def _may_change() -> bool:
    if current_user.is_staff:
        return bool(current_user.may(Permission.MANAGE_CUSTOMERS))
    return bool(current_user.may_manage)


def _new_form(customer_id: str) -> NewRecipientForm:
    spoken = recipients.of_customer(customer_id).customer.language
    return NewRecipientForm(formdata=None, data={"language": spoken, "mails": ["invoices"]})


def _list(customer_id: str, form: NewRecipientForm) -> Response:
    return pages.page(
        "accounts/recipients.html",
        status=web.status(form),
        form=form,
        listed=recipients.of_customer(customer_id),
        language_names=dict(language.choices()),
        address=_address_of(customer_id),
        may_change=_may_change(),
        at_the_desk=current_user.is_staff,
    )


def _add(customer_id: str) -> AnyResponse:
    form = NewRecipientForm()
    if form.validate_on_submit():
        try:
            added = recipients.add(customer_id, typed(form.email), form.wish(), by_staff=current_user.is_staff)
        except _REFUSED as error:
            tell(form, error)
        else:
            _tell_added(added.email, is_confirmed=added.confirmed_at is not None)
            return redirect(_address_of(customer_id)("index"), 303)
    return _list(customer_id, form)


def _tell_added(email: str, *, is_confirmed: bool) -> None:
    if is_confirmed:
        flash(_("Documents now go to %(email)s as well.", email=email), "success")
    else:
        flash(_("We sent a link to %(email)s. Documents go there once it has been opened.", email=email), "success")


def _change(customer_id: str, recipient_id: str) -> AnyResponse:
    recipient = recipients.one(customer_id, recipient_id)
    form = RecipientForm.of(recipient)
    if form.validate_on_submit():
        try:
            recipients.change(customer_id, recipient_id, form.wish())
        except Invalid as error:
            tell(form, error)
        else:
            flash(_("Saved."), "success")
            return redirect(_address_of(customer_id)("index"), 303)
    return pages.page(
        "accounts/recipient.html",
        status=web.status(form),
        form=form,
        recipient=recipient,
        address=_address_of(customer_id),
    )


def _remove(customer_id: str, recipient_id: str) -> AnyResponse:
    recipients.remove(customer_id, recipient_id)
    flash(_("No documents go there any more."), "success")
    return redirect(_address_of(customer_id)("index"), 303)


def _ask_again(customer_id: str, recipient_id: str) -> AnyResponse:
    try:
        recipient = recipients.ask_again(customer_id, recipient_id)
    except (Conflict, RateLimited) as error:
        flash(language.error_text(error, pages.reader_language()), "error")
    else:
        _tell_added(recipient.email, is_confirmed=False)
    return redirect(_address_of(customer_id)("index"), 303)


# The link from the mail. The token leaves the address at once, so that it stands in no history, referrer or screenshot.


@bp.get("/recipients/confirmation/<token>")
def open_confirmation(token: str) -> AnyResponse:
    session["recipient_link"] = token
    return pages.see_other("recipients.confirm")


@bp.route("/recipients/confirmation", methods=["GET", "POST"])
@pages.limiter.limit("30 per minute", methods=["POST"])
def confirm() -> AnyResponse:
    token = session.get("recipient_link", "")
    if not token:
        return web.link_not_kept()
    form = LinkForm()
    try:
        asked = recipients.to_confirm(token)
        if form.validate_on_submit():
            recipients.confirm(token)
            session.pop("recipient_link")
            return pages.page("accounts/recipient_confirmed.html", asked=asked)
    except LinkExpired:
        return pages.page("identity/link_expired.html", status=404, ask_again=None)
    return pages.page("accounts/recipient_confirm.html", status=web.status(form), form=form, asked=asked)
