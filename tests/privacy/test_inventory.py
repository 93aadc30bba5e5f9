"""Nothing about a person is kept without a decision: every table and every text of the database stands in the inventory."""

from __future__ import annotations

import pytest
from sqlalchemy import Table

from deploy.dev import personal_data
from portal.app import FEATURES
from portal.core.db import Base
from portal.jobs.job import periodic
from portal.privacy import rows
from portal.privacy.held import Erase, Held
from portal.privacy.inventory import BY_TABLE, TABLES
from portal.privacy.kinds import KINDS, AtErasure

assert FEATURES  # all tables are there
DATABASE = Base.metadata.tables


def owned(table: Table, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a row of it is a customer's: it names one, or a row that is owned. Who only did something to it owns it not."""
    if table.name == "customers" or "customer_id" in table.c:
        return True
    return any(
        owned(key.column.table, seen | {table.name})
        for key in table.foreign_keys
        if key.column.table.name not in seen | {table.name}
        and (key.column.table.name != "users" or key.parent.name == "user_id")
    )


def test_each_table_is_decided_and_each_that_has_an_owner_leads_to_it() -> None:
    assert len(BY_TABLE) == len(TABLES)
    assert set(BY_TABLE) == set(DATABASE)
    undecided = [name for name, table in DATABASE.items() if owned(table) and not BY_TABLE[name].by]
    assert undecided == []
    for held in TABLES:
        if held.by:
            rows.belongs(held)  # leads there by columns that there are
        if not held.is_exported and held.by:
            assert len(held.withheld) > 10, held.table


def test_each_text_has_a_purpose_or_tells_of_no_person() -> None:
    assert personal_data.undecided() == [], "say in portal.privacy what they are for, or that they tell of no person"


@pytest.mark.parametrize("held", TABLES, ids=lambda held: held.table)
def test_what_is_said_of_columns_is_said_of_columns_that_there_are(held: Held) -> None:
    columns = DATABASE[held.table].c
    assert set(held.personal) | held.secret | set(held.replaced) <= set(columns.keys())
    assert all(len(purpose) > 5 for purpose in held.personal.values())
    assert not [
        column.name
        for column in columns
        if column.name.endswith("_hash") and held.is_exported and column.name not in held.secret
    ]


@pytest.mark.parametrize("held", TABLES, ids=lambda held: held.table)
def test_what_an_erasure_does_fits_the_kind(held: Held) -> None:
    assert (held.erase == Erase.REPLACE) == bool(held.replaced)
    if held.erase != Erase.KEEP:
        assert held.by
    if held.kind.at_erasure == AtErasure.REMOVED and held.by:
        assert held.erase == Erase.REMOVE, "its kind is removed"
    if held.by and held.erase == Erase.KEEP and held.personal and held.is_exported:
        outlives = bool(held.kind.law) or not set(held.personal) - held.secret
        assert outlives, f"{held.table} keeps what is personal without a law that asks for it"


def test_each_job_that_is_said_to_remove_something_is_one() -> None:
    known = {one.name for one in periodic()}
    assert {name for kind in KINDS for name in kind.jobs} <= known
    assert {held.kind.name for held in TABLES} == {kind.name for kind in KINDS}
