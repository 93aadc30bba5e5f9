"""The pages of the second factor, for everyone who is signed in; and staff who owe one are led here."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, flash, make_response, redirect, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.core import config
from portal.core.errors import Conflict, Invalid, RateLimited
from portal.identity import second_factor
from portal.identity.forms import tell, typed
from portal.identity.second_factor_forms import PasswordAndCodeForm, PasswordForm
from portal.web import guards, pages

bp = Blueprint("second_factor", __name__, url_prefix="/account/second-factor")

# What staff may do who have to set one up first; the parts of a page that stand outside of any feature are among it.
_OPEN_PARTS: Final = frozenset({"second_factor", "passkeys", "pages"})
_OPEN_PAGES: Final = frozenset({"identity.sign_in", "identity.sign_in_code", "identity.sign_out"})


@bp.before_app_request
def lead_to_it() -> AnyResponse | None:
    """Whoever owes a second factor reaches nothing else."""
    if request.blueprint in _OPEN_PARTS or request.endpoint in _OPEN_PAGES:
        return None
    if not current_user.is_authenticated or not current_user.owes_second_factor:
        return None
    there = url_for("second_factor.index")
    if "HX-Request" in request.headers:
        return make_response("", 401, {"HX-Redirect": there})
    return redirect(there, 303)


@bp.get("")
@guards.signed_in_only
def index() -> Response:
    return _page()


@bp.post("/setup")
@pages.limiter.limit("30 per minute")
@guards.signed_in_only
def begin() -> AnyResponse:
    second_factor.begin(current_user.id)
    return pages.see_other("second_factor.setup")


@bp.get("/setup")
@guards.signed_in_only
def setup() -> AnyResponse:
    return _setup_page(PasswordAndCodeForm(formdata=None))


@bp.post("/confirmation")
@pages.limiter.limit("30 per minute")
@guards.signed_in_only
def confirm() -> AnyResponse:
    form = PasswordAndCodeForm()
    if form.validate_on_submit():
        try:
            codes = second_factor.confirm(
                current_user.id, typed(form.password), typed(form.code), ip=request.remote_addr or ""
            )
        except (Invalid, RateLimited) as error:
            tell(form, error)
        except Conflict:  # it is on already, from another tab
            return pages.see_other("second_factor.index")
        else:
            return _codes_page(codes, is_new=True)
    return _setup_page(form)


@bp.post("/recovery-codes")
@pages.limiter.limit("30 per minute")
@guards.signed_in_only
def renew_recovery_codes() -> AnyResponse:
    form = PasswordForm(prefix="renew-")
    if form.validate_on_submit():
        try:
            codes = second_factor.renew_recovery_codes(
                current_user.id, typed(form.password), ip=request.remote_addr or ""
            )
        except (Invalid, RateLimited, Conflict) as error:
            tell(form, error)
        else:
            return _codes_page(codes, is_new=False)
    return _page(renew_form=form)


@bp.post("/off")
@pages.limiter.limit("30 per minute")
@guards.signed_in_only
def switch_off() -> AnyResponse:
    form = PasswordAndCodeForm(prefix="off-")
    if form.validate_on_submit():
        try:
            second_factor.switch_off(
                current_user.id, typed(form.password), typed(form.code), ip=request.remote_addr or ""
            )
        except (Invalid, RateLimited, Conflict) as error:
            tell(form, error)
        else:
            if not current_user.is_staff or not config.current().staff_need_second_factor:
                flash(_("Two-step verification is off."), "success")
            return pages.see_other("second_factor.index")
    return _page(off_form=form)


def _page(renew_form: PasswordForm | None = None, off_form: PasswordAndCodeForm | None = None) -> Response:
    return pages.page(
        "identity/second_factor.html",
        status=422 if renew_form or off_form else 200,
        state=second_factor.state(current_user.id),
        renew_form=renew_form or PasswordForm(formdata=None, prefix="renew-"),
        off_form=off_form or PasswordAndCodeForm(formdata=None, prefix="off-"),
    )


def _setup_page(form: PasswordAndCodeForm) -> AnyResponse:
    begun = second_factor.setting_up(current_user.id)
    if begun is None:
        return pages.see_other("second_factor.index")
    status = 422 if form.errors else 200
    return pages.page("identity/second_factor_setup.html", status=status, form=form, begun=begun)


def _codes_page(codes: list[str], *, is_new: bool) -> Response:
    """Answered right away and kept nowhere: what was shown once cannot be shown again."""
    return pages.page("identity/recovery_codes.html", codes=codes, is_new=is_new)
