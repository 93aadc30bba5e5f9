"""Signing up, invitations, and the account page: what people change about themselves."""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, session
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import service
from portal.accounts.forms import (
    BillingForm,
    ChangePasswordForm,
    NotificationsForm,
    ProfileForm,
    ShortcutsForm,
    SignUpForm,
)
from portal.accounts.models import OptionalMail
from portal.core import config
from portal.core.errors import Invalid, NotFound
from portal.identity import app_grants, passkeys, policy, sessions, viewing, web
from portal.identity import service as identity
from portal.identity.forms import NewPasswordForm, tell, typed
from portal.identity.tokens import LinkExpired
from portal.web import guards, pages

bp = Blueprint("accounts", __name__)


# Links from mails: the token leaves the address at once, so that it stands in no history, referrer or screenshot


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
        return web.link_not_kept()
    try:
        owner = service.invited(token)
        if form.validate_on_submit():
            web.begin(identity.accept_invitation(token, typed(form.password), **web.browser()))
            flash(_("Welcome! Your account is ready."), "success")
            return redirect(web.home(), 303)
    except LinkExpired:
        return pages.page("identity/link_expired.html", status=404, ask_again=None)
    except Invalid as error:
        tell(form, error)
    return pages.page("accounts/invitation.html", status=web.status(form), form=form, owner=owner)


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
    return pages.page("accounts/sign_up.html", status=web.status(form), form=form)


@bp.get("/sign-up/sent")
def sign_up_sent() -> AnyResponse:
    return pages.page("identity/mail_sent.html", occasion="sign_up")


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
            identity.change_profile(
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


@bp.post("/account/shortcuts")
@guards.signed_in_only
def choose_shortcuts() -> AnyResponse:
    identity.choose_shortcuts(current_user.id, on=bool(ShortcutsForm(prefix="keys-").shortcuts.data))
    return _saved()


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
                **{name: typed(form[name]) for name in service.FOR_E_INVOICES},
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
            token = identity.change_password(
                current_user.id, typed(form.current), typed(form.password), **web.browser()
            )
        except Invalid as error:
            tell(form, error)
        else:
            web.begin(token)
            flash(_("Your password is changed, and all other devices are signed out."), "success")
            return pages.see_other("accounts.profile")
    return _account_page(password_form=form)


@bp.get("/account/notifications")
@guards.customers_only
def notifications() -> AnyResponse:
    customer = service.billing_details(guards.customer_id())
    form = NotificationsForm(formdata=None, data={mail.value: customer.wants(mail) for mail in OptionalMail})
    return pages.page("accounts/notifications.html", form=form, customer=customer)


@bp.post("/account/notifications")
@guards.owners_only
def choose_notifications() -> AnyResponse:
    form = NotificationsForm()
    service.choose_mails(guards.customer_id(), [mail for mail in OptionalMail if form[mail.value].data])
    flash(_("Saved."), "success")
    return pages.see_other("accounts.notifications")


@bp.post("/account/sessions/end-others")
@guards.signed_in_only
def end_other_sessions() -> AnyResponse:
    sessions.sign_out_elsewhere(current_user.id, current_user.token)
    flash(_("You are signed out everywhere else."), "success")
    return pages.see_other("accounts.profile")


@bp.post("/account/sessions/<session_id>/end")
@guards.signed_in_only
def end_session(session_id: str) -> AnyResponse:
    sessions.sign_out_device(current_user.id, session_id)
    flash(_("The device is signed out."), "success")
    return pages.see_other("accounts.profile")


@bp.post("/account/apps/<grant_id>/end")
@guards.signed_in_only
def end_app(grant_id: str) -> AnyResponse:
    app_grants.end(grant_id, current_user.id)
    flash(_("The app is signed out."), "success")
    return pages.see_other("accounts.profile")


# What the views share


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
        shortcuts_form=ShortcutsForm(formdata=None, obj=current_user, prefix="keys-"),
        password_form=password_form or ChangePasswordForm(formdata=None, prefix="password-"),
        viewings=viewing.of_customer(current_user.customer_id) if current_user.customer_id else [],
        passkeys_available=passkeys.are_available(),
        portal_address=config.current().base_url,
        signs_in_here=policy.signs_in_here(current_user.role, current_user.email),
        devices=sessions.devices(current_user.id, current_user.token),
        apps=app_grants.apps(current_user.id),
    )
