"""Everyone's invoices at the staff's desk: the list, issuing, importing. One of them is portal.invoices.closing_views'."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, Response, flash, request
from flask_babel import gettext, ngettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import queries as accounts
from portal.accounts.service import Deactivated
from portal.content import language
from portal.core import db
from portal.core.errors import Invalid, NotFound
from portal.core.permissions import Permission
from portal.invoices import files, importing, queries, service, spreadsheet
from portal.invoices.staff_forms import ImportForm, InvoiceForm
from portal.invoices.staff_list import LIST
from portal.web import lists, staff_lists
from portal.web.guards import staff_only
from portal.web.pages import page, reader_language, see_other

bp = Blueprint("support_invoices", __name__, url_prefix="/support/invoices")


@bp.get("")
@staff_only(Permission.LOOK_UP)
def index() -> Response:
    return staff_lists.show(LIST)


@bp.get("/list.csv")
@staff_only(Permission.LOOK_UP)
def csv() -> Response:
    return staff_lists.as_csv(LIST)


# Issuing


@bp.route("/new", methods=["GET", "POST"])
@staff_only(Permission.ISSUE_INVOICES)
def new() -> AnyResponse:
    """The form's buttons: "add_line" and "remove_line" (with a line's place) change it, the other one issues.

    `like` names an invoice, such as one that was voided by mistake, whose customer and lines stand in the form already.
    """
    form = InvoiceForm()
    if request.method == "GET":
        if like := request.args.get("like", ""):
            with db.reading() as session:
                form.fill(queries.for_staff(session, like))
        form.customer.data = form.customer.data or _named(request.args.get("customer", ""))
        form.key.data = form.key.data or secrets.token_urlsafe(24)
    elif "add_line" in request.form:
        form.add_line()
    elif "remove_line" in request.form:
        form.remove_line(request.form.get("remove_line", -1, type=int))
    elif form.validate_on_submit() and (issued := _issue(form)):
        flash(gettext("Invoice %(number)s is issued.", number=issued.number), "success")
        return see_other("support_invoices.show", invoice_id=issued.id)
    return page("support/invoices/new.html", form=form, status=422 if form.is_wrong else 200)


def _named(customer_id: str) -> str:
    """What stands in the field for this customer: the id, which cannot be mistaken for another's. Empty for none."""
    if not customer_id:
        return ""
    with db.reading() as session:
        return accounts.customer(session, customer_id).id


def _issue(form: InvoiceForm) -> Any:
    """The invoice, or None when something was refused, which stands in the form then."""
    typed = (form.customer.data or "").strip()
    try:
        customer_id = importing.customer_billed_at(typed) if "@" in typed else _named(typed)
        return service.issue(form.draft(customer_id), client_key=form.key.data or "")
    except Deactivated as error:
        form.tell("customer", language.error_text(error, reader_language()))
    except Invalid as error:
        form.tell(error.field, language.error_text(error, reader_language()))
    except NotFound:
        form.tell("customer", gettext("There is no such customer."))
    return None


# Importing


@bp.route("/import", methods=["GET", "POST"])
@staff_only(Permission.IMPORT_INVOICES)
def upload() -> AnyResponse:
    """Nothing is issued here: the next page shows what would be."""
    form = ImportForm()
    if form.validate_on_submit():
        try:
            file_id = files.keep_file(
                current_user.id, form.file.data.filename or "", form.file.data.read(), form.decimal_mark.data or ""
            )
        except Invalid as error:
            form.file.errors = [language.error_text(error, reader_language())]
        else:
            return see_other("support_invoices.file", file_id=file_id)
    locale = reader_language()
    return page(
        "support/invoices/import.html",
        form=form,
        most_megabytes=spreadsheet.MOST_BYTES // 1_000_000,
        most_rows=language.number_text(spreadsheet.MOST_ROWS, locale),
        status=422 if form.errors else 200,
    )


@bp.get("/import/<file_id>")
@staff_only(Permission.IMPORT_INVOICES)
def file(file_id: str) -> Response:
    """What the file would issue, or every mistake in it by its line."""
    file, report = files.look_into(file_id, current_user.id)
    problems = [(one, language.error_text(one.error, reader_language())) for one in report.problems]
    has_rows = any(one.line > 1 for one in report.problems)
    return page("support/invoices/file.html", file=file, report=report, problems=problems, has_rows=has_rows)


@bp.get("/import/<file_id>/corrected.csv")
@staff_only(Permission.IMPORT_INVOICES)
def corrected_file(file_id: str) -> Response:
    """The same rows, to correct in a spreadsheet and to upload again."""
    locale = reader_language()
    found = files.corrected_file(file_id, current_user.id, lambda error: language.error_text(error, locale))
    return lists.csv_file(found, "invoices-to-correct.csv")


@bp.post("/import/<file_id>")
@staff_only(Permission.IMPORT_INVOICES)
def import_file(file_id: str) -> AnyResponse:
    report = files.import_file(file_id, current_user.id)
    if report.problems:
        flash(gettext("Nothing was issued, because something has changed in the meantime."), "error")
        return see_other("support_invoices.file", file_id=file_id)
    count = len(report.issued)
    flash(ngettext("%(num)d invoice was issued.", "%(num)d invoices were issued.", count), "success")
    return see_other("support_invoices.index")
