"""The sandbox's own SQLite file: JSON rows with indexed columns, one table a kind.

One connection, guarded by a lock, serves the whole process: the work inside a transaction is a few dozen microseconds, and one writer
at a time is what SQLite allows anyway. Several processes may share the file; `BEGIN IMMEDIATE` takes turns between them.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.sandbox.kinds import Kind, Row

BUSY_TIMEOUT_MS = 30_000
CACHE_KIB = 64 * 1024
CHECKPOINT_PAGES = 4000
CACHED_STATEMENTS = 512
HIDDEN = -1
"""The `created` of objects that lists leave out."""

_FIXED_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS effects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, due REAL NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS effects_due ON effects (due);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, created REAL NOT NULL,
    request_id TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, endpoint TEXT NOT NULL, due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL, note TEXT);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, due);
CREATE INDEX IF NOT EXISTS deliveries_event ON deliveries (event);
CREATE TABLE IF NOT EXISTS delivery_answers (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, delivery INTEGER NOT NULL, at REAL NOT NULL, status INTEGER, answer TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS delivery_answers_delivery ON delivery_answers (delivery);
CREATE TABLE IF NOT EXISTS faults (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, remaining INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS mails (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, received REAL NOT NULL, sender TEXT NOT NULL, recipients TEXT NOT NULL,
    subject TEXT NOT NULL, message_id TEXT NOT NULL, raw BLOB NOT NULL);
"""


@dataclass(frozen=True)
class Page:
    """A slice of a list, in the order it is shown."""

    rows: list[Row]
    has_more: bool


@dataclass(frozen=True)
class Bound:
    """One bound on a column, such as `created >= 1700000000`."""

    column: str
    operator: str  # one of < <= > >=
    value: float


class Session:
    """The work of one transaction. Rows come back as fresh dicts; nothing is kept between transactions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    # -- objects ---------------------------------------------------------------------------------------------------------------

    def insert(self, kind: Kind, row: Row) -> None:
        marks = ", ".join("?" * (3 + len(kind.columns)))
        names = ", ".join(("id", "created", *(f'"{column}"' for column in kind.columns), "body"))
        self.run(
            f"INSERT INTO {kind.table} ({names}) VALUES ({marks})",  # noqa: S608 - names come from Kind, never from a request
            (row["id"], row.get("created", 0), *(row.get(column) for column in kind.columns), _dump(row)),
        )

    def save(self, kind: Kind, row: Row) -> None:
        sets = "".join(f'"{column}" = ?, ' for column in kind.columns)
        self.run(
            f"UPDATE {kind.table} SET {sets}body = ? WHERE id = ?",  # noqa: S608
            (*(row.get(column) for column in kind.columns), _dump(row), row["id"]),
        )

    def hide(self, kind: Kind, row_id: str) -> None:
        """Keep an object out of every list from now on."""
        self.run(f"UPDATE {kind.table} SET created = {HIDDEN} WHERE id = ?", (row_id,))  # noqa: S608

    def find(self, kind: Kind, row_id: str) -> Row | None:
        found = self.run(f"SELECT body FROM {kind.table} WHERE id = ?", (row_id,)).fetchone()  # noqa: S608
        return None if found is None else _load(found[0])

    def position(self, kind: Kind, row_id: str) -> tuple[int, int] | None:
        """Where an object stands in its list, as (created, seq)."""
        found = self.run(f"SELECT created, seq FROM {kind.table} WHERE id = ?", (row_id,)).fetchone()  # noqa: S608
        return None if found is None else (found[0], found[1])

    def page(
        self,
        kind: Kind,
        *,
        limit: int,
        equal: Mapping[str, object] | None = None,
        among: Mapping[str, Sequence[object]] | None = None,
        without: Mapping[str, Sequence[object]] | None = None,
        bounds: Iterable[Bound] = (),
        after: tuple[int, int] | None = None,
        before: tuple[int, int] | None = None,
    ) -> Page:
        """One page, newest first. `after` continues behind a position, `before` gives what stands just ahead of one."""
        conditions, values = ["created >= 0"], list[object]()
        for column, value in (equal or {}).items():
            conditions.append(f'"{column}" = ?')
            values.append(value)
        for column, wanted in (among or {}).items():
            conditions.append(f'"{column}" IN ({", ".join("?" * len(wanted))})')
            values.extend(wanted)
        for column, unwanted in (without or {}).items():
            conditions.append(f'"{column}" NOT IN ({", ".join("?" * len(unwanted))})')
            values.extend(unwanted)
        for bound in bounds:
            conditions.append(f'"{bound.column}" {bound.operator} ?')
            values.append(bound.value)
        for position, operator in ((after, "<"), (before, ">")):
            if position is not None:
                conditions.append(f"(created, seq) {operator} (?, ?)")
                values.extend(position)
        direction = "ASC" if before is not None else "DESC"
        found = self.run(
            f"SELECT body FROM {kind.table} WHERE {' AND '.join(conditions)} ORDER BY created {direction}, seq {direction} LIMIT ?",  # noqa: S608
            (*values, limit + 1),
        ).fetchall()
        rows = [_load(body) for (body,) in found[:limit]]
        return Page(rows[::-1] if before is not None else rows, has_more=len(found) > limit)

    def count(self, kind: Kind) -> int:
        return int(self.run(f"SELECT count(*) FROM {kind.table}").fetchone()[0])  # noqa: S608

    def all(self, kind: Kind, **equal: object) -> list[Row]:
        """Every object with these column values, oldest first; for things of which there are few."""
        where = " AND ".join(f'"{column}" = ?' for column in equal) or "1"
        found = self.run(f"SELECT body FROM {kind.table} WHERE {where} ORDER BY seq", tuple(equal.values()))  # noqa: S608
        return [_load(body) for (body,) in found]

    # -- facts about the sandbox itself ------------------------------------------------------------------------------------------

    def fact(self, name: str) -> str | None:
        found = self.run("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def keep_fact(self, name: str, value: str) -> None:
        self.run(
            "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )


class Store:
    """The file, opened once a process."""

    def __init__(self, path: str | Path, kinds: Iterable[Kind]) -> None:
        self.kinds = tuple(kinds)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            str(path), isolation_level=None, check_same_thread=False, cached_statements=CACHED_STATEMENTS
        )
        self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing this way; only a power cut could lose the last moments, and a sandbox may.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        # Ids are random, so each insert lands anywhere in its index: a small cache and frequent checkpoints would make a sandbox with many
        # payments behind it slower than a new one.
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._connection.executescript(_FIXED_TABLES + "".join(_table_for(kind) for kind in self.kinds))

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A write transaction: committed when the block ends, rolled back when it raises."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Session(self._connection)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent view for reading; whatever is written inside is thrown away."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                yield Session(self._connection)
            finally:
                self._connection.execute("ROLLBACK")

    def clear(self) -> None:
        """Empty every table; the clock goes back to real time with it."""
        with self.transaction() as session:
            for (name,) in session.run(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).fetchall():
                session.run(f'DELETE FROM "{name}"')  # noqa: S608

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def _table_for(kind: Kind) -> str:
    columns = "".join(f', "{column}"' for column in kind.columns)
    indexes = "".join(
        f'CREATE INDEX IF NOT EXISTS {kind.table}_{column} ON {kind.table} ("{column}", created, seq) WHERE "{column}" IS NOT NULL;'
        for column in kind.columns
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {kind.table} (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, "
        f"created INTEGER NOT NULL{columns}, body TEXT NOT NULL);"
        f"CREATE INDEX IF NOT EXISTS {kind.table}_created ON {kind.table} (created, seq);{indexes}"
    )


def _dump(row: Row) -> str:
    return json.dumps(row, separators=(",", ":"))


def _load(body: str) -> Row:
    row: dict[str, Any] = json.loads(body)
    return row
