"""Signing in by a link that is sent by mail, or by its code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response, redirect, request, session, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.core.errors import Invalid, NotFound, RateLimited
from portal.identity import sign_in_links, web
from portal.identity.forms import ForgottenForm, tell, typed
from portal.identity.second_factor_forms import CodeForm
from portal.identity.sign_in_links import OtherBrowser
from portal.identity.signing_in import CodeNeeded
from portal.identity.tokens import LinkExpired
from portal.web import pages

bp = Blueprint("sign_in_links", __name__, url_prefix="/sign-in/link")

_KEPT: Final = "sign_in_link"


@bp.route("", methods=["GET", "POST"])
@pages.limiter.limit("10 per minute", methods=["POST"])
def ask() -> AnyResponse:
    form, target = ForgottenForm(), request.args.get("next")
    if not sign_in_links.are_on():
        raise NotFound
    if current_user.is_authenticated:
        return redirect(pages.local_path(target, web.home()), 303)
    if form.validate_on_submit():
        session[_KEPT] = {**sign_in_links.ask(typed(form.email)), "target": target}
        return pages.see_other("sign_in_links.enter_code")
    return pages.page("identity/sign_in_link.html", status=web.status(form), form=form, target=target)


@bp.route("/code", methods=["GET", "POST"])
@pages.limiter.limit("60 per minute", methods=["POST"])
def enter_code() -> AnyResponse:
    """Where the browser waits that has asked: the link of the mail is opened in it, or the code of the mail is typed here."""
    form, asked = CodeForm(), sign_in_links.asked_by(session.get(_KEPT))
    if asked is None or not sign_in_links.are_on():
        return pages.see_other("identity.sign_in")
    if not form.validate_on_submit():
        return _code_page(form)
    try:
        return _sign_in(lambda: sign_in_links.enter_code(asked, typed(form.code), **web.browser()))
    except (Invalid, RateLimited) as error:
        tell(form, error)
        return _code_page(form, error if isinstance(error, RateLimited) else None)


@bp.get("/open/<token>")
@pages.limiter.limit("60 per minute")
def open_link(token: str) -> AnyResponse:
    """The link of the mail. In another browser than the one that asked it changes nothing."""
    pages.hide_address()
    asked = sign_in_links.asked_by(session.get(_KEPT))
    try:
        return _sign_in(lambda: sign_in_links.open_link(token, asked, **web.browser()))
    except LinkExpired:
        return pages.page("identity/link_expired.html", status=404, ask_again=url_for("identity.sign_in"))
    except OtherBrowser:
        return pages.page("identity/sign_in_link_elsewhere.html", status=409)


def _sign_in(prove: Callable[[], str]) -> AnyResponse:
    """Go on where the browser wanted to; by the code of the second factor, where one is asked for."""
    target = session.get(_KEPT, {}).get("target")
    try:
        token = prove()
    except CodeNeeded as error:
        web.end()
        session["ticket"] = error.ticket
        return pages.see_other("identity.sign_in_code", next=target)
    web.begin(token)
    return redirect(pages.local_path(target, web.home()), 303)


def _code_page(form: CodeForm, throttled: RateLimited | None = None) -> Response:
    response = pages.page(
        "identity/sign_in_link_code.html",
        status=429 if throttled else web.status(form),
        form=form,
        error_title=_("Please wait a moment") if throttled else None,
    )
    if throttled:
        response.headers["Retry-After"] = str(throttled.retry_after)
    return response
