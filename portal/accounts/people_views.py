"""The page of a customer's people: who signs in, in which role, and what owners change of that."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, flash
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import colleagues, service
from portal.accounts.forms import ColleagueForm, RoleForm
from portal.content import language
from portal.core.errors import Conflict, Invalid, PortalError, RateLimited
from portal.identity.forms import tell, typed
from portal.identity.models import CustomerRole
from portal.web import guards, pages

bp = Blueprint("people", __name__, url_prefix="/account/people")


@bp.get("")
@guards.customers_only
def index() -> Response:
    return _people_page()


@bp.post("")
@pages.limiter.limit("30/minute")
@guards.owners_only
def invite() -> AnyResponse:
    form = ColleagueForm(prefix="new-")
    if not form.validate_on_submit():
        return _people_page(form)
    facts = {name: typed(form[name]) for name in ("name", "email", "role", "language")}
    if facts["role"] == CustomerRole.OWNER:
        guards.require_recent_proof()
    try:
        colleagues.invite(guards.customer_id(), by=current_user.id, **facts)
    except (Invalid, RateLimited, Conflict) as error:
        tell(form, error)
        return _people_page(form, refusal=error)
    return _done(_("The invitation was sent to %(email)s.", email=facts["email"]))


@bp.post("/<user_id>/invitation")
@pages.limiter.limit("30/minute")
@guards.owners_only
def invite_again(user_id: str) -> AnyResponse:
    return _do(colleagues.invite_again, user_id, done=_("The invitation was sent again."))


@bp.post("/<user_id>/withdrawal")
@pages.limiter.limit("30/minute")
@guards.owners_only
def withdraw(user_id: str) -> AnyResponse:
    return _do(colleagues.withdraw, user_id, done=_("The invitation is withdrawn."))


@bp.post("/<user_id>/role")
@pages.limiter.limit("30/minute")
@guards.owners_only
def change_role(user_id: str) -> AnyResponse:
    role = typed(RoleForm(prefix=f"{user_id}-").role)
    if role == CustomerRole.OWNER:
        guards.require_recent_proof()
    return _do(colleagues.change_role, user_id, role, done=_("The role is changed."))


@bp.post("/<user_id>/access/end")
@pages.limiter.limit("30/minute")
@guards.owners_only
def end_access(user_id: str) -> AnyResponse:
    return _do(colleagues.end_access, user_id, done=_("This person can no longer sign in."))


@bp.post("/<user_id>/access/restoration")
@pages.limiter.limit("30/minute")
@guards.owners_only
@guards.recently_proved
def restore_access(user_id: str) -> AnyResponse:
    return _do(colleagues.restore_access, user_id, done=_("This person can sign in again."))


def _do(act: Callable[..., object], user_id: str, *facts: str, done: str) -> AnyResponse:
    """One act of colleagues on one person; a refusal stands above the list as it is now."""
    try:
        act(guards.customer_id(), user_id, *facts, by=current_user.id)
    except (Invalid, RateLimited, Conflict) as error:
        return _people_page(refusal=error)
    return _done(done)


def _done(words: str) -> AnyResponse:
    flash(words, "success")
    return pages.see_other("people.index")


def _people_page(form: ColleagueForm | None = None, *, refusal: PortalError | None = None) -> Response:
    """The whole page; `form` is the invitation that was refused, `refusal` why something was not done."""
    me = guards.customer_id()
    people = colleagues.of_customer(me)
    response = pages.page(
        "accounts/people.html",
        status=refusal.status if refusal else 422 if form else 200,
        customer=service.billing_details(me),
        people=people,
        form=form
        or ColleagueForm(formdata=None, prefix="new-", role=CustomerRole.VIEWER, language=current_user.language),
        role_forms={one.id: RoleForm(formdata=None, prefix=f"{one.id}-", role=one.role) for one in people},
        refusal=language.error_text(refusal, pages.reader_language()) if refusal and not form else None,
    )
    if isinstance(refusal, RateLimited):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response
