"""Everyone's invoices, as staff list them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, bindparam, func, or_
from sqlalchemy.orm import joinedload

from portal.accounts import queries as accounts
from portal.accounts.models import Customer
from portal.core import texts
from portal.core.errors import N_
from portal.core.listing import Listing, Narrowing, TextForm, beginning, begins, exactly, row_by_row
from portal.core.permissions import Permission
from portal.invoices import queries
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStanding, InvoiceStatus
from portal.web.staff_lists import Choice, Column, StaffList

# So much of a number leaves a thousand invoices at most, where it has six digits as it mostly has.
_MOST_OF_A_NUMBER: Final = re.compile(r"[A-Z]{1,4}-[A-Z0-9]{4}-[0-9]{3,}")
_A_NUMBER: Final = re.compile(r"[A-Z]{1,4}-[A-Z0-9-]*")


def _is(status: InvoiceStatus) -> ColumnElement[bool]:
    return Invoice.status == status


def _is_late() -> ColumnElement[bool]:
    found: ColumnElement[bool] = row_by_row(Invoice.due_on) < bindparam("today")
    return found


_STATUSES: Final = {
    str(InvoiceStatus.OPEN): Narrowing(within=partial(_is, InvoiceStatus.OPEN), also_of_customer=True),
    str(InvoiceStanding.OVERDUE): Narrowing(
        within=partial(_is, InvoiceStatus.OPEN), besides=_is_late, also_of_customer=True
    ),
    str(InvoiceStatus.PAID): Narrowing(within=partial(_is, InvoiceStatus.PAID), also_of_customer=True),
    str(InvoiceStatus.CREDITED): Narrowing(within=partial(_is, InvoiceStatus.CREDITED), also_of_customer=True),
    str(InvoiceStatus.WRITTEN_OFF): Narrowing(within=partial(_is, InvoiceStatus.WRITTEN_OFF), also_of_customer=True),
    str(InvoiceStatus.VOID): Narrowing(within=partial(_is, InvoiceStatus.VOID), also_of_customer=True),
}


def _few_by_number(typed: str) -> Mapping[str, object] | None:
    return beginning(typed) if _MOST_OF_A_NUMBER.fullmatch(typed.upper()) else None


def _by_number(typed: str) -> Mapping[str, object] | None:
    return beginning(typed) if _A_NUMBER.fullmatch(typed.upper()) else None


def _words(typed: str) -> Mapping[str, object]:
    return {"text": texts.fold(typed)}


def _has_id(_dialect: str) -> ColumnElement[bool]:
    return Invoice.id == bindparam("text")


def _number_begins(_dialect: str) -> ColumnElement[bool]:
    return begins(Invoice.number)


def _reference_holds(dialect: str) -> ColumnElement[bool]:
    position = func.strpos if dialect == "postgresql" else func.instr
    looked_at = (Invoice.reference_folded, Invoice.external_reference_folded)
    return or_(*(position(column, bindparam("text")) > 0 for column in looked_at))


LISTING: Final[Listing[Invoice]] = Listing(
    row_id=Invoice.id,
    moment=Invoice.created_at,
    customer=Invoice.customer_id,
    currency=Invoice.currency,
    amount=Invoice.total_minor,
    ordered_by_amount=True,
    choices={"status": _STATUSES},
    texts=(
        TextForm(exactly, _has_id),
        TextForm(_few_by_number, _number_begins),
        TextForm(_by_number, _number_begins, is_few=False),
        TextForm(_words, _reference_holds, is_few=False),
    ),
    options=(joinedload(Invoice.customer).load_only(Customer.id, Customer.name),),
)

LIST: Final = StaffList(
    name="invoices",
    title=N_("Invoices"),
    position=30,
    endpoint="support_invoices.index",
    csv_endpoint="support_invoices.csv",
    permission=Permission.LOOK_UP,
    listing=LISTING,
    columns=(
        Column("number", N_("Invoice"), lambda invoice, _: invoice.number, place="title"),
        Column("customer", N_("Customer"), lambda invoice, _: invoice.customer.name, place="detail"),
        Column("reference", N_("Reference"), lambda invoice, _: invoice.reference),
        Column("issued", N_("Issued"), lambda invoice, _: invoice.issued_on, "day"),
        Column("due", N_("Due"), lambda invoice, _: invoice.due_on, "day"),
        Column("status", N_("Status"), lambda invoice, standings: standings[invoice.id], "standing", place="state"),
        Column("amount", N_("Amount"), lambda invoice, _: invoice.total, "money", place="number"),
        Column("credited", N_("Credited"), lambda invoice, _: invoice.amount_credited, "money"),
        Column("amount_due", N_("Amount due"), lambda invoice, _: invoice.amount_due, "money"),
        Column("id", N_("ID"), lambda invoice, _: invoice.id, "id"),
    ),
    open=lambda invoice: ("support_invoices.show", {"invoice_id": invoice.id}),
    search_label=N_("Number or reference"),
    choices=(Choice("status", N_("Status"), N_("Any status"), "invoice"),),
    facts_of=queries.standings,
    customers=accounts.fitting,
    side="support/invoices/list_side.html",
)
