"""For migrations: a table under another name, with its keys, constraints and indexes named after it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def rename_table(before: str, after: str) -> None:
    """The same rows. No other table may refer to this one."""
    if op.get_bind().dialect.name == "postgresql":
        _on_postgresql(before, after)
    else:
        _on_sqlite(before, after)


def _on_postgresql(before: str, after: str) -> None:
    connection = op.get_bind()
    constraints = sa.text("SELECT conname FROM pg_constraint WHERE conrelid = CAST(:name AS regclass)")
    of_constraints = connection.scalars(constraints, {"name": before}).all()
    indexes = sa.text("SELECT indexname FROM pg_indexes WHERE tablename = :name AND schemaname = current_schema()")
    of_indexes = set(connection.scalars(indexes, {"name": before})) - set(of_constraints)  # a key's index goes with it
    op.rename_table(before, after)
    for name in of_constraints:
        if before in name:
            op.execute(f'ALTER TABLE {after} RENAME CONSTRAINT "{name}" TO "{name.replace(before, after)}"')
    for name in of_indexes:
        if before in name:
            op.execute(f'ALTER INDEX "{name}" RENAME TO "{name.replace(before, after)}"')


def _on_sqlite(before: str, after: str) -> None:
    """SQLite keeps the names of constraints in the statement that made the table, so a new table is made."""
    connection = op.get_bind()
    made = sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL ORDER BY type = 'index'")
    table, *indexes = connection.scalars(made, {"name": before}).all()
    op.execute(table.replace(before, after))
    op.execute(f"INSERT INTO {after} SELECT * FROM {before}")
    op.drop_table(before)
    for index in indexes:
        op.execute(index.replace(before, after))
