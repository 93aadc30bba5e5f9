"""Migrations and models say the same, on both databases."""

from __future__ import annotations

import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import portal.app  # noqa: F401  # brings every table into the metadata
from portal import db


def test_migrated_database_has_all_tables(database: str) -> None:
    with db.engine().connect() as connection:
        tables = set(sqlalchemy.inspect(connection).get_table_names())
    assert tables >= set(db.Base.metadata.tables)
    assert "alembic_version" in tables


def test_models_need_no_further_migration(database: str) -> None:
    with db.engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.Base.metadata) == []
