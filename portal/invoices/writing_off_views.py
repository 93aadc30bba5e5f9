"""Write-offs at the staff's desk: proposed, decided by a colleague, and reversed."""

from __future__ import annotations

from flask import Response, flash, request
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import db
from portal.core.errors import Conflict, Forbidden, Invalid
from portal.core.permissions import Permission
from portal.identity import queries as people
from portal.invoices import writing_off
from portal.invoices.closing_views import invoice_page, me
from portal.invoices.crediting_views import bp
from portal.invoices.staff_forms import ReasonForm, WriteOffForm
from portal.web import lists
from portal.web.guards import recently_proved, staff_only
from portal.web.pages import page, reader_language, see_other

# The blueprint of the desk's invoices, with these views, too.
__all__ = ["bp"]


@bp.post("/<invoice_id>/write-off")
@staff_only(Permission.CLOSE_INVOICES)
def write_off(invoice_id: str) -> AnyResponse:
    form = WriteOffForm(prefix="write-off-")
    if not form.validate_on_submit():
        return invoice_page(invoice_id, **{"write-off": form})
    try:
        writing_off.propose(invoice_id, me(), reason=form.reason.data or "", client_key=form.key.data or None)
    except (Invalid, Conflict) as error:
        return invoice_page(invoice_id, refused=error, **{"write-off": form})
    flash(gettext("The write-off waits for a colleague, who must approve it."), "info")
    return see_other("support_invoices.show", invoice_id=invoice_id)


@bp.post("/write-offs/<write_off_id>/approval")
@staff_only(Permission.CLOSE_INVOICES)
@recently_proved
def approve_write_off(write_off_id: str) -> AnyResponse:
    invoice_id = _invoice_of(write_off_id)
    try:
        row = writing_off.approve(write_off_id, me())
    except (Invalid, Conflict, Forbidden) as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(
            gettext("%(amount)s is written off.", amount=language.money_text(row.amount, reader_language())), "success"
        )
    return see_other("support_invoices.show", invoice_id=invoice_id)


@bp.post("/write-offs/<write_off_id>/rejection")
@staff_only(Permission.CLOSE_INVOICES)
def reject_write_off(write_off_id: str) -> AnyResponse:
    invoice_id, form = _invoice_of(write_off_id), ReasonForm(prefix=f"reject-{write_off_id}-")
    if not form.validate_on_submit():
        return invoice_page(invoice_id, **{f"reject-{write_off_id}": form})
    try:
        writing_off.reject(write_off_id, me(), form.reason.data or "")
    except (Invalid, Conflict) as error:
        return invoice_page(invoice_id, refused=error, **{f"reject-{write_off_id}": form})
    flash(gettext("This was rejected. Nothing was booked."), "success")
    return see_other("support_invoices.show", invoice_id=invoice_id)


@bp.post("/write-offs/<write_off_id>/reversal")
@staff_only(Permission.CLOSE_INVOICES)
def reverse_write_off(write_off_id: str) -> AnyResponse:
    invoice_id, form = _invoice_of(write_off_id), ReasonForm(prefix=f"reverse-{write_off_id}-")
    if not form.validate_on_submit():
        return invoice_page(invoice_id, **{f"reverse-{write_off_id}": form})
    try:
        row = writing_off.reverse(write_off_id, me(), form.reason.data or "")
    except (Invalid, Conflict) as error:
        return invoice_page(invoice_id, refused=error, **{f"reverse-{write_off_id}": form})
    amount = language.money_text(row.amount, reader_language())
    flash(gettext("%(amount)s is due again.", amount=amount), "success")
    return see_other("support_invoices.show", invoice_id=invoice_id)


def _invoice_of(write_off_id: str) -> str:
    """The id of its invoice. Raises NotFound."""
    with db.reading() as session:
        return writing_off.one(session, write_off_id).invoice_id


@bp.get("/write-offs-for-approval")
@staff_only(Permission.CLOSE_INVOICES)
def write_offs_waiting() -> Response:
    """What colleagues want to write off, and what waits for the reader's second look; the oldest first."""
    with db.reading() as session:
        found = writing_off.page_of_waiting(session, cursor=request.args.get("page"))
        names = people.names(session, (one.proposed_by for one in found.rows))
    return page(
        "support/invoices/write_offs_waiting.html",
        found=found,
        names=names,
        **lists.pager_links("support_invoices.write_offs_waiting", found),
    )
