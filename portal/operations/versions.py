"""What runs here: the release, the schema that the database has and the one that this release needs, and the programs beneath."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal import RELEASE, gateway
from portal.core import config, schema

# Those whose version somebody asks for when something is wrong.
LIBRARIES: Final = ("Flask", "SQLAlchemy", "psycopg", "stripe", "WeasyPrint", "webauthn", "cryptography", "gunicorn")


@dataclass(frozen=True, slots=True)
class Versions:
    """`commit` is "" where nobody said it at the build; `libraries` are (name, version)."""

    release: str
    commit: str
    schema: str
    expected_schema: str
    python: str
    database: str
    stripe_api: str
    libraries: tuple[tuple[str, str], ...]

    @property
    def schema_fits(self) -> bool:
        return self.schema == self.expected_schema


def of_this_process(session: Session) -> Versions:
    """The web process that shows the page; the schema and the database are asked for, all else is known."""
    return Versions(
        release=RELEASE,
        commit=config.current().build_commit,
        schema=schema.of_database(session),
        expected_schema=schema.needed(),
        python=platform.python_version(),
        database=_database(session),
        stripe_api=gateway.current().api_version,
        libraries=_libraries(),
    )


def _database(session: Session) -> str:
    dialect = session.get_bind().dialect.name
    if dialect == "sqlite":
        return f"SQLite {session.scalar(text('SELECT sqlite_version()'))}"
    return f"PostgreSQL {str(session.scalar(text('SHOW server_version'))).partition(' ')[0]}"


@cache
def _libraries() -> tuple[tuple[str, str], ...]:
    return tuple((name, metadata.version(name)) for name in LIBRARIES)
