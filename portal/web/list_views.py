"""Saved views of the staff's lists: a filter gets a name, and loses it again."""

from __future__ import annotations

from flask import Blueprint, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core.errors import Invalid
from portal.core.permissions import Permission
from portal.web import saved, staff_lists
from portal.web.guards import staff_only
from portal.web.pages import limiter, reader_language, see_other

bp = Blueprint("support_lists", __name__, url_prefix="/support/lists")


@bp.post("/<name>/views")
@limiter.limit("30/minute")
@staff_only(Permission.LOOK_UP)
def save(name: str) -> AnyResponse:
    """The filter stands in the address, as on the list's page."""
    of = staff_lists.viewed_page(name)
    arguments = dict(of.reads(request.args))
    try:
        saved.save(current_user.id, name, request.form.get("name", ""), arguments)
    except Invalid as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(gettext("View saved."), "success")
    return see_other(of.endpoint, **arguments)


@bp.post("/<name>/views/<view_id>/removal")
@limiter.limit("30/minute")
@staff_only(Permission.LOOK_UP)
def remove(name: str, view_id: str) -> AnyResponse:
    of = staff_lists.viewed_page(name)
    saved.remove(current_user.id, name, view_id)
    flash(gettext("View removed."), "success")
    return see_other(of.endpoint, **of.reads(request.args))
