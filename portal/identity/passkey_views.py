"""Signing in with a passkey, proving by one that it is still oneself, and the page of one's own."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, redirect, request
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core.errors import Conflict, Invalid, NotFound
from portal.identity import browsers, passkeys, policy, web
from portal.identity.forms import tell, typed
from portal.identity.passkey_forms import AnswerForm, NewPasskeyForm
from portal.identity.passkeys import WrongPasskey
from portal.web import guards, pages

bp = Blueprint("passkeys", __name__)


@bp.before_request
def refuse_where_browsers_take_none() -> None:
    if not passkeys.are_available():
        raise NotFound


def _json(text: str) -> Response:
    return make_response(text, {"Content-Type": "application/json"})


@bp.post("/sign-in/passkey/options")
@pages.limiter.limit("60 per minute")
def options_for_sign_in() -> Response:
    return _json(passkeys.begin_signing_in())


@bp.post("/sign-in/passkey")
@pages.limiter.limit("60 per minute")
def sign_in() -> AnyResponse:
    target = request.args.get("next")
    try:
        token = passkeys.sign_in(typed(AnswerForm().credential), **web.browser())
    except WrongPasskey as error:
        flash(language.error_text(error, pages.reader_language()), "error")
        return pages.see_other("identity.sign_in", next=target)
    web.begin(token)
    return redirect(pages.local_path(target, web.home()), 303)


@bp.post("/account/confirmation/passkey/options")
@pages.limiter.limit("60 per minute")
@guards.signed_in_only
def options_for_proof() -> Response:
    return _json(passkeys.begin_signing_in(current_user.id))


@bp.post("/account/confirmation/passkey")
@pages.limiter.limit("60 per minute")
@guards.signed_in_only
def prove() -> AnyResponse:
    target = request.args.get("next")
    try:
        passkeys.prove(current_user.id, current_user.token, typed(AnswerForm().credential))
    except WrongPasskey as error:
        flash(language.error_text(error, pages.reader_language()), "error")
        return pages.see_other("identity.confirm_password", next=target)
    return redirect(pages.local_path(target, web.home()), 303)


@bp.get("/account/passkeys")
@guards.signed_in_only
def index() -> Response:
    return _page(NewPasskeyForm(formdata=None, name=browsers.name(request.user_agent.string)))


@bp.post("/account/passkeys/options")
@pages.limiter.limit("60 per minute")
@guards.signed_in_only
@guards.recently_proved
def options_for_new() -> Response:
    return _json(passkeys.begin_adding(current_user.id))


@bp.post("/account/passkeys")
@pages.limiter.limit("30 per minute")
@guards.signed_in_only
@guards.recently_proved
def add() -> AnyResponse:
    form = NewPasskeyForm()
    if form.validate_on_submit():
        try:
            passkeys.add(current_user.id, typed(form.name), typed(form.credential))
        except (Invalid, Conflict) as error:
            tell(form, error)
        else:
            flash(_("The passkey is added. You can sign in with it from now on."), "success")
            return pages.see_other("passkeys.index")
    return _page(form)


@bp.post("/account/passkeys/<passkey_id>/removal")
@pages.limiter.limit("30 per minute")
@guards.signed_in_only
@guards.recently_proved
def remove(passkey_id: str) -> AnyResponse:
    passkeys.remove(current_user.id, passkey_id)
    flash(_("The passkey is removed. Also delete it on your device."), "success")
    return pages.see_other("passkeys.index")


def _page(form: NewPasskeyForm) -> Response:
    mine = passkeys.of_user(current_user.id)
    return pages.page(
        "identity/passkeys.html",
        status=web.status(form),
        form=form,
        passkeys=mine,
        refusal=None
        if policy.signs_in_here(current_user.role, current_user.email)
        else language.error_text(policy.SignsInElsewhere(), pages.reader_language()),
    )
