"""The lists of e-mails at the desk."""

from __future__ import annotations

from flask import Blueprint, Response

from portal.core.permissions import Permission
from portal.support.staff_list import SENT_LIST, UNSENT_LIST
from portal.web import staff_lists
from portal.web.guards import staff_only

bp = Blueprint("support_mails", __name__, url_prefix="/support/mails")


@bp.get("/sent")
@staff_only(Permission.LOOK_UP)
def index() -> Response:
    return staff_lists.show(SENT_LIST)


@bp.get("/sent.csv")
@staff_only(Permission.LOOK_UP)
def csv() -> Response:
    return staff_lists.as_csv(SENT_LIST)


@bp.get("/unsent")
@staff_only(Permission.VIEW_OPERATIONS)
def unsent() -> Response:
    return staff_lists.show(UNSENT_LIST)


@bp.get("/unsent.csv")
@staff_only(Permission.VIEW_OPERATIONS)
def unsent_csv() -> Response:
    return staff_lists.as_csv(UNSENT_LIST)
