"""All disputes, as staff list them: those that are open by their deadlines, or any others."""

from __future__ import annotations

from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, String, bindparam, or_
from sqlalchemy.orm import joinedload

from portal.accounts import queries as accounts
from portal.accounts.models import Customer
from portal.core.errors import N_
from portal.core.listing import Listing, Narrowing, Sort, TextForm, exactly, row_by_row
from portal.core.permissions import Permission
from portal.disputes import queries
from portal.disputes.models import NO_DEADLINE, Dispute
from portal.disputes.statuses import DisputeStatus
from portal.web.staff_lists import Choice, Column, StaffList


def _is(status: DisputeStatus) -> ColumnElement[bool]:
    found: ColumnElement[bool] = row_by_row(Dispute.status) == status
    return found


def _has_id(_dialect: str) -> ColumnElement[bool]:
    named = bindparam("text", type_=String)
    return or_(Dispute.id == named, Dispute.stripe_dispute_id == named, Dispute.payment_id == named)


LISTING: Final[Listing[Dispute]] = Listing(
    row_id=Dispute.id,
    moment=Dispute.created_at,
    customer=Dispute.customer_id,
    currency=Dispute.currency,
    amount=Dispute.amount_minor,
    deadline=Dispute.deadline,
    choices={
        "state": {
            "open": Narrowing(within=queries.is_open, sort=Sort.DUE),
            "closed": Narrowing(within=queries.is_closed),
            "all": Narrowing(),
        },
        "status": {str(status): Narrowing(besides=partial(_is, status)) for status in DisputeStatus},
    },
    texts=(TextForm(exactly, _has_id),),
    options=(joinedload(Dispute.customer).load_only(Customer.id, Customer.name),),
)

LIST: Final = StaffList(
    name="disputes",
    title=N_("Disputes"),
    position=60,
    endpoint="support_disputes.index",
    csv_endpoint="support_disputes.csv",
    permission=Permission.LOOK_UP,
    listing=LISTING,
    columns=(
        Column("customer", N_("Customer"), lambda dispute, _: dispute.customer.name, place="title"),
        Column("reason", N_("Reason"), lambda dispute, _: dispute.reason, "dispute_reason", place="detail"),
        Column("opened", N_("Opened"), lambda dispute, _: dispute.created_at, "day"),
        Column(
            "deadline",
            N_("Evidence due"),
            lambda dispute, _: dispute.deadline if dispute.is_open and dispute.deadline != NO_DEADLINE else None,
            "moment",
        ),
        Column("closed", N_("Closed"), lambda dispute, _: dispute.closed_at, "day"),
        Column("status", N_("Status"), lambda dispute, _: dispute.status, "dispute", place="state"),
        Column("amount", N_("Amount"), lambda dispute, _: dispute.amount, "money", place="number"),
        Column("id", N_("ID"), lambda dispute, _: dispute.id, "id"),
        Column("stripe_id", N_("ID at Stripe"), lambda dispute, _: dispute.stripe_dispute_id, "more_id"),
    ),
    open=lambda dispute: ("support_disputes.show", {"dispute_id": dispute.id}),
    search_label=N_("ID of a dispute or payment"),
    choices=(
        Choice("state", N_("Open or closed"), "", "dispute_state", standard="open"),
        Choice("status", N_("Status"), N_("Any status"), "dispute"),
    ),
    customers=accounts.fitting,
)
