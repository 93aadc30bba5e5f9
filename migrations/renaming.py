"""For migrations: a table or a column under another name, with its keys, constraints and indexes named after it."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op


def rename_table(before: str, after: str) -> None:
    """The same rows. The keys by which other tables refer to it are named after it, too."""
    inspector = sa.inspect(op.get_bind())
    referring = [
        table
        for table in inspector.get_table_names()
        if any(key["referred_table"] == before for key in inspector.get_foreign_keys(table))
    ]
    op.rename_table(before, after)
    for table in (after, *referring):
        _rename_within(table, before, after)


def rename_column(table: str, before: str, after: str) -> None:
    """The same values. Indexes and the CHECK of its words (see portal.core.db.one_of) are named after the column as well."""
    op.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")
    _rename_within(table, f"{table}_{before}", f"{table}_{after}")


def _rename_within(table: str, before: str, after: str) -> None:
    """A table's constraints and indexes get another name."""
    if op.get_bind().dialect.name == "postgresql":
        _on_postgresql(table, before, after)
    else:
        _on_sqlite(table, before, after)


def _on_postgresql(table: str, before: str, after: str) -> None:
    connection = op.get_bind()
    constraints = sa.text("SELECT conname FROM pg_constraint WHERE conrelid = CAST(:name AS regclass)")
    indexes = sa.text("SELECT indexname FROM pg_indexes WHERE tablename = :name AND schemaname = current_schema()")
    of_constraints = connection.scalars(constraints, {"name": table}).all()
    of_indexes = set(connection.scalars(indexes, {"name": table})) - set(of_constraints)  # a key's index goes with it
    for name in of_constraints:
        if before in name:
            op.execute(f'ALTER TABLE {table} RENAME CONSTRAINT "{name}" TO "{name.replace(before, after)}"')
    for name in of_indexes:
        if before in name:
            op.execute(f'ALTER INDEX "{name}" RENAME TO "{name.replace(before, after)}"')


def _on_sqlite(table: str, before: str, after: str) -> None:
    """SQLite keeps the names of constraints in the statement that made the table, so another table is made in its place.

    Source: sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes".
    """
    connection = op.get_bind()
    made = sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :name AND type = :type AND sql IS NOT NULL")
    statement = connection.scalars(made, {"name": table, "type": "table"}).one()
    indexes = connection.scalars(made, {"name": table, "type": "index"}).all()
    columns = statement.partition("(")[2]
    named = re.sub(r"CONSTRAINT \S+", lambda found: found[0].replace(before, after), columns)
    connection.exec_driver_sql(f"CREATE TABLE renamed ({named}")
    op.execute(f"INSERT INTO renamed SELECT * FROM {table}")
    op.drop_table(table)
    op.rename_table("renamed", table)
    for index in indexes:
        name, on, rest = index.partition(" ON ")
        connection.exec_driver_sql(name.replace(before, after) + on + rest)
