"""One invoice at the staff's desk: its page, voiding it, and what was paid of it in another way than through Stripe. Credits are
portal.invoices.crediting_views.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import audit, db, four_eyes
from portal.core.errors import N_, Conflict, Forbidden, Invalid
from portal.core.four_eyes import Reviewer
from portal.core.permissions import Permission
from portal.identity import queries as people
from portal.invoices import crediting, outside, queries, service, writing_off
from portal.invoices.issuing_views import bp
from portal.invoices.models import Invoice, InvoiceCredit, OutsidePayment
from portal.invoices.staff_forms import PaidOutsideForm, ReasonForm, WriteOffForm
from portal.invoices.statuses import InvoiceStanding, InvoiceStatus, OutsideStatus
from portal.invoices.write_offs import WriteOff
from portal.web import lists
from portal.web.guards import recently_proved, staff_only
from portal.web.offers import Offer, offer
from portal.web.pages import page, reader_language, see_other

# The blueprint of the desk's invoices, which staff_views makes, with these views.
__all__ = ["bp", "invoice_page"]


@bp.get("/<invoice_id>")
@staff_only(Permission.LOOK_UP)
def show(invoice_id: str) -> Response:
    return invoice_page(invoice_id)


def invoice_page(
    invoice_id: str, *, refused: Invalid | Conflict | Forbidden | None = None, **typed: PaidOutsideForm | ReasonForm
) -> Response:
    """The page with the forms of those who may decide; `typed` are those that were refused, by name: "void", "paid", or an action and a
    record's id.
    """
    with db.reading() as session:
        invoice = queries.for_staff(session, invoice_id)
        standing = queries.standings(session, [invoice])[invoice_id]
        records = queries.outside_payments(session, invoice_id)
        credited = queries.credits_of(session, invoice_id)
        written_off = writing_off.of_invoice(session, invoice_id)
        names = people.names(session, _people(records, credited, written_off))
    audit.record_access(invoice_id, invoice.customer_id, "invoice")
    forms: dict[str, Any] = {
        "void": ReasonForm(formdata=None, prefix="void-"),
        "write-off": _write_off_form(),
        "paid": _paid_form(language.typed_amount(invoice.amount_due, reader_language())),
    } | typed
    status = 200 if not typed else 409 if isinstance(refused, Conflict) else 422
    return page(
        "support/invoices/show.html",
        status=status,
        invoice=invoice,
        standing_now=standing,
        recorded=records,
        credited=credited,
        written_off=written_off,
        names=names,
        forms=forms,
        refused_form=next(iter(typed), ""),
        refused=None if refused is None else language.error_text(refused, reader_language()),
        offers=_offers(invoice, standing.status, records, credited, written_off),
        needs_two=four_eyes.are_needed(invoice.amount_due + _booked(invoice.in_currency(0), records)),
    )


def _offers(
    invoice: Invoice,
    standing: InvoiceStanding,
    records: list[OutsidePayment],
    credited: list[InvoiceCredit],
    written_off: list[WriteOff],
) -> dict[str, Offer]:
    """What closes an invoice, by action: what portal.invoices.service, outside, crediting and writing_off would refuse is not offered."""
    is_open = invoice.status == InvoiceStatus.OPEN
    ways = {
        InvoiceStanding.PROCESSING: N_(
            "The customer’s bank is processing a payment of this invoice. Please wait for the result."
        ),
        InvoiceStanding.UNDER_REVIEW: N_("A payment of this invoice is held for review. Please resolve that first."),
    }
    waits = any(one.status == OutsideStatus.PROPOSED for one in records) and N_(
        "A recorded payment of this invoice waits for its second approval. Please decide about that first."
    )
    void = (invoice.status == InvoiceStatus.VOID and N_("This invoice is void.")) or (
        invoice.status == InvoiceStatus.CREDITED and N_("This invoice is credited in full.")
    )
    void = void or (
        invoice.status == InvoiceStatus.WRITTEN_OFF
        and N_("This invoice is written off. If the money comes after all, reverse the write-off first.")
    )
    credit_waits = any(one.waits for one in credited) and N_(
        "Another credit of this invoice waits for its approval. Please decide about that one first."
    )
    # A record that waits holds the invoice as well: that is no reason against deciding about it.
    is_held_by_record = bool(waits) and standing == InvoiceStanding.UNDER_REVIEW
    under_way = is_open and not is_held_by_record and ways.get(standing)
    return {
        "record": offer(
            N_("Record as paid"),
            Permission.CLOSE_INVOICES,
            invoice.status == InvoiceStatus.PAID and N_("Nothing of this invoice is due any more."),
            void,
            under_way,
            waits,
            len(records) >= outside.MOST_RECORDS and N_("Too many payments of this invoice were recorded."),
        ),
        "void": offer(
            N_("Void invoice"),
            Permission.CLOSE_INVOICES,
            invoice.status == InvoiceStatus.PAID
            and N_(
                "This invoice is paid, so it can no longer be voided. What was paid by card can be refunded on the payment’s page."
            ),
            void,
            invoice.is_partly_paid
            and N_("A part of this invoice is paid. If that is wrong, reverse the recorded payment first."),
            is_open
            and invoice.credited_minor > 0
            and N_("A part of this invoice is credited. Please credit the rest."),
            under_way,
            waits,
        ),
        "credit": offer(
            N_("Credit invoice"),
            Permission.CLOSE_INVOICES,
            invoice.status == InvoiceStatus.PAID
            and N_(
                "This invoice is paid. Refund the payment on its page: the refund issues the credit note. What was paid in another way "
                "goes back in that way."
            ),
            void,
            under_way,
            waits,
            credit_waits,
            len(credited) >= crediting.MOST_CREDITS and N_("Too many credits of this invoice were made."),
        ),
        "write_off": offer(
            N_("Write off"),
            Permission.CLOSE_INVOICES,
            invoice.status == InvoiceStatus.PAID and N_("Nothing of this invoice is due any more."),
            void,
            under_way,
            waits,
            credit_waits,
            any(one.waits for one in written_off) and N_("This invoice waits to be written off already."),
            len(written_off) >= writing_off.MOST_WRITE_OFFS and N_("This invoice was written off too often."),
        ),
        "book_write_off": offer(
            N_("Approve the write-off"), Permission.CLOSE_INVOICES, void, under_way, waits, credit_waits
        ),
        "book_credit": offer(N_("Approve the credit"), Permission.CLOSE_INVOICES, void, under_way, waits),
        "again": offer(
            N_("Issue again with the same lines"),
            Permission.ISSUE_INVOICES,
            invoice.customer.deactivated_at is not None and N_("This customer is deactivated, and gets no invoice."),
        ),
        "book": offer(N_("Approve or reverse"), Permission.CLOSE_INVOICES, under_way),
        "reject": offer(N_("Reject"), Permission.CLOSE_INVOICES),
    }


def _booked(nothing: Any, records: list[OutsidePayment]) -> Any:
    return sum((one.amount for one in records if one.is_booked), nothing)


def _people(
    records: list[OutsidePayment], credited: list[InvoiceCredit], written_off: list[WriteOff]
) -> set[str | None]:
    recorded = {
        person for one in records for person in (one.recorded_by, one.decided_by, one.reversal_by, one.reversed_by)
    }
    recorded |= {person for one in credited for person in (one.proposed_by, one.decided_by)}
    return recorded | {person for one in written_off for person in (one.proposed_by, one.decided_by, one.reversed_by)}


def _paid_form(amount: str) -> PaidOutsideForm:
    form = PaidOutsideForm(formdata=None, prefix="paid-")
    form.key.data, form.amount_text.data = secrets.token_urlsafe(24), amount
    return form


def _write_off_form() -> WriteOffForm:
    form = WriteOffForm(formdata=None, prefix="write-off-")
    form.key.data = secrets.token_urlsafe(24)
    return form


def me() -> Reviewer:
    return Reviewer(current_user.id, current_user.role)


@bp.post("/<invoice_id>/void")
@staff_only(Permission.CLOSE_INVOICES)
def void(invoice_id: str) -> AnyResponse:
    form = ReasonForm(prefix="void-")
    if not form.validate_on_submit():
        return invoice_page(invoice_id, void=form)
    try:
        withdrawn = service.void(invoice_id, form.reason.data or "")
    except (Invalid, Conflict) as error:
        return invoice_page(invoice_id, refused=error, void=form)
    flash(gettext("Invoice %(number)s is void.", number=withdrawn.number), "success")
    return see_other("support_invoices.show", invoice_id=invoice_id)


@bp.post("/<invoice_id>/outside-payment")
@staff_only(Permission.CLOSE_INVOICES)
def record_outside_payment(invoice_id: str) -> AnyResponse:
    form = PaidOutsideForm(prefix="paid-")
    with db.reading() as session:
        form.currency = queries.for_staff(session, invoice_id).currency
    if not form.validate_on_submit() or form.paid_on.data is None:
        return invoice_page(invoice_id, paid=form)
    try:
        row = outside.record(
            invoice_id,
            me(),
            paid_on=form.paid_on.data,
            how=form.how.data,
            reference=form.reference.data or "",
            reason=form.reason.data or "",
            client_key=form.key.data or "",
            amount=form.amount,
        )
    except (Invalid, Conflict) as error:
        return invoice_page(invoice_id, refused=error, paid=form)
    amount = language.money_text(row.amount, reader_language())
    if row.waits:
        flash(gettext("%(amount)s waits for a colleague, who must approve it.", amount=amount), "info")
    else:
        flash(gettext("%(amount)s is recorded as paid.", amount=amount), "success")
    return see_other("support_invoices.show", invoice_id=invoice_id)


@bp.post("/outside-payments/<record_id>/approval")
@staff_only(Permission.CLOSE_INVOICES)
@recently_proved
def approve_outside_payment(record_id: str) -> AnyResponse:
    try:
        row = outside.approve(record_id, me())
    except (Invalid, Conflict, Forbidden) as error:
        with db.reading() as session:
            invoice_id = queries.outside_payment(session, record_id).invoice_id
        flash(language.error_text(error, reader_language()), "error")
        return see_other("support_invoices.show", invoice_id=invoice_id)
    amount = language.money_text(row.amount, reader_language())
    if row.status == OutsideStatus.REVERSED:
        flash(gettext("%(amount)s is reversed, and due again.", amount=amount), "success")
    else:
        flash(gettext("%(amount)s is recorded as paid.", amount=amount), "success")
    return see_other("support_invoices.show", invoice_id=row.invoice_id)


@bp.post("/outside-payments/<record_id>/rejection")
@staff_only(Permission.CLOSE_INVOICES)
def reject_outside_payment(record_id: str) -> AnyResponse:
    form, invoice_id = _reason_form("reject", record_id)
    if not form.validate_on_submit():
        return invoice_page(invoice_id, **{f"reject-{record_id}": form})
    try:
        outside.reject(record_id, me(), form.reason.data or "")
    except (Invalid, Conflict) as error:
        return invoice_page(invoice_id, refused=error, **{f"reject-{record_id}": form})
    flash(gettext("This was rejected. Nothing was booked."), "success")
    return see_other("support_invoices.show", invoice_id=invoice_id)


@bp.post("/outside-payments/<record_id>/reversal")
@staff_only(Permission.CLOSE_INVOICES)
def reverse_outside_payment(record_id: str) -> AnyResponse:
    form, invoice_id = _reason_form("reverse", record_id)
    if not form.validate_on_submit():
        return invoice_page(invoice_id, **{f"reverse-{record_id}": form})
    try:
        row = outside.reverse(record_id, me(), form.reason.data or "")
    except (Invalid, Conflict) as error:
        return invoice_page(invoice_id, refused=error, **{f"reverse-{record_id}": form})
    amount = language.money_text(row.amount, reader_language())
    if row.waits:
        flash(gettext("The reversal of %(amount)s waits for a colleague, who must approve it.", amount=amount), "info")
    else:
        flash(gettext("%(amount)s is reversed, and due again.", amount=amount), "success")
    return see_other("support_invoices.show", invoice_id=invoice_id)


def _reason_form(action: str, record_id: str) -> tuple[ReasonForm, str]:
    """The form of one record, whose fields are named after it, and the id of its invoice. Raises NotFound."""
    with db.reading() as session:
        invoice_id = queries.outside_payment(session, record_id).invoice_id
    return ReasonForm(prefix=f"{action}-{record_id}-"), invoice_id


@bp.get("/second-approvals")
@staff_only(Permission.CLOSE_INVOICES)
def second_approvals() -> Response:
    """What colleagues have recorded or want to reverse, and what waits for the reader's second look; the oldest first."""
    with db.reading() as session:
        found = queries.page_of_waiting(session, cursor=request.args.get("page"))
        names = people.names(session, (one.proposed_by for one in found.rows))
    return page(
        "support/invoices/second_approvals.html",
        found=found,
        names=names,
        **lists.pager_links("support_invoices.second_approvals", found),
    )
