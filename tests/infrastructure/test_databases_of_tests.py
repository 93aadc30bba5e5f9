"""What each test relies on: a database as new, and that a card number left in it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from portal.core import db
from tests import card_data, factories
from tests.conftest import RUN
from tests.core.jobs import named
from tests.run import Run


@pytest.fixture
def own(request: pytest.FixtureRequest) -> Iterator[Run]:
    """A run's way to databases, of this test alone."""
    run = Run(request.config.stash[RUN].directory)
    yield run
    run.end()


def rows(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, list[tuple[object, ...]]]:
    """All that stands in the tables and sequences."""
    names = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')"
    )
    return {str(name): connection.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in names.fetchall()}  # noqa: S608


def use(url: str) -> None:
    """As a test does it."""
    db.connect(url)
    with db.transaction() as session:
        factories.invoice(session, factories.customer(session))
        named("tests.nothing").enqueue(session)
        session.execute(text("UPDATE audit_head SET hash = 'written over'"))
    db.disconnect()


def test_a_used_database_serves_again_as_new(own: Run) -> None:
    url = own.fresh_postgresql()
    before = rows(own.connection(url))
    use(url)
    assert rows(own.connection(url)) != before
    own.drop(url)
    assert own.fresh_postgresql() == url
    assert rows(own.connection(url)) == before
    own.drop(url)


def test_whoever_is_still_in_it_is_put_out(own: Run) -> None:
    url = own.fresh_postgresql()
    left = psycopg.connect(url)
    left.execute("UPDATE audit_head SET hash = 'not yet written'")
    own.drop(url)
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()
    assert own.fresh_postgresql() == url
    own.drop(url)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE customers ADD COLUMN shoe_size integer",
        "ALTER TABLE customers ALTER COLUMN email DROP NOT NULL",
        "CREATE TABLE shoes (size integer)",
        "DROP TABLE invoice_lines CASCADE",
        "DROP INDEX ix_customers_created",
        "TRUNCATE invoice_lines",
        "ANALYZE",
        "CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA elsewhere",
    ],
)
def test_one_that_was_changed_in_another_way_than_its_rows_is_dropped(own: Run, change: str) -> None:
    url = own.fresh_postgresql()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(change)
    own.drop(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_so_is_one_with_settings_of_its_own(own: Run) -> None:
    url = own.fresh_postgresql()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = on")
    own.drop(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "leave",
    [
        "UPDATE invoices SET number = '4242 4242 4242 4242'",
        """UPDATE jobs SET args = '{"note": "4242-4242-4242-4242"}'""",
    ],
    ids=["a text", "a part of JSON"],
)
def test_a_card_number_that_is_left_in_it_is_seen(own: Run, kind: str, leave: str) -> None:
    url = own.fresh_sqlite() if kind == "sqlite" else own.fresh_postgresql()
    use(url)
    look(own, url)
    db.connect(url)
    with db.transaction() as session:
        session.connection().exec_driver_sql(leave)
    db.disconnect()
    with pytest.raises(AssertionError, match="a card number is left in"):
        look(own, url)
    own.drop(url)


def look(run: Run, url: str) -> None:
    if url.startswith("sqlite"):
        card_data.check_sqlite(Path(url.removeprefix("sqlite:///")))
    else:
        card_data.check_postgresql(run.connection(url))
