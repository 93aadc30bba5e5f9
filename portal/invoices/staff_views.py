"""Everyone's invoices at the staff's desk: the list, and importing. A new one is issuing_views', and one of them closing_views'."""

from __future__ import annotations

from flask import Blueprint, Response, flash
from flask_babel import gettext, ngettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language, sheets
from portal.core.errors import Invalid
from portal.core.permissions import Permission
from portal.invoices import files
from portal.invoices.staff_forms import ImportForm, IssueFileForm
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


# Importing


@bp.route("/import", methods=["GET", "POST"])
@staff_only(Permission.IMPORT_INVOICES)
def upload() -> AnyResponse:
    """Nothing is issued here: the next page shows what would be."""
    form = ImportForm()
    if form.validate_on_submit():
        try:
            file_id = files.UPLOADS.keep(
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
        most_megabytes=sheets.MOST_BYTES // 1_000_000,
        most_rows=language.number_text(sheets.MOST_ROWS, locale),
        status=422 if form.errors else 200,
    )


@bp.get("/import/<file_id>")
@staff_only(Permission.IMPORT_INVOICES)
def file(file_id: str) -> Response:
    """What the file would issue, or every mistake in it by its line."""
    file, report = files.look_into(file_id, current_user.id)
    problems = [(one, language.error_text(one.error, reader_language())) for one in report.problems]
    has_rows = any(one.line > 1 for one in report.problems)
    form = IssueFileForm()
    return page("support/invoices/file.html", file=file, report=report, problems=problems, has_rows=has_rows, form=form)


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
    without_mails = bool(IssueFileForm().without_mails.data)
    report = files.import_file(file_id, current_user.id, mailed=not without_mails)
    if report.problems:
        flash(gettext("Nothing was issued, because something has changed in the meantime."), "error")
        return see_other("support_invoices.file", file_id=file_id)
    count = len(report.issued)
    if without_mails:
        told = ngettext(
            "%(num)d invoice was issued, without e-mail.", "%(num)d invoices were issued, without e-mails.", count
        )
    else:
        told = ngettext("%(num)d invoice was issued.", "%(num)d invoices were issued.", count)
    flash(told, "success")
    return see_other("support_invoices.index")
