"""The page of the people who work here, for admins: who signs in, in which role, and how that ends."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, flash
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import access, factor_resets
from portal.accounts.staff_forms import NewStaffForm, StaffRoleForm
from portal.content import language
from portal.core import config
from portal.core.errors import Conflict, Invalid, PortalError
from portal.core.permissions import Permission, Role
from portal.identity import app_grants, sessions
from portal.web import pages
from portal.web.guards import recently_proved, staff_only
from portal.web.pages import limiter

bp = Blueprint("support_staff", __name__, url_prefix="/support/staff")


@bp.get("")
@staff_only(Permission.MANAGE_STAFF)
def index() -> Response:
    return _staff_page()


@bp.post("")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def invite() -> AnyResponse:
    form = NewStaffForm(prefix="new-")
    if not form.validate_on_submit():
        return _staff_page(form)
    facts = {name: str(form[name].data or "") for name in ("name", "email", "role", "language")}
    try:
        access.invite(**facts, by=current_user.id)
    except (Invalid, Conflict) as error:
        form.tell(error)
        return _staff_page(form)
    flash(_("The invitation was sent to %(email)s.", email=facts["email"]), "success")
    return pages.see_other("support_staff.index")


@bp.get("/<staff_id>")
@staff_only(Permission.MANAGE_STAFF)
def show(staff_id: str) -> Response:
    return _person_page(staff_id)


@bp.post("/<staff_id>/role")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def change_role(staff_id: str) -> AnyResponse:
    role = str(StaffRoleForm(prefix="new-").role.data or "")
    return _do(staff_id, lambda: access.change_role(staff_id, role, by=current_user.id), _("The role is changed."))


@bp.post("/<staff_id>/access/end")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def end_access(staff_id: str) -> AnyResponse:
    return _do(staff_id, lambda: access.end(staff_id, by=current_user.id), _("This person can no longer sign in."))


@bp.post("/<staff_id>/access/restoration")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def restore_access(staff_id: str) -> AnyResponse:
    return _do(staff_id, lambda: access.restore(staff_id, by=current_user.id), _("This person can sign in again."))


@bp.post("/<staff_id>/invitation")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def invite_again(staff_id: str) -> AnyResponse:
    return _do(staff_id, lambda: access.invite_again(staff_id, by=current_user.id), _("The invitation was sent again."))


@bp.post("/<staff_id>/sessions/<session_id>/end")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def end_session(staff_id: str, session_id: str) -> AnyResponse:
    return _do(
        staff_id,
        lambda: access.end_session(staff_id, session_id, by=current_user.id),
        _("This browser is signed out."),
    )


@bp.post("/<staff_id>/apps/<grant_id>/end")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def end_app(staff_id: str, grant_id: str) -> AnyResponse:
    return _do(staff_id, lambda: access.end_app(staff_id, grant_id, by=current_user.id), _("This app is signed out."))


# Two admins reset a second factor


@bp.post("/<staff_id>/second-factor/reset")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def ask_reset(staff_id: str) -> AnyResponse:
    return _do(
        staff_id,
        lambda: factor_resets.ask(staff_id, by=current_user.id),
        _("Another admin must confirm the reset within 24 hours. They were sent an e-mail."),
    )


@bp.post("/<staff_id>/second-factor/reset/withdrawal")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def withdraw_reset(staff_id: str) -> AnyResponse:
    return _do(staff_id, lambda: factor_resets.withdraw(staff_id, by=current_user.id), _("The reset is withdrawn."))


@bp.post("/<staff_id>/second-factor/reset/confirmation")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def confirm_reset(staff_id: str) -> AnyResponse:
    """The code stands in this one answer and is kept nowhere."""
    try:
        code = factor_resets.confirm(staff_id, by=current_user.id)
    except Conflict as error:
        return _person_page(staff_id, refusal=error)
    if code is None:  # it was switched off meanwhile
        return pages.see_other("support_staff.show", staff_id=staff_id)
    return pages.page("support/staff/code.html", member=access.member(staff_id), code=code)


def _do(staff_id: str, act: Callable[[], object], done: str) -> AnyResponse:
    """One act on one person; a refusal stands above their page as it is now."""
    try:
        act()
    except (Invalid, Conflict) as error:
        return _person_page(staff_id, refusal=error)
    flash(done, "success")
    return pages.see_other("support_staff.show", staff_id=staff_id)


def _person_page(staff_id: str, *, refusal: PortalError | None = None) -> Response:
    """`refusal` is why something was not done."""
    member = access.member(staff_id)
    return pages.page(
        "support/staff/show.html",
        status=refusal.status if refusal else 200,
        member=member,
        role_form=StaffRoleForm(formdata=None, prefix="new-", role=member.role),
        devices=sessions.devices(staff_id),
        apps=app_grants.apps(staff_id),
        inactive_days=config.current().staff_inactive_days,
        refusal=language.error_text(refusal, pages.reader_language()) if refusal else None,
    )


def _staff_page(form: NewStaffForm | None = None) -> Response:
    """The list; `form` is the invitation that was refused."""
    return pages.page(
        "support/staff/index.html",
        status=422 if form else 200,
        people=access.of_staff(),
        form=form or NewStaffForm(formdata=None, prefix="new-", role=Role.SUPPORT, language=current_user.language),
    )
