"""Whether a document was issued, for anyone who holds its code or its file: number, date and total, and nothing of whom it is for. The
confirmation of a balance is told whole: it is for those who are to believe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from portal.core import db
from portal.documents import certificates
from portal.documents.queries import Issued
from portal.statements.confirmations import Confirmed
from portal.verification import comparing, queries, reading
from portal.verification.comparing import Compared
from portal.verification.forms import CodeForm, FileForm
from portal.web import pages

bp = Blueprint("verification", __name__, url_prefix="/verify")

# Wrong codes and files of one address. A person mistypes a few times; 100 bits are not guessed at any rate, but nobody need try.
MOST_WRONG: Final = "20 per minute"


# Files of one address that are sent and read: reading one takes the time of a page or two.
MOST_FILES: Final = "6 per minute"


def _was_wrong(response: Response) -> bool:
    return response.status_code == 404


# One count for all ways to ask.
few_wrong: Final = pages.limiter.shared_limit(MOST_WRONG, scope="verification", deduct_when=_was_wrong)


few_files: Final = pages.limiter.limit(MOST_FILES, exempt_when=lambda: "file-file" not in request.files)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a file is: `same` is the document that was issued with exactly these bytes; else `named` the one whose code was given.

    `asked` is whether a code was given at all, and `pages` how what the file shows differs, where the file itself was sent.
    """

    same: Issued | Confirmed | None
    named: Issued | Confirmed | None
    asked: bool
    pages: Compared | None = None


@bp.route("", methods=["GET", "POST"])
@few_wrong
def index() -> AnyResponse:
    """Where the code is typed by those who cannot scan it, and where a file is given."""
    form = CodeForm()
    if not form.validate_on_submit():
        return _index(status=422 if form.errors else 200, form=form)
    with db.reading() as session:
        document = queries.by_code(session, form.code.data or "")
    if document is None:
        return _unknown()
    return pages.see_other("verification.show", document_code=document.code_text)


@bp.post("/file")
@few_wrong
@few_files
def check_file() -> Response:
    """Whether a file is what was issued, by its SHA-256. One that is not tells nothing; the code tells what it always tells.

    A file that comes itself is at most as large as every form (portal.app.BODY_LIMIT_BYTES), which our documents are far below. What its
    pages show is read then, and compared with what was issued under the code; nothing of it is kept.
    """
    form = FileForm(prefix="file")
    if not form.validate_on_submit():
        return _index(status=422, file_form=form)
    code = form.code.data or ""
    with db.reading() as session:
        same = queries.by_sha256(session, form.digest())
        named = queries.by_code(session, code) if code and same is None else None
    pages_compared = None
    if named is not None and (sent := form.content()) is not None:
        pages_compared = _compared(sent, code)
    outcome = Outcome(same, named, bool(code.strip()), pages_compared)
    return _index(status=200 if same or named else 404, file_form=form, outcome=outcome)


@bp.get("/<path:document_code>")
@few_wrong
def show(document_code: str) -> AnyResponse:
    """Where the QR code leads."""
    with db.reading() as session:
        document = queries.by_code(session, document_code)
    if document is None:
        return _unknown()
    form = FileForm(formdata=None, prefix="file", code=document.code_text)
    if isinstance(document, Confirmed):
        return pages.page("verification/confirmation.html", confirmed=document, file_form=form)
    return pages.page("verification/show.html", document=document, file_form=form)


def _compared(sent: bytes, code: str) -> Compared | None:
    """How what the pages of a file show differs from what was issued; None while that has no file. Raises reading.Busy."""
    with db.reading() as session:
        issued = queries.file_by_code(session, code)
    if issued is None:
        return None
    return comparing.compare(reading.text_of(sent), reading.text_of(issued.pdf) or "", issued.told)


def _index(status: int, form: CodeForm | None = None, file_form: FileForm | None = None, **context: Any) -> Response:
    return pages.page(
        "verification/index.html",
        partial="verification/_result.html",
        status=status,
        form=form or CodeForm(formdata=None),
        file_form=file_form or FileForm(formdata=None, prefix="file"),
        outcome=context.get("outcome"),
        fingerprint=certificates.fingerprint(certificates.identity().certificate),
    )


def _unknown() -> Response:
    """The same for every code that no document carries, whatever is wrong with it."""
    return pages.page("verification/unknown.html", status=404)
