"""Everyone's payments, as staff list them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, String, and_, bindparam, func, or_, select
from sqlalchemy.orm import joinedload, load_only

from portal.accounts import queries as accounts
from portal.accounts.models import Customer
from portal.core import texts
from portal.core.db import inline_literals
from portal.core.errors import N_
from portal.core.listing import Listing, Narrowing, TextForm, exactly, row_by_row
from portal.core.permissions import Permission
from portal.invoices.models import Invoice
from portal.payments import queries
from portal.payments.models import Payment
from portal.payments.statuses import FINAL, PaymentStatus
from portal.web.staff_lists import Choice, Column, StaffList

_FOUR_DIGITS: Final = re.compile(r"[0-9]{4}")
_INVOICE_NUMBER: Final = re.compile(r"[A-Z]{1,4}-[A-Z0-9]{4}-[0-9]+")


def _moves() -> ColumnElement[bool]:
    return ~inline_literals(Payment.status, FINAL)


def _is(status: PaymentStatus) -> ColumnElement[bool]:
    return Payment.status == status


def _is_unfinished() -> ColumnElement[bool]:
    """As queries.has_public_status has it."""
    return and_(row_by_row(Payment.status).in_(sorted(queries.STATUS_GROUPS["unfinished"])), ~Payment.is_unanswered)


_STATUSES: Final = {
    "succeeded": Narrowing(within=partial(_is, PaymentStatus.SUCCEEDED), also_of_customer=True),
    "processing": Narrowing(within=_moves, besides=partial(queries.has_public_status, "processing")),
    "unfinished": Narrowing(within=_moves, besides=_is_unfinished),
    "canceled": Narrowing(within=partial(_is, PaymentStatus.CANCELED), also_of_customer=True),
}


def _last4(typed: str) -> Mapping[str, object] | None:
    return {"text": typed} if _FOUR_DIGITS.fullmatch(typed) else None


def _invoice_number(typed: str) -> Mapping[str, object] | None:
    return {"text": typed.upper()} if _INVOICE_NUMBER.fullmatch(typed.upper()) else None


def _words(typed: str) -> Mapping[str, object]:
    return {"text": texts.fold(typed)}


def _has_id(_dialect: str) -> ColumnElement[bool]:
    named = bindparam("text", type_=String)
    return or_(Payment.id == named, Payment.stripe_intent_id == named, Payment.stripe_charge_id == named)


def _has_last4(_dialect: str) -> ColumnElement[bool]:
    return Payment.card_last4 == bindparam("text")


def _is_of_invoice(_dialect: str) -> ColumnElement[bool]:
    invoice = select(Invoice.id).where(Invoice.number == bindparam("text"))
    return queries.is_of_invoice(invoice.scalar_subquery())


def _holds_words(dialect: str) -> ColumnElement[bool]:
    position = func.strpos if dialect == "postgresql" else func.instr
    return position(Payment.search_text, bindparam("text")) > 0


_SHOWN: Final = (
    *(Payment.id, Payment.customer_id, Payment.description, Payment.created_at, Payment.amount_minor, Payment.currency),
    *(
        Payment.method_kind,
        Payment.card_brand,
        Payment.card_last4,
        Payment.status,
        Payment.is_unanswered,
        Payment.failure_code,
    ),
    Payment.stripe_intent_id,
)

LISTING: Final[Listing[Payment]] = Listing(
    row_id=Payment.id,
    moment=Payment.created_at,
    customer=Payment.customer_id,
    currency=Payment.currency,
    amount=Payment.amount_minor,
    ordered_by_amount=True,
    choices={"status": _STATUSES},
    texts=(
        TextForm(exactly, _has_id),
        TextForm(_last4, _has_last4),
        TextForm(_invoice_number, _is_of_invoice),
        TextForm(_words, _holds_words, is_few=False),
    ),
    options=(
        load_only(*_SHOWN, raiseload=True),
        joinedload(Payment.customer).load_only(Customer.id, Customer.name),
    ),
)


def _shown_status(payment: Payment, shown: Any) -> str:
    return str(shown[payment.id])


LIST: Final = StaffList(
    name="payments",
    title=N_("Payments"),
    position=20,
    endpoint="support_payments.index",
    csv_endpoint="support_payments.csv",
    permission=Permission.LOOK_UP,
    listing=LISTING,
    columns=(
        Column("payment", N_("Payment"), lambda payment, _: payment.description, place="title"),
        Column("customer", N_("Customer"), lambda payment, _: payment.customer.name, place="detail"),
        Column("date", N_("Date"), lambda payment, _: payment.created_at, "moment"),
        Column("card", N_("Payment method"), lambda payment, _: payment.method_words, "card"),
        Column("status", N_("Status"), _shown_status, "payment", place="state"),
        Column("amount", N_("Amount"), lambda payment, _: payment.amount, "money", place="number"),
        Column("id", N_("ID"), lambda payment, _: payment.id, "id"),
        Column("stripe_id", N_("ID at Stripe"), lambda payment, _: payment.stripe_intent_id, "more_id"),
    ),
    open=lambda payment: ("support_payments.show", {"payment_id": payment.id}),
    search_label=N_("Invoice, description, card or ID"),
    choices=(Choice("status", N_("Status"), N_("Any status"), "payment"),),
    facts_of=queries.shown_statuses,
    customers=accounts.fitting,
)
