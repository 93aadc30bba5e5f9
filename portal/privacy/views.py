"""What is kept about a customer: the page of its owners, and the same at the desk."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import queries as accounts
from portal.core import audit, db
from portal.core.permissions import Permission
from portal.privacy import service
from portal.privacy.models import PersonalDataFile
from portal.web import guards, pages

bp = Blueprint("privacy", __name__, url_prefix="/account/privacy")
staff_bp = Blueprint("support_privacy", __name__, url_prefix="/support/customers/<customer_id>/privacy")


# For customers


@bp.get("")
@guards.owners_only
def show() -> Response:
    return _page(guards.customer_id())


@bp.post("/files")
@pages.limiter.limit("10/minute")
@guards.owners_only
@guards.recently_proved
def request_file() -> AnyResponse:
    return _request(guards.customer_id())


@bp.get("/files/<data_file_id>")
@guards.owners_only
def show_file(data_file_id: str) -> Response:
    """The ZIP, ready or being made; then this asks again by itself."""
    return _show_file(data_file_id, guards.customer_id())


@bp.get("/files/<data_file_id>/zip")
@pages.limiter.limit("30/minute")
@guards.owners_only
@guards.recently_proved
def download(data_file_id: str) -> Response:
    return _as_file(*service.download(data_file_id, guards.customer_id()))


# For staff


@staff_bp.get("")
@guards.staff_only(Permission.ANSWER_PRIVACY_REQUESTS)
def staff_show(customer_id: str) -> Response:
    audit.record_access(customer_id, customer_id, "customer")
    return _page(customer_id, staff=True)


@staff_bp.post("/files")
@pages.limiter.limit("10/minute")
@guards.staff_only(Permission.ANSWER_PRIVACY_REQUESTS)
@guards.recently_proved
def staff_request_file(customer_id: str) -> AnyResponse:
    return _request(customer_id, staff=True)


@staff_bp.get("/files/<data_file_id>")
@guards.staff_only(Permission.ANSWER_PRIVACY_REQUESTS)
def staff_show_file(customer_id: str, data_file_id: str) -> Response:
    return _show_file(data_file_id, customer_id, staff=True)


@staff_bp.get("/files/<data_file_id>/zip")
@pages.limiter.limit("30/minute")
@guards.staff_only(Permission.ANSWER_PRIVACY_REQUESTS)
@guards.recently_proved
def staff_download(customer_id: str, data_file_id: str) -> Response:
    return _as_file(*service.download(data_file_id, customer_id))


# For both


def _page(customer_id: str, *, staff: bool = False) -> Response:
    with db.reading() as session:
        customer = accounts.customer(session, customer_id)
        found = service.files(session, customer_id)
    return pages.page(
        "privacy/show.html",
        customer=customer,
        files=found,
        staff=staff,
        place=_place(customer_id, staff=staff),
    )


def _place(customer_id: str, *, staff: bool) -> dict[str, str]:
    """What the addresses of the page need."""
    return {"customer_id": customer_id} if staff else {}


def _request(customer_id: str, *, staff: bool = False) -> AnyResponse:
    file_id = service.request(customer_id, current_user.id)
    endpoint = "support_privacy.staff_show_file" if staff else "privacy.show_file"
    return pages.see_other(endpoint, data_file_id=file_id, **_place(customer_id, staff=staff))


def _show_file(file_id: str, customer_id: str, *, staff: bool = False) -> Response:
    with db.reading() as session:
        found = service.file(session, file_id, customer_id)
        customer = accounts.customer(session, customer_id)
    return pages.page(
        "privacy/file.html",
        partial="privacy/_file.html",
        file=found,
        customer=customer,
        staff=staff,
        place=_place(customer_id, staff=staff),
    )


def _as_file(row: PersonalDataFile, parts: Iterator[bytes]) -> Response:
    response = Response(parts, content_type="application/zip")
    response.content_length = row.size
    response.headers["Content-Disposition"] = f'attachment; filename="personal-data-{row.requested_at:%Y-%m-%d}.zip"'
    response.headers["Cache-Control"] = "private, no-store"
    return response
