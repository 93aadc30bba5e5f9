"""Lists as people read them: a page of rows under its filters, and the same rows as a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

from flask import Response, request, url_for

from portal.content import csv_lines
from portal.core.errors import Invalid
from portal.core.keyset import Page
from portal.web.pages import page, reader_language, reader_zone

PROGRAMS: Final = "programs"
SPREADSHEETS: Final = "spreadsheets"


class Paged(Protocol):
    """A page with cursors, as keyset.Page is one."""

    @property
    def older(self) -> str | None: ...

    @property
    def newer(self) -> str | None: ...


def pager_links(endpoint: str, found: Paged, **values: Any) -> dict[str, Any]:
    """The addresses of the pages before and after this one, under the names by which templates ask for them."""
    return {
        "older_url": url_for(endpoint, **values, page=found.older) if found.older else None,
        "newer_url": url_for(endpoint, **values, page=found.newer) if found.newer else None,
    }


def filtered(endpoint: str, template: str, found: Page[Any], *, wrong: bool = False, **facts: Any) -> Response:
    """A list's page, or the part of it that its filters swap (`folder/_name.html` beside `folder/name.html`).

    All filters stand in the address; `wrong` says that they make no sense.
    """
    filters: dict[str, Any] = {name: value for name, value in request.args.items() if value and name != "page"}
    folder, _, name = template.rpartition("/")
    return page(
        template,
        partial=f"{folder}/_{name}",
        status=422 if wrong else 200,
        found=found,
        filters=filters,
        **pager_links(endpoint, found, **filters),
        **facts,
    )


def csv_shape() -> csv_lines.Shape:
    """How the reader wants a file: `for=spreadsheets`, else for programs. Raises Invalid for anything else."""
    wanted = request.args.get("for", PROGRAMS)
    if wanted not in {PROGRAMS, SPREADSHEETS}:
        raise Invalid(field="for")
    return csv_lines.Shape(reader_language() if wanted == SPREADSHEETS else "", reader_zone())


def csv_file(lines: Iterable[str], name: str) -> Response:
    """Lines as a browser keeps them, while they come."""
    response = Response(lines, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
