"""Whether a document was issued, for anyone who holds its code: number, date and total, and nothing of whom it is for."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response
from werkzeug.wrappers import Response as AnyResponse

from portal.core import db
from portal.documents import queries
from portal.documents.verification_forms import CodeForm
from portal.web import pages

bp = Blueprint("verification", __name__, url_prefix="/verify")

# Wrong codes of one address. A person mistypes a few times; 100 bits are not guessed at any rate, but nobody need try.
MOST_WRONG: Final = "20 per minute"


def _was_wrong(response: Response) -> bool:
    return response.status_code == 404


# One count for both ways to ask.
few_wrong: Final = pages.limiter.shared_limit(MOST_WRONG, scope="verification", deduct_when=_was_wrong)


@bp.route("", methods=["GET", "POST"])
@few_wrong
def index() -> AnyResponse:
    """Where the code is typed by those who cannot scan it."""
    form = CodeForm()
    if not form.validate_on_submit():
        return pages.page("verification/index.html", status=422 if form.errors else 200, form=form)
    with db.reading() as session:
        document = queries.by_code(session, form.code.data or "")
    if document is None:
        return _unknown()
    return pages.see_other("verification.show", document_code=document.code_text)


@bp.get("/<path:document_code>")
@few_wrong
def show(document_code: str) -> AnyResponse:
    """Where the QR code leads."""
    with db.reading() as session:
        document = queries.by_code(session, document_code)
    if document is None:
        return _unknown()
    return pages.page("verification/show.html", document=document)


def _unknown() -> Response:
    """The same for every code that no document carries, whatever is wrong with it."""
    return pages.page("verification/unknown.html", status=404)
