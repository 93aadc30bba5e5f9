"""Credits of invoices that are not paid, at the staff's desk: what is credited, and a colleague's approval of it."""

from __future__ import annotations

import secrets

from flask import Response, flash, request
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import audit, db, four_eyes
from portal.core.errors import Conflict, Forbidden, Invalid
from portal.core.permissions import Permission
from portal.identity import queries as people
from portal.invoices import credit_lines, crediting, queries
from portal.invoices.closing_views import bp, invoice_page, me
from portal.invoices.models import InvoiceCredit
from portal.invoices.staff_forms import CreditForm, ReasonForm
from portal.invoices.statuses import CreditStatus, InvoiceStatus
from portal.web import lists
from portal.web.guards import recently_proved, staff_only
from portal.web.pages import page, reader_language, see_other

# The blueprint of the desk's invoices, with these views, too.
__all__ = ["bp"]


@bp.get("/<invoice_id>/credits/new")
@staff_only(Permission.CLOSE_INVOICES)
def new_credit(invoice_id: str) -> AnyResponse:
    """What to credit of an invoice. The page of one of which nothing is due says why there is nothing to credit."""
    with db.reading() as session:
        invoice = queries.for_staff(session, invoice_id)
    if invoice.status != InvoiceStatus.OPEN:
        return see_other("support_invoices.show", invoice_id=invoice_id)
    form = CreditForm(formdata=None, lines=[{} for _ in invoice.lines])
    form.key.data = secrets.token_urlsafe(24)
    return _form_page(invoice_id, form)


def _form_page(invoice_id: str, form: CreditForm, refused: Invalid | Conflict | None = None) -> Response:
    with db.reading() as session:
        invoice = queries.for_staff(session, invoice_id)
        earlier = queries.credits_of(session, invoice_id)
    audit.record_access(invoice_id, invoice.customer_id, "invoice")
    booked = [one for one in earlier if one.status == CreditStatus.CREDITED]
    lines = [line for one in booked for line in crediting.lines_of(one)]
    status = 409 if isinstance(refused, Conflict) else 422 if refused or form.errors else 200
    return page(
        "support/invoices/credit.html",
        status=status,
        invoice=invoice,
        form=form,
        rests=credit_lines.rests(invoice.lines, lines),
        refused=None if refused is None else language.error_text(refused, reader_language()),
        needs_two=four_eyes.are_needed(invoice.amount_due + invoice.amount_credited),
    )


@bp.post("/<invoice_id>/credits")
@staff_only(Permission.CLOSE_INVOICES)
def credit(invoice_id: str) -> AnyResponse:
    form = CreditForm()
    with db.reading() as session:
        invoice = queries.for_staff(session, invoice_id)
    form.currency = invoice.currency
    while len(form.lines) < len(invoice.lines):
        form.lines.append_entry({})
    if not form.validate_on_submit():
        return _form_page(invoice_id, form)
    try:
        row = crediting.credit(
            invoice_id, me(), reason=form.reason.data or "", lines=form.wanted, client_key=form.key.data or ""
        )
    except (Invalid, Conflict) as error:
        return _form_page(invoice_id, form, error)
    _tell(row)
    return see_other("support_invoices.show", invoice_id=invoice_id)


def _tell(row: InvoiceCredit) -> None:
    amount = language.money_text(row.amount, reader_language())
    if row.waits:
        flash(gettext("The credit of %(amount)s waits for a colleague, who must approve it.", amount=amount), "info")
    else:
        flash(gettext("%(amount)s is credited. The credit note is sent to the customer.", amount=amount), "success")


@bp.post("/credits/<credit_id>/approval")
@staff_only(Permission.CLOSE_INVOICES)
@recently_proved
def approve_credit(credit_id: str) -> AnyResponse:
    try:
        row = crediting.approve(credit_id, me())
    except (Invalid, Conflict, Forbidden) as error:
        with db.reading() as session:
            invoice_id = queries.credit(session, credit_id).invoice_id
        flash(language.error_text(error, reader_language()), "error")
        return see_other("support_invoices.show", invoice_id=invoice_id)
    _tell(row)
    return see_other("support_invoices.show", invoice_id=row.invoice_id)


@bp.post("/credits/<credit_id>/rejection")
@staff_only(Permission.CLOSE_INVOICES)
def reject_credit(credit_id: str) -> AnyResponse:
    with db.reading() as session:
        invoice_id = queries.credit(session, credit_id).invoice_id
    form = ReasonForm(prefix=f"reject-{credit_id}-")
    if not form.validate_on_submit():
        return invoice_page(invoice_id, **{f"reject-{credit_id}": form})
    try:
        crediting.reject(credit_id, me(), form.reason.data or "")
    except (Invalid, Conflict) as error:
        return invoice_page(invoice_id, refused=error, **{f"reject-{credit_id}": form})
    flash(gettext("This was rejected. Nothing was booked."), "success")
    return see_other("support_invoices.show", invoice_id=invoice_id)


@bp.get("/credits-for-approval")
@staff_only(Permission.CLOSE_INVOICES)
def credits_waiting() -> Response:
    """What colleagues want to credit, and what waits for the reader's second look; the oldest first."""
    with db.reading() as session:
        found = queries.page_of_credits_waiting(session, cursor=request.args.get("page"))
        names = people.names(session, (one.proposed_by for one in found.rows))
    return page(
        "support/invoices/credits_waiting.html",
        found=found,
        names=names,
        **lists.pager_links("support_invoices.credits_waiting", found),
    )
