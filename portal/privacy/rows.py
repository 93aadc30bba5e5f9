"""The rows of a table that belong to a customer, by the inventory alone."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, select

from portal.core.db import Base
from portal.privacy.held import Held
from portal.privacy.inventory import BY_TABLE


@cache
def table_of(held: Held) -> Table:
    """Raises KeyError for a table that the database does not have."""
    return Base.metadata.tables[held.table]


@cache
def belongs(held: Held) -> ColumnElement[bool]:
    """The condition that a row is the :customer's. Raises ValueError for a table that has no owners."""
    if not held.by:
        raise ValueError(f"{held.table} has no owners")
    column = table_of(held).c[held.by]
    if held.by in {"id", "customer_id"}:
        return column == bindparam("customer")
    (above,) = column.foreign_keys
    owner = BY_TABLE[above.column.table.name]
    return column.in_(select(above.column).where(belongs(owner)))


def key_of(table: Table) -> tuple[Any, ...]:
    """The columns of its primary key, which its rows are read in the order of."""
    return tuple(table.primary_key.columns)
