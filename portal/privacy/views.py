"""What is kept about a customer: the page of its owners, and the same at the desk."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, flash
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import queries as accounts
from portal.content import language
from portal.core import audit, db
from portal.core.errors import Conflict, Forbidden, Invalid, PortalError
from portal.core.four_eyes import Reviewer
from portal.core.permissions import Permission
from portal.identity import queries as people
from portal.privacy import erasing, queries, service
from portal.privacy.forms import ReasonForm
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


@bp.post("/erasure")
@pages.limiter.limit("10/minute")
@guards.owners_only
@guards.recently_proved
def ask_erasure() -> AnyResponse:
    try:
        erasing.ask(guards.customer_id(), current_user.id, by_customer=True)
    except Conflict as error:
        return _page(guards.customer_id(), problem=error)
    flash(gettext("We received your request, and answer it within a month."), "success")
    return pages.see_other("privacy.show")


@bp.post("/erasure/withdrawal")
@pages.limiter.limit("10/minute")
@guards.owners_only
def withdraw_erasure() -> AnyResponse:
    erasing.withdraw(guards.customer_id())
    return pages.see_other("privacy.show")


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


@staff_bp.post("/erasure")
@pages.limiter.limit("10/minute")
@guards.staff_only(Permission.ANSWER_PRIVACY_REQUESTS)
@guards.recently_proved
def propose_erasure(customer_id: str) -> AnyResponse:
    form = ReasonForm(prefix="propose-")
    if not form.validate_on_submit():
        return _page(customer_id, staff=True, forms={"propose": form})
    try:
        erasing.ask(customer_id, current_user.id, reason=form.reason.data or "", by_customer=False)
    except (Conflict, Invalid) as error:
        return _page(customer_id, staff=True, problem=error, forms={"propose": form})
    flash(gettext("The erasure waits for a colleague, who must approve it."), "info")
    return pages.see_other("support_privacy.staff_show", customer_id=customer_id)


@staff_bp.post("/erasure/approval")
@pages.limiter.limit("10/minute")
@guards.staff_only(Permission.ANSWER_PRIVACY_REQUESTS)
@guards.recently_proved
def approve_erasure(customer_id: str) -> AnyResponse:
    try:
        erasing.approve(customer_id, _me())
    except (Conflict, Forbidden) as error:
        return _page(customer_id, staff=True, problem=error)
    flash(gettext("The customer is being erased."), "success")
    return pages.see_other("support_privacy.staff_show", customer_id=customer_id)


@staff_bp.post("/erasure/rejection")
@pages.limiter.limit("10/minute")
@guards.staff_only(Permission.ANSWER_PRIVACY_REQUESTS)
def reject_erasure(customer_id: str) -> AnyResponse:
    form = ReasonForm(prefix="reject-")
    if not form.validate_on_submit():
        return _page(customer_id, staff=True, forms={"reject": form})
    try:
        erasing.reject(customer_id, _me(), form.reason.data or "")
    except (Conflict, Invalid) as error:
        return _page(customer_id, staff=True, problem=error, forms={"reject": form})
    flash(gettext("The request was rejected. Nothing was erased."), "success")
    return pages.see_other("support_privacy.staff_show", customer_id=customer_id)


def _me() -> Reviewer:
    return Reviewer(current_user.id, current_user.role)


# For both


def _page(
    customer_id: str,
    *,
    staff: bool = False,
    problem: PortalError | None = None,
    forms: dict[str, ReasonForm] | None = None,
) -> Response:
    with db.reading() as session:
        customer = accounts.customer(session, customer_id)
        found = service.files(session, customer_id)
        erasure = queries.latest(session, customer_id)
        hindrances = queries.hindrances(session, customer_id)
        names = people.names(session, (erasure.requested_by, erasure.decided_by)) if erasure and staff else {}
    wrong = any(form.errors for form in (forms or {}).values())
    return pages.page(
        "privacy/show.html",
        status=problem.status if problem else 422 if wrong else 200,
        customer=customer,
        erasure=erasure,
        kept=erasing.kept_of(erasure) if erasure else [],
        hindrances=[gettext(words) for words in hindrances],
        names=names,
        problem=language.error_text(problem, pages.reader_language()) if problem else "",
        propose=(forms or {}).get("propose") or ReasonForm(prefix="propose-", formdata=None),
        reject=(forms or {}).get("reject") or ReasonForm(prefix="reject-", formdata=None),
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
