"""A copy of a SQLite database, made while others read and write it. PostgreSQL is copied by its own tools: docs/backups.md."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portal.core import db, marks

# So many pages at a time, between which writers get their turn. Source: SQLite, "Using the SQLite Online Backup API".
PAGES: Final = 1_000
PAUSE_SECONDS: Final = 0.01


class NotSQLite(ValueError):
    """The database is not SQLite's."""


@dataclass(frozen=True, slots=True)
class Copy:
    """`size` is in bytes; `last_event` is the number of the last audit event in it."""

    size: int
    last_event: int


def copy_to(file: Path) -> Copy:
    """Copy the database into a new file that only its owner can read, and read the copy whole once.

    Raises NotSQLite, FileExistsError, and OSError, also for a copy that is not whole; nothing is left of that one.
    """
    db.refuse_inside_transaction("a backup")
    url = db.engine().url
    if url.get_backend_name() != "sqlite" or not url.database:
        raise NotSQLite("this is no SQLite database: pg_dump copies PostgreSQL's, see docs/backups.md")
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, marks.ONLY_WE)
    os.close(descriptor)
    try:
        with closing(sqlite3.connect(url.database)) as source, closing(sqlite3.connect(file)) as target:
            source.backup(target, pages=PAGES, sleep=PAUSE_SECONDS)
            # A single file: the copy needs no write-ahead log beside it.
            target.execute("PRAGMA journal_mode=DELETE")
            (verdict,) = target.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise OSError(f"the copy is not whole: {verdict}")
            (last,) = target.execute("SELECT number FROM audit_head").fetchone()
        _make_durable(file)
    except (OSError, sqlite3.Error) as error:
        file.unlink(missing_ok=True)
        raise error if isinstance(error, OSError) else OSError(f"the backup failed: {error}") from error
    return Copy(file.stat().st_size, int(last))


def _make_durable(file: Path) -> None:
    for path in (file, file.absolute().parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
