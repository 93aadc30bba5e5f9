"""One's own address of mail: asking for another one, and the links that confirm or stop it."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, flash, session
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.core.errors import Conflict, Invalid, RateLimited
from portal.identity import email_addresses, email_changes, web
from portal.identity.email_changes import Change
from portal.identity.email_forms import LinkForm, NewEmailForm
from portal.identity.forms import tell, typed
from portal.identity.tokens import LinkExpired
from portal.web import guards, pages

bp = Blueprint("email_change", __name__, url_prefix="/account/email")


@bp.get("")
@guards.signed_in_only
def index() -> Response:
    return _page(NewEmailForm(formdata=None))


@bp.post("")
@pages.limiter.limit("30 per minute")
@guards.signed_in_only
@guards.recently_proved
def ask() -> AnyResponse:
    form = NewEmailForm()
    if form.validate_on_submit():
        try:
            email = email_addresses.checked(typed(form.email))
            email_addresses.refuse_unreachable(email)
            email_changes.ask(current_user.id, email, by=current_user.id)
        except (Invalid, RateLimited) as error:
            tell(form, error)
        else:
            flash(_("We sent a link to %(email)s. The address counts once you have opened it.", email=email), "success")
            return pages.see_other("email_change.index")
    return _page(form)


@bp.post("/cancellation")
@guards.signed_in_only
def cancel() -> AnyResponse:
    email_changes.cancel(current_user.id)
    flash(_("Your e-mail address stays as it is."), "success")
    return pages.see_other("email_change.index")


def _page(form: NewEmailForm) -> Response:
    waiting = email_changes.waiting(current_user.id)
    return pages.page("identity/email_change.html", status=web.status(form), form=form, waiting=waiting)


# Links from mails. The token leaves the address at once, so that it stands in no history, referrer or screenshot.


@bp.get("/confirmation/<token>")
def open_confirmation(token: str) -> AnyResponse:
    session["email_link"] = token
    return pages.see_other("email_change.confirm")


@bp.route("/confirmation", methods=["GET", "POST"])
@pages.limiter.limit("30 per minute", methods=["POST"])
def confirm() -> AnyResponse:
    done = _("You now sign in with your new e-mail address.")
    return _by_link("email_link", email_changes.to_confirm, email_changes.confirm, "identity/email_confirm.html", done)


@bp.get("/stop/<token>")
def open_stop(token: str) -> AnyResponse:
    session["email_stop_link"] = token
    return pages.see_other("email_change.stop")


@bp.route("/stop", methods=["GET", "POST"])
@pages.limiter.limit("30 per minute", methods=["POST"])
def stop() -> AnyResponse:
    done = _("Your e-mail address stays as it was. We sent you a link for a new password.")
    return _by_link("email_stop_link", email_changes.to_stop, email_changes.stop, "identity/email_stop.html", done)


def _by_link(
    kept: str, read: Callable[[str], Change], act: Callable[[str], None], template: str, done: str
) -> AnyResponse:
    """The page behind a link: what it is for, and the button that does it. `kept` is where the session keeps its token."""
    token = session.get(kept, "")
    if not token:
        return web.link_not_kept()
    form = LinkForm()
    try:
        change = read(token)
        if form.validate_on_submit():
            act(token)
            session.pop(kept)
            flash(done, "success")
            return pages.see_other("accounts.profile")  # or, for whoever is not signed in, over signing in
    except LinkExpired:
        return pages.page("identity/link_expired.html", status=404, ask_again=None)
    except Conflict as error:
        tell(form, error)
    return pages.page(template, status=web.status(form), form=form, change=change)
