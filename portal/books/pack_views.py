"""Month-end packs at the desk: asked for, watched while they are made, taken home."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.books import queries, service
from portal.books.forms import month_of
from portal.books.models import Pack
from portal.content import language
from portal.core import company_days, db
from portal.core.errors import Invalid
from portal.core.permissions import Permission
from portal.web.guards import staff_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("book_packs", __name__, url_prefix="/support/books/packs")

MONTHS_OFFERED: Final = 24


@bp.get("")
@staff_only(Permission.VIEW_BOOKS)
def index() -> Response:
    return _page()


@bp.post("")
@limiter.limit("30/minute")
@staff_only(Permission.VIEW_BOOKS)
def request_pack() -> AnyResponse:
    month = month_of(request.form.get("month", ""))
    try:
        if month is None:
            return _page(gettext("Please choose a month."))
        service.request(month, current_user.id)
    except Invalid as error:
        return _page(language.error_text(error, reader_language()))
    flash(gettext("The package is being created. This page shows its progress."), "success")
    return see_other("book_packs.index")


@bp.get("/<pack_id>")
@staff_only(Permission.VIEW_BOOKS)
def show(pack_id: str) -> Response:
    """A pack alone, as the list asks for it again while it is being made."""
    with db.reading() as session:
        found = queries.pack(session, pack_id)
    return page("books/pack.html", partial="books/_pack.html", pack=found)


@bp.get("/<pack_id>/file")
@limiter.limit("30/minute")
@staff_only(Permission.VIEW_BOOKS)
def download(pack_id: str) -> Response:
    pack, parts = service.download(pack_id)
    response = Response(parts, content_type="application/zip")
    response.content_length = pack.size
    response.headers["Content-Disposition"] = f'attachment; filename="{_file_name(pack)}"'
    return response


def _file_name(pack: Pack) -> str:
    return f"books-{pack.month:%Y-%m}.zip"


def _page(problem: str = "") -> Response:
    with db.reading() as session:
        packs = queries.packs(session)
    status = 422 if problem else 200
    return page("books/packs.html", status=status, packs=packs, months=_months_that_are_over(), problem=problem)


def _months_that_are_over() -> list[date]:
    """The first days of the last ones, the newest first."""
    months: list[date] = []
    first = company_days.today().replace(day=1)
    while len(months) < MONTHS_OFFERED:
        first = (first - timedelta(days=1)).replace(day=1)
        months.append(first)
    return months
