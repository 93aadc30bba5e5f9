"""The books at the desk: a period's figures on both sides, and the lines behind them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from flask import Blueprint, Response, request

from portal import gateway
from portal.books import charts, datev, datev_export, exports, queries
from portal.books import today as day_figures
from portal.books.forms import FiguresForm, LinesForm
from portal.books.queries import LinesFilter
from portal.books.staff_list import LIST
from portal.core import company_days, db
from portal.core.errors import Invalid
from portal.core.permissions import Permission
from portal.reconciliation import balances, figures
from portal.reconciliation import queries as reconciliation
from portal.reconciliation.figures import Period
from portal.web import lists, staff_lists
from portal.web.guards import staff_only
from portal.web.pages import page
from portal.web.subjects import address_of

bp = Blueprint("books", __name__, url_prefix="/support/books")

# So many are offered; other periods are typed as days.
MONTHS_OFFERED: Final = 24

# Where Stripe's dashboard shows it, by the beginning of its id.
_DASHBOARD: Final = {
    "ch": "payments",
    "py": "payments",
    "pi": "payments",
    "po": "payouts",
    "du": "disputes",
    "dp": "disputes",
}


def dashboard_of(source_id: str | None) -> str | None:
    """The page of Stripe's dashboard about this id of Stripe's; None when we know of none."""
    kind = _DASHBOARD.get((source_id or "").partition("_")[0])
    return gateway.page_of(kind, source_id) if kind and source_id else None


@bp.context_processor
def _context() -> dict[str, Any]:
    return {"address_of": address_of, "dashboard_of": dashboard_of}


@bp.get("")
@staff_only(Permission.VIEW_BOOKS)
def index() -> Response:
    form = FiguresForm(request.args)
    wrong = not form.validate()
    period = Period.of_month(company_days.today()) if wrong else form.period()
    with db.reading() as session:
        currencies = balances.currencies(session)
        chosen = "" if wrong else (form.currency.data or "").lower()
        currency = chosen or queries.currency_of_newest(session) or next(iter(currencies), "eur")
        found = figures.of(session, currency, period, reconciliation.watermark(session) or figures.NEVER)
        days = figures.by_day(session, currency, period)
        last, discrepancies = reconciliation.latest_finished(session), queries.number_of_discrepancies(session)
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
        discrepancies=discrepancies,
    )


def _months_offered() -> list[date]:
    """The first days of this month and of those before it."""
    months = [company_days.today().replace(day=1)]
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


@bp.get("/today")
@staff_only(Permission.LOOK_UP)
def today() -> Response:
    """What moved today and on the days before: a part of the desk's home, for all staff."""
    with db.reading() as session:
        found = day_figures.today(session)
    return page("books/today.html", partial="books/_today.html", found=found)


@bp.get("/accounts")
@staff_only(Permission.VIEW_BOOKS)
def accounts() -> Response:
    """What each account held before and after a period."""
    form = FiguresForm(request.args)
    wrong = not form.validate()
    period = Period.of_month(company_days.today()) if wrong else form.period()
    with db.reading() as session:
        currencies = balances.currencies(session)
        chosen = "" if wrong else (form.currency.data or "").lower()
        currency = chosen or queries.currency_of_newest(session) or next(iter(currencies), "eur")
        found = queries.account_periods(session, currency, period)
    return page(
        "books/accounts.html",
        status=422 if wrong else 200,
        form=form,
        found=found,
        period=period,
        currency=currency,
        currencies=currencies,
        months=_months_offered(),
        datev=datev_export.is_set_up(),
    )


@bp.get("/accounts.csv")
@staff_only(Permission.VIEW_BOOKS)
def export_accounts() -> Response:
    form = FiguresForm(request.args)
    if not form.validate():
        raise Invalid
    with db.reading() as session:
        currency = (form.currency.data or "").lower() or queries.currency_of_newest(session) or "eur"
    return lists.csv_file(exports.export_accounts(currency, form.period(), lists.csv_shape()), "accounts.csv")


@bp.get("/documents.csv")
@staff_only(Permission.VIEW_BOOKS)
def export_documents() -> Response:
    """The documents of a period with net and tax of each rate."""
    return lists.csv_file(exports.export_documents(_period(), lists.csv_shape()), "documents.csv")


@bp.get("/datev.csv")
@staff_only(Permission.VIEW_BOOKS)
def export_datev() -> Response:
    """The booking batch of a period for DATEV."""
    made = exports.export_datev(_period())
    response = Response(made.lines(), content_type=datev.CONTENT_TYPE)
    response.headers["Content-Disposition"] = f'attachment; filename="{made.name}"'
    return response


def _period() -> Period:
    """Raises Invalid."""
    form = FiguresForm(request.args)
    if not form.validate():
        raise Invalid
    return form.period()


@bp.get("/payouts")
@staff_only(Permission.VIEW_BOOKS)
def payouts() -> Response:
    return staff_lists.show(LIST)


@bp.get("/payouts.csv")
@staff_only(Permission.VIEW_BOOKS)
def payouts_csv() -> Response:
    return staff_lists.as_csv(LIST)


@bp.get("/postings")
@staff_only(Permission.VIEW_BOOKS)
def postings() -> Response:
    form = LinesForm(request.args)
    wrong = not form.validate()
    wanted = LinesFilter() if wrong else form.filter()
    with db.reading() as session:
        wanted = queries.of_customer(session, wanted)
        found = queries.postings(session, wanted, request.args.get("page"))
        accounts, currencies = queries.balances(session, wanted), balances.currencies(session)
    return lists.filtered(
        "books.postings",
        "books/postings.html",
        found,
        wrong=wrong,
        form=form,
        balances=accounts,
        currencies=currencies,
        wanted=wanted,
    )


@bp.get("/postings.csv")
@staff_only(Permission.VIEW_BOOKS)
def export_postings() -> Response:
    return lists.csv_file(exports.export_postings(_wanted(), lists.csv_shape()), "postings.csv")


@bp.get("/transactions")
@staff_only(Permission.VIEW_BOOKS)
def transactions() -> Response:
    form = LinesForm(request.args)
    wrong = not form.validate()
    wanted = LinesFilter() if wrong else form.filter()
    with db.reading() as session:
        wanted = queries.of_customer(session, wanted)
        found = queries.transactions(session, wanted, request.args.get("page"))
        currencies = balances.currencies(session)
    return lists.filtered(
        "books.transactions",
        "books/transactions.html",
        found,
        wrong=wrong,
        form=form,
        currencies=currencies,
        wanted=wanted,
    )


@bp.get("/transactions.csv")
@staff_only(Permission.VIEW_BOOKS)
def export_transactions() -> Response:
    return lists.csv_file(exports.export_transactions(_wanted(), lists.csv_shape()), "balance-transactions.csv")


def _wanted() -> LinesFilter:
    """What a file is to hold. Raises Invalid."""
    form = LinesForm(request.args)
    if not form.validate():
        raise Invalid
    with db.reading() as session:
        return queries.of_customer(session, form.filter())
