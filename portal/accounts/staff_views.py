"""The page of the people who work here, for admins: who signs in, in which role, and how that ends."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, flash
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import access
from portal.accounts.staff_forms import NewStaffForm, StaffRoleForm
from portal.content import language
from portal.core.errors import Conflict, Invalid, PortalError
from portal.core.permissions import Permission, Role
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
    return _done(_("The invitation was sent to %(email)s.", email=facts["email"]))


@bp.post("/<staff_id>/role")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def change_role(staff_id: str) -> AnyResponse:
    role = str(StaffRoleForm(prefix=f"{staff_id}-").role.data or "")
    return _do(lambda: access.change_role(staff_id, role, by=current_user.id), _("The role is changed."))


@bp.post("/<staff_id>/access/end")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def end_access(staff_id: str) -> AnyResponse:
    return _do(lambda: access.end(staff_id, by=current_user.id), _("This person can no longer sign in."))


@bp.post("/<staff_id>/access/restoration")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def restore_access(staff_id: str) -> AnyResponse:
    return _do(lambda: access.restore(staff_id, by=current_user.id), _("This person can sign in again."))


@bp.post("/<staff_id>/invitation")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def invite_again(staff_id: str) -> AnyResponse:
    return _do(lambda: access.invite_again(staff_id, by=current_user.id), _("The invitation was sent again."))


@bp.post("/<staff_id>/second-factor/reset")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_STAFF)
@recently_proved
def reset_second_factor(staff_id: str) -> AnyResponse:
    """The code stands in this one answer and is kept nowhere."""
    try:
        code = access.reset_second_factor(staff_id, by=current_user.id)
    except Conflict as error:
        return _staff_page(refusal=error)
    if code is None:  # it was switched off meanwhile
        return pages.see_other("support_staff.index")
    return pages.page("support/staff/code.html", member=access.member(staff_id), code=code)


def _do(act: Callable[[], object], done: str) -> AnyResponse:
    """One act on one person; a refusal stands above the list as it is now."""
    try:
        act()
    except (Invalid, Conflict) as error:
        return _staff_page(refusal=error)
    return _done(done)


def _done(words: str) -> AnyResponse:
    flash(words, "success")
    return pages.see_other("support_staff.index")


def _staff_page(form: NewStaffForm | None = None, *, refusal: PortalError | None = None) -> Response:
    """The whole page; `form` is the invitation that was refused, `refusal` why something was not done."""
    people = access.of_staff()
    return pages.page(
        "support/staff/index.html",
        status=refusal.status if refusal else 422 if form else 200,
        people=people,
        form=form or NewStaffForm(formdata=None, prefix="new-", role=Role.SUPPORT, language=current_user.language),
        role_forms={one.id: StaffRoleForm(formdata=None, prefix=f"{one.id}-", role=one.role) for one in people},
        refusal=language.error_text(refusal, pages.reader_language()) if refusal else None,
    )
