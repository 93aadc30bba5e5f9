"""All refunds, whatever has become of them, as staff list them; what waits for a decision stands in the queue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, String, and_, bindparam, func, or_, select
from sqlalchemy.orm import joinedload

from portal.accounts import queries as accounts
from portal.accounts.models import Customer
from portal.core.db import inline_literals
from portal.core.errors import N_
from portal.core.listing import Listing, Narrowing, TextForm, exactly, row_by_row
from portal.core.permissions import Permission
from portal.invoices.models import Invoice
from portal.payments.models import Payment
from portal.refunds.models import Refund
from portal.refunds.policy import RefundReason
from portal.refunds.statuses import FREED, UNDECIDED, RefundStatus
from portal.web.staff_lists import Choice, Column, StaffList

_INVOICE_NUMBER: Final = re.compile(r"[A-Z]{1,4}-[A-Z0-9]{4}-[0-9]+")


def _is(status: RefundStatus) -> ColumnElement[bool]:
    return Refund.status == status


def _is_by_row(status: RefundStatus) -> ColumnElement[bool]:
    found: ColumnElement[bool] = row_by_row(Refund.status) == status
    return found


def _undecided() -> ColumnElement[bool]:
    return inline_literals(Refund.status, UNDECIDED)


def _freed(status: RefundStatus) -> ColumnElement[bool]:
    return and_(inline_literals(Refund.status, FREED), _is(status))


def _of(status: RefundStatus) -> Narrowing:
    """Statuses that are rare have small indexes of their own; most have succeeded, and what is under way is among the newest."""
    if status in UNDECIDED:
        return Narrowing(within=_undecided, besides=partial(_is_by_row, status))
    if status in FREED:
        return Narrowing(within=partial(_freed, status))
    return Narrowing(besides=partial(_is_by_row, status))


def _because(reason: RefundReason) -> ColumnElement[bool]:
    found: ColumnElement[bool] = row_by_row(Refund.reason) == reason
    return found


def _invoice_number(typed: str) -> Mapping[str, object] | None:
    return {"text": typed.upper()} if _INVOICE_NUMBER.fullmatch(typed.upper()) else None


def _words(typed: str) -> Mapping[str, object]:
    return {"text": typed.lower()}


def _has_id(_dialect: str) -> ColumnElement[bool]:
    named = bindparam("text", type_=String)
    return or_(Refund.id == named, Refund.stripe_refund_id == named, Refund.payment_id == named)


def _is_of_invoice(_dialect: str) -> ColumnElement[bool]:
    invoice = select(Invoice.id).where(Invoice.number == bindparam("text")).scalar_subquery()
    return Refund.invoice_id == invoice


def _holds_words(dialect: str) -> ColumnElement[bool]:
    position = func.strpos if dialect == "postgresql" else func.instr
    return position(func.lower(Refund.explanation), bindparam("text")) > 0


LISTING: Final[Listing[Refund]] = Listing(
    row_id=Refund.id,
    moment=Refund.asked_at,
    customer=Refund.customer_id,
    currency=Refund.currency,
    amount=Refund.amount_minor,
    choices={
        "status": {str(status): _of(status) for status in RefundStatus},
        "reason": {str(reason): Narrowing(besides=partial(_because, reason)) for reason in RefundReason},
    },
    texts=(
        TextForm(exactly, _has_id),
        TextForm(_invoice_number, _is_of_invoice),
        TextForm(_words, _holds_words, is_few=False),
    ),
    options=(
        joinedload(Refund.customer).load_only(Customer.id, Customer.name),
        joinedload(Refund.payment).load_only(Payment.id, Payment.description),
    ),
)

LIST: Final = StaffList(
    name="refunds",
    title=N_("Refunds"),
    position=50,
    endpoint="support_refund_list.index",
    csv_endpoint="support_refund_list.csv",
    permission=Permission.LOOK_UP,
    listing=LISTING,
    columns=(
        Column("payment", N_("Payment"), lambda refund, _: refund.payment.description, place="title"),
        Column("customer", N_("Customer"), lambda refund, _: refund.customer.name, place="detail"),
        Column("requested", N_("Requested"), lambda refund, _: refund.asked_at, "moment"),
        Column("reason", N_("Reason"), lambda refund, _: refund.reason, "refund_reason"),
        Column("status", N_("Status"), lambda refund, _: refund.status, "refund", place="state"),
        Column("amount", N_("Amount"), lambda refund, _: refund.amount, "money", place="number"),
        Column("id", N_("ID"), lambda refund, _: refund.id, "id"),
        Column("stripe_id", N_("ID at Stripe"), lambda refund, _: refund.stripe_refund_id, "more_id"),
    ),
    open=lambda refund: ("support_refunds.show", {"refund_id": refund.id}),
    search_label=N_("Invoice, the customer’s words or ID"),
    choices=(
        Choice("status", N_("Status"), N_("Any status"), "refund"),
        Choice("reason", N_("Reason"), N_("Any reason"), "refund_reason"),
    ),
    customers=accounts.fitting,
)
