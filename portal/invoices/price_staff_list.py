"""The price list, as staff list it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, bindparam, func

from portal.core import texts
from portal.core.errors import N_
from portal.core.listing import Listing, Narrowing, TextForm, exactly, row_by_row
from portal.core.permissions import Permission
from portal.invoices.models import PriceItem
from portal.invoices.statuses import PriceItemStatus
from portal.web.staff_lists import Choice, Column, StaffList


def _is(status: PriceItemStatus) -> ColumnElement[bool]:
    return PriceItem.status == status


def _is_of(kind: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = row_by_row(PriceItem.supplies) == kind
    return found


def _words(typed: str) -> Mapping[str, object]:
    return {"text": texts.fold(typed)}


def _has_id(_dialect: str) -> ColumnElement[bool]:
    return PriceItem.id == bindparam("text")


def _name_holds(dialect: str) -> ColumnElement[bool]:
    position = func.strpos if dialect == "postgresql" else func.instr
    found: ColumnElement[bool] = position(PriceItem.name_folded, bindparam("text")) > 0
    return found


# Without amounts: what prices come to means nothing.
LISTING: Final[Listing[PriceItem]] = Listing(
    row_id=PriceItem.id,
    moment=PriceItem.created_at,
    choices={
        "status": {str(status): Narrowing(within=partial(_is, status)) for status in PriceItemStatus},
        "supplies": {kind: Narrowing(besides=partial(_is_of, kind)) for kind in ("goods", "services")},
    },
    texts=(TextForm(exactly, _has_id), TextForm(_words, _name_holds, is_few=False)),
)

PRICE_LIST: Final = StaffList(
    name="price_list",
    title=N_("Price list"),
    position=35,
    endpoint="support_price_list.index",
    csv_endpoint="support_price_list.csv",
    permission=Permission.ISSUE_INVOICES,
    listing=LISTING,
    columns=(
        Column("name", N_("Name"), lambda item, _: item.name, place="title"),
        Column("description", N_("Description"), lambda item, _: item.description, place="detail"),
        Column("unit", N_("Unit"), lambda item, _: item.unit, "unit"),
        Column("unit_price", N_("Unit price"), lambda item, _: item.unit_price, "money", place="number"),
        Column("tax_rate", N_("Tax rate"), lambda item, _: item.tax_rate, "percent"),
        Column("supplies", N_("Goods or services"), lambda item, _: item.supplies, "supplies"),
        Column("status", N_("Status"), lambda item, _: item.status, "price_item", place="state"),
        Column("id", N_("ID"), lambda item, _: item.id, "id"),
    ),
    open=lambda item: ("support_price_list.show", {"item_id": item.id}),
    search_label=N_("Name or ID"),
    choices=(
        Choice("status", N_("Status"), N_("Any status"), "price_item", standard=PriceItemStatus.ACTIVE),
        Choice("supplies", N_("Goods or services"), N_("Goods and services"), "supplies"),
    ),
    side="support/price_list/list_side.html",
)
