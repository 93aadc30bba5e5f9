"""The statement of account: the same for a customer and, of one of them, for staff, as a page, a CSV file and a PDF."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flask import Blueprint, Response, request
from flask_login import current_user
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import queries as accounts_queries
from portal.content import language
from portal.content.csv_lines import Cell, Shape
from portal.core import audit, company_days, db
from portal.core.errors import N_, Conflict, Invalid
from portal.core.permissions import Permission
from portal.reconciliation.figures import Period
from portal.statements import accounts, service
from portal.statements.accounts import Statement
from portal.statements.forms import StatementForm
from portal.statements.models import StatementFile
from portal.web import guards, lists, pages

bp = Blueprint("account_statements", __name__, url_prefix="/statement")
staff_bp = Blueprint("support_statements", __name__, url_prefix="/support/customers/<customer_id>/statement")

COLUMNS: Final = {
    "date": N_("Date"),
    "kind": N_("Kind"),
    "document": N_("Document"),
    "invoice": N_("Invoice"),
    "debit": N_("Debit"),
    "credit": N_("Credit"),
    "balance": N_("Balance"),
    "currency": N_("Currency"),
}
OPENING: Final = "opening_balance"
CLOSING: Final = "closing_balance"
_BALANCES: Final = {OPENING: N_("Opening balance"), CLOSING: N_("Closing balance")}


# For customers


@bp.get("")
@guards.customers_only
def show() -> Response:
    return _page(guards.customer_id(), StatementForm(request.args), "account_statements", {})


@bp.get("/file.csv")
@guards.customers_only
def csv() -> Response:
    return _csv(guards.customer_id())


@bp.post("/files")
@pages.limiter.limit("30/minute")
@guards.customers_only
def request_file() -> AnyResponse:
    return _request(guards.customer_id(), "account_statements", {})


@bp.get("/files/<statement_id>")
@guards.customers_only
def show_file(statement_id: str) -> Response:
    """A PDF, ready or being made; then this asks again by itself."""
    return _show_file(statement_id, guards.customer_id(), "account_statements", {})


@bp.get("/files/<statement_id>/pdf")
@pages.limiter.limit("30/minute")
@guards.customers_only
def download(statement_id: str) -> Response:
    return as_file(*service.download(statement_id, guards.customer_id()))


# For staff


@staff_bp.get("")
@guards.staff_only(Permission.LOOK_UP)
def staff_show(customer_id: str) -> Response:
    audit.record_access(customer_id, customer_id, "statement")
    form = StatementForm(request.args)
    return _page(customer_id, form, "support_statements", {"customer_id": customer_id})


@staff_bp.get("/file.csv")
@guards.staff_only(Permission.LOOK_UP)
def staff_csv(customer_id: str) -> Response:
    audit.record_access(customer_id, customer_id, "statement")
    return _csv(customer_id)


@staff_bp.post("/files")
@pages.limiter.limit("30/minute")
@guards.staff_only(Permission.LOOK_UP)
def staff_request_file(customer_id: str) -> AnyResponse:
    return _request(customer_id, "support_statements", {"customer_id": customer_id})


@staff_bp.get("/files/<statement_id>")
@guards.staff_only(Permission.LOOK_UP)
def staff_show_file(customer_id: str, statement_id: str) -> Response:
    audit.record_access(customer_id, customer_id, "statement")
    return _show_file(statement_id, customer_id, "support_statements", {"customer_id": customer_id})


@staff_bp.get("/files/<statement_id>/pdf")
@pages.limiter.limit("30/minute")
@guards.staff_only(Permission.LOOK_UP)
def staff_download(customer_id: str, statement_id: str) -> Response:
    return as_file(*service.download(statement_id, customer_id))


# For both


def _page(customer_id: str, form: StatementForm, at: str, place: dict[str, str], problem: str = "") -> Response:
    """`at` is the blueprint, and `place` what its addresses need."""
    wrong = not form.validate()
    with db.reading() as session:
        customer = accounts_queries.customer(session, customer_id)
        currencies = accounts.currencies(session, customer_id)
        chosen = next(iter(currencies), "eur") if wrong else form.chosen(currencies)
        period = _this_year() if wrong else form.period()
        found = None
        try:
            found = accounts.statement(session, customer_id, chosen, period)
        except accounts.TooLong as error:
            problem = language.error_text(error, pages.reader_language())
        files = service.files(session, customer_id)
    return pages.page(
        "statements/staff.html" if place else "statements/show.html",
        status=422 if wrong or problem else 200,
        customer=customer,
        found=found,
        form=form,
        period=period,
        currency=chosen,
        currencies=currencies,
        files=files,
        problem=problem,
        at=at,
        place=place,
        kinds=accounts.KINDS,
    )


def _this_year() -> Period:
    today = company_days.today()
    return Period(today.replace(month=1, day=1), today)


def _wanted(source: MultiDict[str, str], customer_id: str) -> tuple[str, Period]:
    """Raises Invalid."""
    form = StatementForm(source)
    if not form.validate():
        raise Invalid
    with db.reading() as session:
        accounts_queries.customer(session, customer_id)
        return form.chosen(accounts.currencies(session, customer_id)), form.period()


def _csv(customer_id: str) -> Response:
    currency, period = _wanted(request.args, customer_id)
    with db.reading() as session:
        found = accounts.statement(session, customer_id, currency, period)
    shape = lists.csv_shape()
    name = f"statement-{currency}-{period.since}-{period.until}.csv"
    return lists.csv_file(lines(found, shape), name)


def lines(found: Statement, shape: Shape) -> Iterator[str]:
    """A line for the balance before, one for each movement, and one for the balance after; amounts in the currency's own decimals."""
    yield shape.header(COLUMNS)
    currency = found.currency.upper()

    def balance(day: Cell, name: str, minor: Cell) -> str:
        words = shape.translated(_BALANCES[name]) if shape.locale else name
        return shape.line((day, words, "", "", "", "", minor, currency))

    yield balance(found.period.since, OPENING, found.opening.decimal)
    for one in found.movements:
        amount = abs(one.amount).decimal
        sides: tuple[Cell, Cell] = (amount, "") if one.amount.minor > 0 else ("", amount)
        kind = shape.translated(accounts.KINDS[one.kind]) if shape.locale else one.kind
        yield shape.line((one.day, kind, one.number, one.invoice, *sides, one.balance.decimal, currency))
    yield balance(found.period.until, CLOSING, found.closing.decimal)


def _request(customer_id: str, at: str, place: dict[str, str]) -> AnyResponse:
    try:
        currency, period = _wanted(request.form, customer_id)
        file_id = service.request(customer_id, current_user.id, currency, period)
    except (Invalid, Conflict) as error:
        problem = language.error_text(error, pages.reader_language())
        return _page(customer_id, StatementForm(request.form), at, place, problem)
    return pages.see_other(f"{at}.{'staff_show_file' if place else 'show_file'}", statement_id=file_id, **place)


def _show_file(file_id: str, customer_id: str, at: str, place: dict[str, str]) -> Response:
    with db.reading() as session:
        found = service.file(session, file_id, customer_id)
    return pages.page("statements/file.html", partial="statements/_file.html", file=found, at=at, place=place)


def as_file(row: StatementFile, parts: Iterator[bytes]) -> Response:
    """The PDF, to keep."""
    response = Response(parts, content_type="application/pdf")
    response.content_length = row.size
    name = f"statement-{row.currency}-{row.since}-{row.until}.pdf"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response
