"""Signing in and out, a password that was forgotten, and the password asked for again."""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, request, session, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.core import config
from portal.core.errors import Conflict, Invalid, PortalError, RateLimited
from portal.identity import passkeys, service, sessions, sign_in_links, signing_in, web
from portal.identity.forms import ForgottenForm, NewPasswordForm, SignInForm, tell, typed
from portal.identity.models import TokenPurpose
from portal.identity.second_factor_forms import CodeForm, PasswordForm
from portal.identity.signing_in import CodeNeeded
from portal.identity.tokens import LinkExpired
from portal.web import guards, pages, resuming

bp = Blueprint("identity", __name__)


@bp.route("/sign-in", methods=["GET", "POST"])
@pages.limiter.limit("60 per minute", methods=["POST"])
def sign_in() -> AnyResponse:
    form = SignInForm()
    target = request.args.get("next")
    session.pop("ticket", None)
    if request.method == "GET" and current_user.is_authenticated:
        return redirect(pages.local_path(target, web.home()), 303)
    if not form.validate_on_submit():
        return _sign_in_page("identity/sign_in.html", form, target)
    try:
        token = signing_in.sign_in(typed(form.email), typed(form.password), **web.browser())
    except CodeNeeded as error:
        web.end()
        session["ticket"] = error.ticket
        return pages.see_other("identity.sign_in_code", next=target)
    except (Invalid, RateLimited) as error:
        return _sign_in_page("identity/sign_in.html", form, target, error)
    web.begin(token)
    return redirect(pages.local_path(target, web.home()), 303)


@bp.route("/sign-in/code", methods=["GET", "POST"])
@pages.limiter.limit("60 per minute", methods=["POST"])
def sign_in_code() -> AnyResponse:
    """The second step, for whoever has proved their password in this browser a moment ago."""
    form, target = CodeForm(), request.args.get("next")
    ticket = session.get("ticket", {})
    proved = signing_in.pending_sign_in(ticket)
    if proved is None:
        return pages.see_other("identity.sign_in", next=target)
    if not form.validate_on_submit():
        return _sign_in_page("identity/sign_in_code.html", form, target)
    try:
        by_link = bool(ticket.get("by_link"))
        token = signing_in.finish_sign_in(proved, typed(form.code), **web.browser(), by_link=by_link)
    except (Invalid, RateLimited, Conflict) as error:
        return _sign_in_page("identity/sign_in_code.html", form, target, error)
    web.begin(token)
    return redirect(pages.local_path(target, web.home()), 303)


@bp.post("/sign-out")
def sign_out() -> AnyResponse:
    web.end()
    resuming.drop()
    flash(_("You are signed out."), "success")
    return pages.see_other("identity.sign_in")


# The token of a link leaves the address at once, so that it stands in no history, referrer or screenshot.


@bp.get("/password/reset/<token>")
def open_reset(token: str) -> AnyResponse:
    session["reset_link"] = token
    return pages.see_other("identity.reset_password")  # whether the cookie is kept shows there


@bp.route("/password/reset", methods=["GET", "POST"])
@pages.limiter.limit("30 per minute", methods=["POST"])
def reset_password() -> AnyResponse:
    form = NewPasswordForm()
    token = session.get("reset_link", "")
    if not token:
        return web.link_not_kept()
    try:
        owner = service.link_owner(token, TokenPurpose.PASSWORD_RESET)
        if form.validate_on_submit():
            service.reset_password(token, typed(form.password))
            session.pop("reset_link")
            flash(_("Your new password is set. Please sign in with it."), "success")
            return pages.see_other("identity.sign_in")
    except LinkExpired:
        return pages.page("identity/link_expired.html", status=404, ask_again=url_for("identity.forgotten"))
    except Invalid as error:
        tell(form, error)
    return pages.page("identity/reset.html", status=web.status(form), form=form, owner=owner)


@bp.route("/password/forgotten", methods=["GET", "POST"])
@pages.limiter.limit("10 per minute", methods=["POST"])
def forgotten() -> AnyResponse:
    form = ForgottenForm()
    if form.validate_on_submit():
        service.ask_reset(typed(form.email))
        return pages.see_other("identity.forgotten_sent")
    return pages.page("identity/forgotten.html", status=web.status(form), form=form)


@bp.get("/password/forgotten/sent")
def forgotten_sent() -> AnyResponse:
    return pages.page("identity/mail_sent.html", occasion="reset")


@bp.route("/account/confirmation", methods=["GET", "POST"])
@pages.limiter.limit("30 per minute", methods=["POST"])
@guards.signed_in_only
def confirm_password() -> AnyResponse:
    """Where one is led who wants something weighty, and has not proved for a while who they are; and from here back to it."""
    form, target = PasswordForm(), request.args.get("next")
    if current_user.by_provider:
        return pages.see_other("provider.begin", next=target)
    if form.validate_on_submit():
        try:
            sessions.reauthenticate(current_user.token, typed(form.password), ip=request.remote_addr or "")
        except (Invalid, RateLimited) as error:
            tell(form, error)
        else:
            return redirect(pages.local_path(target, web.home()), 303)
    return pages.page(
        "identity/confirm_password.html",
        status=web.status(form),
        form=form,
        target=target,
        has_passkeys=passkeys.are_available() and bool(passkeys.of_user(current_user.id)),
    )


def _sign_in_page(
    template: str, form: SignInForm | CodeForm, target: str | None, refusal: PortalError | None = None
) -> Response:
    """One of the two steps of signing in; `refusal` is why it was not done."""
    if refusal is not None:
        tell(form, refusal)
    throttled = refusal if isinstance(refusal, RateLimited) else None
    response = pages.page(
        template,
        status=429 if throttled else web.status(form),
        form=form,
        target=target,
        error_title=_("Please wait a moment") if throttled else None,
        may_sign_up=config.current().open_sign_up,
        passkeys_available=passkeys.are_available(),
        links_available=sign_in_links.are_on(),
        by_provider=bool(config.current().staff_oidc_issuer),
    )
    if throttled:
        response.headers["Retry-After"] = str(throttled.retry_after)
    return response
