"""All refunds at the desk, beside the queue of those that wait."""

from __future__ import annotations

from flask import Blueprint, Response

from portal.core.permissions import Permission
from portal.refunds.staff_list import LIST
from portal.web import staff_lists
from portal.web.guards import staff_only

bp = Blueprint("support_refund_list", __name__, url_prefix="/support/refunds")


@bp.get("/all")
@staff_only(Permission.LOOK_UP)
def index() -> Response:
    return staff_lists.show(LIST)


@bp.get("/all.csv")
@staff_only(Permission.LOOK_UP)
def csv() -> Response:
    return staff_lists.as_csv(LIST)
