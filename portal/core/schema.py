"""The schema of the database: which one it has, which one this release needs, and how it is brought there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from portal.core import config

log = structlog.get_logger(__name__)

MIGRATIONS: Final = Path(__file__).parents[2] / "migrations"
# Whoever migrates a PostgreSQL holds this advisory lock: of two at once, one waits.
MIGRATION_LOCK: Final = 7_460_218_115
# A migration waits so long for a table that others use, in seconds, for whoever comes after it waits as well; then it lets go, and tries
# again after a pause, so many times.
LOCK_SECONDS: float = 5
PAUSE_SECONDS: float = 5
TRIES: Final = 24


@cache
def needed() -> str:
    """The newest migration of this release, by the numbers with which the files begin, without importing Alembic into the web."""
    files = (MIGRATIONS / "versions").glob("[0-9]*.py")
    return max((file.name.partition("_")[0] for file in files), default="")


def of_database(session: Session) -> str:
    """The last migration that the database has had; "" before the first."""
    return session.scalar(text("SELECT version_num FROM alembic_version")) or ""


def is_new_enough(session: Session) -> bool:
    """Whether this release can work with the database. A newer schema serves the release before it, too: migrations add first, and
    take away only in a later release.
    """
    return of_database(session) >= needed()


def migrate(afterwards: Callable[[Connection], None] | None = None) -> None:
    """Bring the database to the newest schema; a second call changes nothing, and one beside another waits for it. What is to be put in
    place with each schema is done `afterwards`, in a transaction.

    Raises OperationalError where a table was in use for two minutes; what was done until then stays done.
    """
    from alembic import command
    from alembic.config import Config

    alembic = Config()
    alembic.set_main_option("script_location", str(MIGRATIONS))
    _patiently(lambda: command.upgrade(alembic, "head"))
    if afterwards is not None:
        _patiently(lambda: _in_transaction(afterwards))


def _in_transaction(work: Callable[[Connection], None]) -> None:
    with alone() as connection, connection.begin():
        work(connection)


def _patiently(work: Callable[[], None]) -> None:
    for left in range(TRIES - 1, -1, -1):
        try:
            work()
            return
        except OperationalError as error:
            if not left or getattr(error.orig, "sqlstate", "") != "55P03":  # lock_not_available
                raise
            log.warning("migration_waits_for_a_table", tries_left=left)
            time.sleep(PAUSE_SECONDS)


@contextmanager
def alone() -> Iterator[Connection]:
    """A connection for what changes the schema, which waits for a table no longer than LOCK_SECONDS; whoever migrates beside us waits until
    we are done. Nothing is in a transaction until the caller begins one.
    """
    url = config.current().database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as first, engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
                first.execution_options(isolation_level="AUTOCOMMIT")
                first.exec_driver_sql(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
                with connection.begin():
                    connection.exec_driver_sql(f"SET lock_timeout = {round(LOCK_SECONDS * 1000)}")
            yield connection
    finally:
        engine.dispose()
