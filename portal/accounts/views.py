"""The account pages. The cookie holds a session's token; whether it still stands for someone, the database says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, session, url_for
from flask_babel import gettext as _
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import api_access, service, sessions
from portal.accounts.forms import (
    BillingForm,
    ChangePasswordForm,
    ForgottenForm,
    NewPasswordForm,
    ProfileForm,
    SignInForm,
    SignUpForm,
    tell,
    typed,
)
from portal.accounts.second_factor_forms import CodeForm, PasswordForm
from portal.accounts.sessions import CodeNeeded
from portal.accounts.tokens import LinkExpired
from portal.core import config, time_zones
from portal.core.errors import Conflict, Invalid, NotFound, PortalError, RateLimited
from portal.web import guards, pages, resuming

bp = Blueprint("accounts", __name__)
login_manager = LoginManager()
login_manager.session_protection = None  # the row decides; an address that changes on the way to work ends nothing


@dataclass(frozen=True, slots=True, eq=False)
class SignedIn(UserMixin):  # type: ignore[misc]
    """Flask-Login's current_user: who the cookie's token stands for."""

    token: str
    id: str
    email: str
    name: str
    role: str
    customer_id: str | None
    customer_role: str | None
    language: str
    time_zone: str
    guessed_time_zone: str
    is_staff: bool
    may_pay: bool
    may_manage: bool
    has_second_factor: bool
    owes_second_factor: bool
    proved_at: datetime

    def get_id(self) -> str:
        """What Flask-Login puts into the cookie."""
        return self.token


@login_manager.user_loader
def _who(token: str) -> SignedIn | None:
    user = sessions.find(token)
    if user is None:
        return None
    return SignedIn(
        token=token,
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        customer_id=user.customer_id,
        customer_role=user.customer_role,
        language=user.language,
        time_zone=user.time_zone,
        guessed_time_zone=user.guessed_time_zone,
        is_staff=user.is_staff,
        may_pay=user.may_pay,
        may_manage=user.may_manage,
        has_second_factor=user.has_second_factor,
        owes_second_factor=user.owes_second_factor,
        proved_at=user.proved_at,
    )


# Signing in and out


@bp.route("/sign-in", methods=["GET", "POST"])
@pages.limiter.limit("60 per minute", methods=["POST"])
def sign_in() -> AnyResponse:
    form = SignInForm()
    target = request.args.get("next")
    session.pop("ticket", None)
    if request.method == "GET" and current_user.is_authenticated:
        return redirect(pages.local_path(target, _home()), 303)
    if not form.validate_on_submit():
        return _sign_in_page("accounts/sign_in.html", form, target)
    try:
        token = sessions.sign_in(typed(form.email), typed(form.password), **_browser())
    except CodeNeeded as error:
        _end()
        session["ticket"] = error.ticket
        return pages.see_other("accounts.sign_in_code", next=target)
    except (Invalid, RateLimited) as error:
        return _sign_in_page("accounts/sign_in.html", form, target, error)
    _begin(token)
    return redirect(pages.local_path(target, _home()), 303)


@bp.route("/sign-in/code", methods=["GET", "POST"])
@pages.limiter.limit("60 per minute", methods=["POST"])
def sign_in_code() -> AnyResponse:
    """The second step, for whoever has proved their password in this browser a moment ago."""
    form, target = CodeForm(), request.args.get("next")
    proved = sessions.pending_sign_in(session.get("ticket"))
    if proved is None:
        return pages.see_other("accounts.sign_in", next=target)
    if not form.validate_on_submit():
        return _sign_in_page("accounts/sign_in_code.html", form, target)
    try:
        token = sessions.finish_sign_in(proved, typed(form.code), **_browser())
    except (Invalid, RateLimited, Conflict) as error:
        return _sign_in_page("accounts/sign_in_code.html", form, target, error)
    _begin(token)
    return redirect(pages.local_path(target, _home()), 303)


@bp.post("/sign-out")
def sign_out() -> AnyResponse:
    _end()
    resuming.drop()
    flash(_("You are signed out."), "success")
    return pages.see_other("accounts.sign_in")


# Links from mails: the token leaves the address at once, so that it stands in no history, referrer or screenshot


@bp.get("/password/reset/<token>")
def open_reset(token: str) -> AnyResponse:
    session["reset_link"] = token
    return pages.see_other("accounts.reset_password")  # whether the cookie is kept shows there


@bp.route("/password/reset", methods=["GET", "POST"])
@pages.limiter.limit("30 per minute", methods=["POST"])
def reset_password() -> AnyResponse:
    form = NewPasswordForm()
    token = session.get("reset_link", "")
    if not token:
        return _link_not_kept()
    try:
        owner = service.reset_for(token)
        if form.validate_on_submit():
            service.reset_password(token, typed(form.password))
            session.pop("reset_link")
            flash(_("Your new password is set. Please sign in with it."), "success")
            return pages.see_other("accounts.sign_in")
    except LinkExpired:
        return pages.page("accounts/link_expired.html", status=404, ask_again=url_for("accounts.forgotten"))
    except Invalid as error:
        tell(form, error)
    return pages.page("accounts/reset.html", status=_status(form), form=form, owner=owner)


@bp.get("/invitation/<token>")
@bp.get("/sign-up/confirm/<token>")
def open_invitation(token: str) -> AnyResponse:
    session["invitation_link"] = token
    return pages.see_other("accounts.invitation")


@bp.route("/invitation", methods=["GET", "POST"])
@pages.limiter.limit("30 per minute", methods=["POST"])
def invitation() -> AnyResponse:
    form = NewPasswordForm()
    token = session.get("invitation_link", "")
    if not token:
        return _link_not_kept()
    try:
        owner = service.invited(token)
        if form.validate_on_submit():
            _begin(service.accept_invitation(token, typed(form.password), **_browser()))
            flash(_("Welcome! Your account is ready."), "success")
            return redirect(_home(), 303)
    except LinkExpired:
        return pages.page("accounts/link_expired.html", status=404, ask_again=None)
    except Invalid as error:
        tell(form, error)
    return pages.page("accounts/invitation.html", status=_status(form), form=form, owner=owner)


@bp.route("/password/forgotten", methods=["GET", "POST"])
@pages.limiter.limit("10 per minute", methods=["POST"])
def forgotten() -> AnyResponse:
    form = ForgottenForm()
    if form.validate_on_submit():
        service.ask_reset(typed(form.email))
        return pages.see_other("accounts.forgotten_sent")
    return pages.page("accounts/forgotten.html", status=_status(form), form=form)


@bp.get("/password/forgotten/sent")
def forgotten_sent() -> AnyResponse:
    return pages.page("accounts/mail_sent.html", occasion="reset")


@bp.route("/sign-up", methods=["GET", "POST"])
@pages.limiter.limit("10 per minute", methods=["POST"])
def sign_up() -> AnyResponse:
    if not config.current().open_sign_up:
        raise NotFound
    form = SignUpForm()
    if form.validate_on_submit():
        try:
            service.sign_up(typed(form.email), typed(form.name), pages.reader_language())
        except Invalid as error:
            tell(form, error)
        else:
            return pages.see_other("accounts.sign_up_sent")
    return pages.page("accounts/sign_up.html", status=_status(form), form=form)


@bp.get("/sign-up/sent")
def sign_up_sent() -> AnyResponse:
    return pages.page("accounts/mail_sent.html", occasion="sign_up")


# One's own account


@bp.get("/account")
@guards.signed_in_only
def profile() -> AnyResponse:
    return _account_page()


@bp.post("/account/profile")
@guards.signed_in_only
def change_profile() -> AnyResponse:
    form = ProfileForm(prefix="profile-")
    if form.validate_on_submit():
        try:
            service.change_profile(
                current_user.id,
                name=typed(form.name),
                language=typed(form.language),
                time_zone=typed(form.time_zone),
            )
        except Invalid as error:
            tell(form, error)
        else:
            session.pop("language", None)  # what this browser chose before gives way
            return _saved()
    return _account_page(profile_form=form)


@bp.post("/account/billing-details")
@guards.owners_only
def change_billing_details() -> AnyResponse:
    form = BillingForm(prefix="billing-")
    if form.validate_on_submit():
        try:
            service.change_billing_details(
                guards.customer_id(),
                name=typed(form.name),
                address=typed(form.address),
                country=typed(form.country),
                tax_id=typed(form.tax_id),
            )
        except Invalid as error:
            tell(form, error)
        else:
            return _saved()
    return _account_page(billing_form=form)


@bp.post("/account/password")
@pages.limiter.limit("30 per minute")
@guards.signed_in_only
def change_password() -> AnyResponse:
    form = ChangePasswordForm(prefix="password-")
    if form.validate_on_submit():
        try:
            token = service.change_password(current_user.id, typed(form.current), typed(form.password), **_browser())
        except Invalid as error:
            tell(form, error)
        else:
            _begin(token)
            flash(_("Your password is changed, and all other devices are signed out."), "success")
            return pages.see_other("accounts.profile")
    return _account_page(password_form=form)


@bp.route("/account/confirmation", methods=["GET", "POST"])
@pages.limiter.limit("30 per minute", methods=["POST"])
@guards.signed_in_only
def confirm_password() -> AnyResponse:
    """Where one is led who wants something weighty, and has not proved for a while who they are; and from here back to it."""
    form, target = PasswordForm(), request.args.get("next")
    if form.validate_on_submit():
        try:
            sessions.prove_again(current_user.token, typed(form.password), ip=request.remote_addr or "")
        except (Invalid, RateLimited) as error:
            tell(form, error)
        else:
            return redirect(pages.local_path(target, _home()), 303)
    return pages.page("accounts/confirm_password.html", status=_status(form), form=form, target=target)


@bp.post("/account/sessions/end-others")
@guards.signed_in_only
def end_other_sessions() -> AnyResponse:
    sessions.sign_out_elsewhere(current_user.id, current_user.token)
    flash(_("You are signed out everywhere else."), "success")
    return pages.see_other("accounts.profile")


@bp.post("/account/apps/<grant_id>/end")
@guards.signed_in_only
def end_app(grant_id: str) -> AnyResponse:
    api_access.end(grant_id, current_user.id)
    flash(_("The app is signed out."), "success")
    return pages.see_other("accounts.profile")


# What the views share


def _begin(token: str) -> None:
    """This browser now holds this session and nothing of what it held before, but for the language it reads and what this very
    user had typed into a form.
    """
    user = _who(token)
    unsent = resuming.kept_for(user.id) if user else None
    _end()
    login_user(user)
    if user:
        said = request.cookies.get(time_zones.COOKIE, "")
        if said != user.guessed_time_zone:
            service.note_time_zone(user.id, said)
        resuming.mark_forms_of(user.id)
        resuming.restore(unsent)


def _end() -> None:
    """Nobody is signed in to this browser any more; what was typed last waits for its owner."""
    if current_user.is_authenticated:
        sessions.sign_out(current_user.token)
        logout_user()
    kept = {name: session[name] for name in ("language", resuming.KEPT) if name in session}
    session.clear()
    session.update(kept)


def _home() -> str:
    return url_for("support.index" if current_user.is_staff else "payments.overview")


def _browser() -> dict[str, str]:
    return {"ip": request.remote_addr or "", "user_agent": request.user_agent.string}


def _status(form: Any) -> int:
    return 422 if form.errors else 200


def _sign_in_page(
    template: str, form: SignInForm | CodeForm, target: str | None, refusal: PortalError | None = None
) -> Response:
    """One of the two steps of signing in; `refusal` is why it was not done."""
    if refusal is not None:
        tell(form, refusal)
    throttled = refusal if isinstance(refusal, RateLimited) else None
    response = pages.page(
        template,
        status=429 if throttled else _status(form),
        form=form,
        target=target,
        error_title=_("Please wait a moment") if throttled else None,
        may_sign_up=config.current().open_sign_up,
    )
    if throttled:
        response.headers["Retry-After"] = str(throttled.retry_after)
    return response


def _link_not_kept() -> Response:
    """The browser does not know which link was opened: it keeps no cookies, or someone has signed in to it since."""
    return pages.page("accounts/link_not_kept.html", status=404, cookies_blocked=not pages.brought_cookie())


def _saved() -> AnyResponse:
    flash(_("Saved."), "success")
    return pages.see_other("accounts.profile")


def _account_page(
    profile_form: ProfileForm | None = None,
    billing_form: BillingForm | None = None,
    password_form: ChangePasswordForm | None = None,
) -> Response:
    """The whole account page; a form that was refused is given, the others show what is kept."""
    status = 422 if profile_form or billing_form or password_form else 200
    if current_user.customer_id is not None and billing_form is None:
        kept = service.billing_details(current_user.customer_id)
        billing_form = BillingForm(formdata=None, obj=kept, prefix="billing-")
    return pages.page(
        "accounts/account.html",
        status=status,
        profile_form=profile_form or ProfileForm(formdata=None, obj=current_user, prefix="profile-"),
        billing_form=billing_form,
        password_form=password_form or ChangePasswordForm(formdata=None, prefix="password-"),
        devices=sessions.devices(current_user.id, current_user.token),
        apps=api_access.apps(current_user.id),
    )
