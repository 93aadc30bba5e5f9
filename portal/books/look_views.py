"""What reconciliation has looked at, what it found, and what a person says to a finding."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.books.forms import ExplanationForm
from portal.content import language
from portal.core import db
from portal.core.errors import Conflict, Invalid
from portal.reconciliation import queries, service, wording
from portal.reconciliation.models import FREQUENT, OPEN, Discrepancy
from portal.reconciliation.wording import Words
from portal.web import lists
from portal.web.guards import staff_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("book_looks", __name__, url_prefix="/support/books")

READERS: Final = ("approver", "admin")
# Who has more has one fault many times; the number says how many there are.
MOST_SHOWN: Final = 100
# A payment that looks like a second one is given back, unless it was meant.
CHARGED_TWICE: Final = "charged_twice"


@bp.get("/reconciliations")
@staff_only(*READERS)
def index() -> Response:
    with db.reading() as session:
        looks = queries.looks(session, request.args.get("page"))
        findings = queries.open_findings(session)
    return page(
        "books/looks.html",
        looks=looks,
        findings=[(finding, _words(finding)) for finding in findings[:MOST_SHOWN]],
        number=len(findings),
        **lists.pager_links("book_looks.index", looks),
    )


@bp.post("/reconciliations")
@limiter.limit("30/minute")
@staff_only(*READERS)
def compare() -> AnyResponse:
    """Compare now, up to this moment, instead of within a few minutes."""
    if service.leave(FREQUENT, to_now=True):
        flash(gettext("The reconciliation has started. Its result is here within a minute."), "success")
    else:
        flash(gettext("A reconciliation is already running."), "info")
    return see_other("books.index")


@bp.get("/findings/<finding_id>")
@staff_only(*READERS)
def finding(finding_id: str) -> Response:
    return _page(finding_id, ExplanationForm())


@bp.post("/findings/<finding_id>/explanation")
@limiter.limit("30/minute")
@staff_only(*READERS)
def explain(finding_id: str) -> AnyResponse:
    form = ExplanationForm()
    if not form.validate():
        return _page(finding_id, form, status=422)
    try:
        service.explain(finding_id, current_user.id, form.note.data or "")
    except Invalid as error:
        form.note.errors = [language.error_text(error, reader_language())]
        return _page(finding_id, form, status=422)
    except Conflict:
        flash(gettext("This discrepancy is no longer open."), "info")
        return see_other("book_looks.finding", finding_id=finding_id)
    flash(gettext("The discrepancy is resolved."), "success")
    return see_other("book_looks.index")


def _page(finding_id: str, form: ExplanationForm, status: int = 200) -> Response:
    with db.reading() as session:
        found = queries.finding(session, finding_id)
    return page(
        "books/finding.html",
        status=status,
        finding=found,
        words=_words(found),
        facts=wording.facts_of(found, gettext, _money),
        is_open=found.state == OPEN,
        may_be_second=found.code == CHARGED_TWICE,
        form=form,
    )


def _words(found: Discrepancy) -> Words:
    return wording.of(found, gettext, _money)


def _money(amount: Any) -> str:
    return language.money_text(amount, reader_language())
