"""Payouts to the bank, as they are listed, each with the sums of the lines that it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam

from portal.books import queries
from portal.core.errors import N_
from portal.core.listing import Listing, Narrowing, TextForm, exactly, row_by_row
from portal.core.permissions import Permission
from portal.reconciliation.models import StripePayout
from portal.web.staff_lists import Choice, Column, StaffList

# Stripe's words. Source: the API reference, "The Payout object".
STATUSES: Final = ("pending", "in_transit", "paid", "failed", "canceled")


def _is(status: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = row_by_row(StripePayout.status) == status
    return found


def _has_id(_dialect: str) -> ColumnElement[bool]:
    return StripePayout.id == bindparam("text")


def _part(lines: Mapping[str, queries.PayoutLines], payout: StripePayout, name: str) -> Any:
    """None as long as its lines are not known."""
    return getattr(lines.get(payout.id), name, None)


LISTING: Final[Listing[StripePayout]] = Listing(
    row_id=StripePayout.id,
    moment=StripePayout.created_at,
    currency=StripePayout.currency,
    amount=StripePayout.amount_minor,
    choices={"status": {status: Narrowing(besides=partial(_is, status)) for status in STATUSES}},
    texts=(TextForm(exactly, _has_id),),
)

LIST: Final = StaffList(
    name="payouts",
    title=N_("Payouts"),
    position=70,
    endpoint="books.payouts",
    csv_endpoint="books.payouts_csv",
    permission=Permission.VIEW_BOOKS,
    listing=LISTING,
    columns=(
        Column("date", N_("Date"), lambda payout, _: payout.created_at, "moment", place="title"),
        Column("arrives", N_("At the bank"), lambda payout, _: payout.arrives_at, "moment", place="detail"),
        Column("reference", N_("Bank reference"), lambda payout, _: payout.bank_reference),
        Column("lines", N_("Lines"), lambda payout, lines: _part(lines, payout, "number"), "number"),
        Column("gross", N_("Amount before fees"), lambda payout, lines: _part(lines, payout, "amount"), "money"),
        Column("fees", N_("Fees"), lambda payout, lines: _part(lines, payout, "fees"), "money"),
        Column("status", N_("Status"), lambda payout, _: payout.status, "payout", place="state"),
        Column("amount", N_("Paid out"), lambda payout, _: payout.amount, "money", place="number"),
        Column("id", N_("ID at Stripe"), lambda payout, _: payout.id, "id"),
    ),
    open=lambda payout: ("books.transactions", {"subject": payout.id}),
    search_label=N_("ID at Stripe"),
    choices=(Choice("status", N_("Status"), N_("Any status"), "payout"),),
    facts_of=queries.lines_of_payouts,
)
