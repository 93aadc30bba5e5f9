"""A PostgreSQL database made as new after a test, which takes a fifth of what dropping it and making another one does.

Only rows are put back. Whatever else a test changed, such as a table, a trigger, statistics or a setting of the database, is seen
here and not mended: such a database is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]

# Whoever changes, adds or removes something in one of these leaves another sum. A table's own line is changed by ANALYZE in its place.
_CATALOGUES: Final = (
    "pg_attribute pg_attrdef pg_class pg_constraint pg_trigger pg_index pg_proc pg_type pg_rewrite pg_policy pg_namespace pg_extension "
    "pg_event_trigger pg_default_acl pg_statistic pg_statistic_ext pg_largeobject_metadata pg_publication"
).split()
_SIZES: Final = "(SELECT (sum(reltuples), sum(relpages))::text FROM pg_class)"
_SETTINGS: Final = (
    "(SELECT count(*)::text FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase "
    "WHERE datname = current_database())"
)
_CHANGES: Final = [f"(SELECT (count(*), max(xmin::text::bigint))::text FROM {name})" for name in _CATALOGUES]  # noqa: S608
_SHAPE: Final = f"SELECT ARRAY[{', '.join((_SIZES, _SETTINGS, *_CHANGES))}]"
_END_OTHERS: Final = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_WRITTEN: Final = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0"
_SEQUENCES: Final = (
    "SELECT setval(quote_ident(schemaname) || '.' || quote_ident(sequencename), start_value, false) FROM pg_sequences "
    "WHERE last_value IS NOT NULL"
)


@dataclass
class AsNew:
    """What a database just made from the template holds."""

    shape: object = None
    rows: dict[str, list[bytes]] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: Connection) -> AsNew:
        tables = [name for (name,) in connection.execute(_WRITTEN).fetchall()]
        return cls(_shape(connection), {name: _copied(connection, name) for name in tables})

    def restore(self, connection: Connection) -> bool:
        """Let nobody else be connected and put back the rows; False when more than rows was changed."""
        if (
            not all(ended for (ended,) in connection.execute(_END_OTHERS).fetchall())
            or _shape(connection) != self.shape
        ):
            return False
        # Neither triggers nor foreign keys ask in a replica: what is put back was right before.
        connection.execute("SET session_replication_role = replica")
        for (name,) in connection.execute(_WRITTEN).fetchall():
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
        for name, lines in self.rows.items():
            with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))) as copy:
                for line in lines:
                    copy.write(line)
        connection.execute(_SEQUENCES)
        return True


def _shape(connection: Connection) -> object:
    (shape,) = connection.execute(_SHAPE).fetchone() or (None,)
    return shape


def _copied(connection: Connection, table: str) -> list[bytes]:
    with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as copy:
        return [bytes(line) for line in copy]
