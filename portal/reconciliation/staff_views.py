"""The runs of reconciliation, the discrepancies that they found, and what a person says to one."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import db
from portal.core.errors import Conflict, Invalid
from portal.core.permissions import Permission
from portal.reconciliation import messages, queries, service
from portal.reconciliation.messages import Words
from portal.reconciliation.models import Discrepancy, DiscrepancyStatus, RunKind
from portal.reconciliation.staff_forms import ResolutionForm
from portal.web import lists
from portal.web.guards import staff_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("reconciliation", __name__, url_prefix="/support/books")

# Who has more has one fault many times; the number says how many there are.
MOST_SHOWN: Final = 100
# A payment that looks like a second one is given back, unless it was meant.
CHARGED_TWICE: Final = "charged_twice"


@bp.get("/reconciliations")
@staff_only(Permission.VIEW_BOOKS)
def index() -> Response:
    with db.reading() as session:
        runs = queries.runs(session, request.args.get("page"))
        discrepancies = queries.open_discrepancies(session)
    return page(
        "reconciliation/index.html",
        runs=runs,
        discrepancies=[(discrepancy, _words(discrepancy)) for discrepancy in discrepancies[:MOST_SHOWN]],
        number=len(discrepancies),
        **lists.pager_links("reconciliation.index", runs),
    )


@bp.post("/reconciliations")
@limiter.limit("30/minute")
@staff_only(Permission.RECONCILE)
def compare() -> AnyResponse:
    """Compare now, up to this moment, instead of within a few minutes."""
    if service.leave(RunKind.FREQUENT, to_now=True):
        flash(gettext("The reconciliation has started. Its result is here within a minute."), "success")
    else:
        flash(gettext("A reconciliation is already running."), "info")
    return see_other("books.index")


@bp.get("/discrepancies/<discrepancy_id>")
@staff_only(Permission.VIEW_BOOKS)
def discrepancy(discrepancy_id: str) -> Response:
    return _page(discrepancy_id, ResolutionForm())


@bp.post("/discrepancies/<discrepancy_id>/resolution")
@limiter.limit("30/minute")
@staff_only(Permission.RECONCILE)
def resolve(discrepancy_id: str) -> AnyResponse:
    form = ResolutionForm()
    if not form.validate():
        return _page(discrepancy_id, form, status=422)
    try:
        service.resolve(discrepancy_id, current_user.id, form.note.data or "")
    except Invalid as error:
        form.note.errors = [language.error_text(error, reader_language())]
        return _page(discrepancy_id, form, status=422)
    except Conflict:
        flash(gettext("This discrepancy is no longer open."), "info")
        return see_other("reconciliation.discrepancy", discrepancy_id=discrepancy_id)
    flash(gettext("The discrepancy is resolved."), "success")
    return see_other("reconciliation.index")


def _page(discrepancy_id: str, form: ResolutionForm, status: int = 200) -> Response:
    with db.reading() as session:
        found = queries.discrepancy(session, discrepancy_id)
    return page(
        "reconciliation/discrepancy.html",
        status=status,
        discrepancy=found,
        words=_words(found),
        facts=messages.facts_of(found, gettext, _money),
        is_open=found.status == DiscrepancyStatus.OPEN,
        may_be_second=found.code == CHARGED_TWICE,
        form=form,
    )


def _words(found: Discrepancy) -> Words:
    return messages.of(found, gettext, _money)


def _money(amount: Any) -> str:
    return language.money_text(amount, reader_language())
