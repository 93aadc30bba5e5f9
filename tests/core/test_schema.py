"""The schema that a release needs, and migrations beside others and beside what uses the tables."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from portal.core import config, db, schema
from tests.waiting import eventually

pytestmark = pytest.mark.owner


def have(number: str) -> None:
    with db.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})


def test_a_process_is_ready_once_the_schema_is_as_new_as_it_needs(client: FlaskClient) -> None:
    assert client.get("/readyz").status_code == 200
    have("0001")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "flask migrate" in answer.text
    have("9999")  # of the next release, which adds before it takes away
    assert client.get("/readyz").status_code == 200


def test_a_second_migration_changes_nothing(settings: config.Settings) -> None:
    schema.migrate()
    with db.reading() as session:
        assert schema.of_database(session) == schema.needed()


@contextmanager
def holding(url: str, statement: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(url) as connection:
        connection.execute(statement)
        yield connection


def waits_for_a_lock(url: str) -> bool:
    with psycopg.connect(url, autocommit=True) as admin:
        found = admin.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'").fetchone()
        return found is not None


@pytest.mark.database("postgresql")
def test_of_two_migrations_at_once_one_waits(settings: config.Settings, database: str) -> None:
    second = threading.Thread(target=schema.migrate)
    with holding(database, f"SELECT pg_advisory_xact_lock({schema.MIGRATION_LOCK})"):
        second.start()
        eventually(lambda: waits_for_a_lock(database), within=30, what="the second one waits")
        assert second.is_alive()
    second.join(30)
    assert not second.is_alive()


@pytest.mark.database("postgresql")
def test_a_migration_lets_go_of_a_table_in_use_and_tries_again(
    settings: config.Settings, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 0.05)
    monkeypatch.setattr(schema, "PAUSE_SECONDS", 0.01)
    in_use = "LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"
    with holding(database, in_use), pytest.raises(OperationalError, match="lock timeout"):
        schema.migrate()
    schema.migrate()
