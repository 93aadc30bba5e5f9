"""The books at the desk: a period's figures on both sides, and the lines behind them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from flask import Blueprint, Response, current_app, request, url_for

from portal import clock, db, gateway
from portal.books import charts, exports, queries
from portal.books.forms import FiguresForm, LinesForm
from portal.books.queries import LinesFilter
from portal.errors import Invalid
from portal.keyset import Page
from portal.pages import page, staff_only
from portal.reconciliation import figures
from portal.reconciliation import queries as looks
from portal.reconciliation.figures import Period

bp = Blueprint("books", __name__, url_prefix="/support/books")

READERS: Final = ("approver", "admin")
# So many are offered; other periods are typed as days.
MONTHS_OFFERED: Final = 24

# Where staff see the thing that an id names: its beginning, the page, and the page's argument.
_PAGES: Final = {
    "pay": ("support.payment", "payment_id"),
    "inv": ("support.invoice", "invoice_id"),
    "rfd": ("support_refunds.show", "refund_id"),
    "dsp": ("support_disputes.show", "dispute_id"),
}
# Where Stripe's dashboard shows it, by the beginning of its id.
_DASHBOARD: Final = {
    "ch": "payments",
    "py": "payments",
    "pi": "payments",
    "po": "payouts",
    "du": "disputes",
    "dp": "disputes",
}


def address_of(subject: str) -> str | None:
    """The staff's page about this id; None when there is none."""
    endpoint, argument = _PAGES.get(subject.partition("_")[0], ("", ""))
    values: dict[str, Any] = {argument: subject}
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None


def dashboard_of(source_id: str | None) -> str | None:
    """The page of Stripe's dashboard about this id of Stripe's; None when we know of none."""
    kind = _DASHBOARD.get((source_id or "").partition("_")[0])
    return gateway.page_of(kind, source_id) if kind and source_id else None


@bp.context_processor
def _context() -> dict[str, Any]:
    return {"address_of": address_of, "dashboard_of": dashboard_of}


@bp.get("")
@staff_only(*READERS)
def index() -> Response:
    form = FiguresForm(request.args)
    wrong = not form.validate()
    period = Period.of_month(clock.today()) if wrong else form.period()
    with db.reading() as session:
        currencies = figures.currencies(session)
        chosen = "" if wrong else (form.currency.data or "").lower()
        currency = chosen or queries.currency_of_newest(session) or next(iter(currencies), "eur")
        found = figures.of(session, currency, period)
        days = figures.by_day(session, currency, period)
        last, findings = looks.latest_finished(session), queries.number_of_findings(session)
    return page(
        "books/index.html",
        partial="books/_figures.html",
        status=422 if wrong else 200,
        form=form,
        figures=found,
        period=period,
        currency=currency,
        currencies=currencies,
        months=_months_offered(),
        spans=_spans(period),
        chart=charts.of_days(days),
        last=last,
        findings=findings,
    )


def _months_offered() -> list[date]:
    """The first days of this month and of those before it."""
    months = [clock.today().replace(day=1)]
    while len(months) < MONTHS_OFFERED:
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    return months


def _spans(period: Period) -> dict[str, dict[str, str]]:
    """The days of the lines behind a figure: those before the period, those up to its end, and for all others its own."""
    since, until = period.since.isoformat(), period.until.isoformat()
    return {
        figures.OPENING: {"until": (period.since - timedelta(days=1)).isoformat(), "group": queries.BALANCE},
        figures.CLOSING: {"until": until, "group": queries.BALANCE},
        **{group: {"since": since, "until": until, "group": group} for group in figures.GROUPS},
    }


@bp.get("/postings")
@staff_only(*READERS)
def postings() -> Response:
    form = LinesForm(request.args)
    wrong = not form.validate()
    wanted = LinesFilter() if wrong else form.filter()
    with db.reading() as session:
        found = queries.postings(session, wanted, request.args.get("page"))
        balances, currencies = queries.balances(session, wanted), figures.currencies(session)
    return _list("postings", found, form, balances=balances, currencies=currencies, wanted=wanted, wrong=wrong)


@bp.get("/postings.csv")
@staff_only(*READERS)
def export_postings() -> Response:
    return _file(exports.export_postings(_wanted()), "postings.csv")


@bp.get("/transactions")
@staff_only(*READERS)
def transactions() -> Response:
    form = LinesForm(request.args)
    wrong = not form.validate()
    wanted = LinesFilter() if wrong else form.filter()
    with db.reading() as session:
        found = queries.transactions(session, wanted, request.args.get("page"))
        currencies = figures.currencies(session)
    return _list("transactions", found, form, currencies=currencies, wanted=wanted, wrong=wrong)


@bp.get("/transactions.csv")
@staff_only(*READERS)
def export_transactions() -> Response:
    return _file(exports.export_transactions(_wanted()), "balance-transactions.csv")


def _wanted() -> LinesFilter:
    """What a file is to hold. Raises Invalid."""
    form = LinesForm(request.args)
    if not form.validate():
        raise Invalid
    return form.filter()


def _list(name: str, found: Page[Any], form: LinesForm, *, wrong: bool, **facts: Any) -> Response:
    """A page of lines, or the part of it that its filters swap; all filters stand in the address."""
    filters: dict[str, Any] = {key: value for key, value in request.args.items() if value and key != "page"}
    endpoint = f"books.{name}"
    return page(
        f"books/{name}.html",
        partial=f"books/_{name}.html",
        status=422 if wrong else 200,
        found=found,
        form=form,
        filters=filters,
        older_url=url_for(endpoint, **filters, page=found.older) if found.older else None,
        newer_url=url_for(endpoint, **filters, page=found.newer) if found.newer else None,
        **facts,
    )


def _file(lines: Iterator[str], name: str) -> Response:
    response = Response(lines, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
