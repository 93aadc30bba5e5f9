"""The schema of the database: which one it has, which one this release needs, and how it is brought there."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

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


def migrate() -> None:
    """Bring the database to the newest schema; a second call changes nothing, and one beside another waits for it.

    Raises OperationalError where a table was in use for two minutes; what was done until then stays done.
    """
    from alembic import command
    from alembic.config import Config

    alembic = Config()
    alembic.set_main_option("script_location", str(MIGRATIONS))
    for left in range(TRIES - 1, -1, -1):
        try:
            command.upgrade(alembic, "head")
            return
        except OperationalError as error:
            if not left or getattr(error.orig, "sqlstate", "") != "55P03":  # lock_not_available
                raise
            log.warning("migration_waits_for_a_table", tries_left=left)
            time.sleep(PAUSE_SECONDS)
