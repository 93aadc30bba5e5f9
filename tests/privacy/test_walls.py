"""The second wall between customers: what a question finds that says nothing of owners."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, delete, func, insert, select, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from portal.app import FEATURES
from portal.core import db, reach
from portal.core.db import Base
from portal.core.reach import STRANGER, WithoutOwner
from portal.invoices.models import Invoice
from portal.payments.models import Allocation, Payment
from portal.privacy import walls
from portal.refunds.models import Refund
from tests import factories, postgres
from tests.privacy.filled import fill, mark
from tests.privacy.test_inventory import owned

assert FEATURES  # all tables are there
MINE = mark("mine", "customers", "id")
TABLES = [held.table for held in walls.OWNED]


@pytest.fixture
def owner(postgresql_database: str) -> Iterator[Engine]:
    """The same database, as the owner of its tables."""
    url = postgresql_database.replace(postgres.BOUND, postgres.OWNER)
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()


@pytest.fixture
def both(owner: Engine) -> None:
    """A row of each table of two customers."""
    for who in ("mine", "stranger"):
        with Session(owner) as session:
            fill(session, who)
            session.commit()


def asked(session: Session, statement: str) -> psycopg.Cursor[tuple[object, ...]]:
    """By the driver, past the wall that looks at questions: only the database's is left."""
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver.execute(statement)


def number_of_rows(session: Session, name: str) -> object:
    return (asked(session, f"SELECT count(*) FROM {name}").fetchone() or (None,))[0]  # noqa: S608


def test_each_table_whose_rows_have_owners_is_under_its_policy(owner: Engine) -> None:
    tables = {name for name, table in Base.metadata.tables.items() if owned(table)}
    with owner.connect() as connection:
        missing = sorted(tables - set(walls.policies(connection)))
    assert missing == [], (
        "no policy stands between customers there. Give the table a line in portal/privacy/inventory.py that says by which column its rows "
        "lead to their owner: `flask migrate` makes its policy of that. A migration need not."
    )


def test_whatever_a_question_leaves_out_rows_of_one_customer_alone_are_found(both: None) -> None:
    with reach.only(MINE), db.reading() as session:
        for name in TABLES:
            found = asked(session, f"SELECT * FROM {name}").fetchall()  # noqa: S608
            assert "~stranger" not in repr(found), name
            assert len(found) == 1, name


def test_without_the_wall_the_same_questions_find_both(both: None, owner: Engine) -> None:
    with owner.connect() as connection:
        for name in TABLES:
            assert connection.scalar(select(func.count()).select_from(Base.metadata.tables[name])) == 2, name


def test_staff_worker_and_commands_find_all(both: None) -> None:
    with db.reading() as session:
        assert {number_of_rows(session, name) for name in TABLES} == {2}


def test_strangers_find_what_tells_who_they_are_and_nothing_else(both: None) -> None:
    with reach.only(STRANGER), db.reading() as session:
        seen = {name for name in TABLES if number_of_rows(session, name)}
    assert seen == walls.TO_FIND_OUT


def test_who_says_nothing_finds_nothing(both: None, postgresql_database: str) -> None:
    with psycopg.connect(postgresql_database) as connection:
        for name in TABLES:
            assert connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,), name  # noqa: S608


@pytest.mark.parametrize("name", ["payments", "invoice_lines", "passkeys", "personal_data_file_parts", "sent_mails"])
def test_rows_of_another_can_be_neither_changed_nor_removed_nor_added(both: None, owner: Engine, name: str) -> None:
    table = Base.metadata.tables[name]
    with owner.connect() as connection:
        theirs = dict(next(row for row in connection.execute(select(table)).mappings() if "~stranger" in repr(row)))
    with reach.only(MINE):
        with db.transaction() as session:
            key = table.primary_key.columns[0].name
            assert asked(session, f"UPDATE {name} SET {key} = {key}").rowcount == 1  # noqa: S608
        with pytest.raises(ProgrammingError, match="row-level security"), db.transaction() as session:
            session.execute(insert(table).values(theirs))
    with owner.begin() as connection:  # what hangs on the rows would keep them
        connection.exec_driver_sql("SET session_replication_role = replica")
        connection.exec_driver_sql(f"ALTER TABLE {name} DISABLE TRIGGER ALL")
    with reach.only(MINE), db.transaction() as session:
        assert asked(session, f"DELETE FROM {name}").rowcount == 1  # noqa: S608
    with owner.connect() as connection:
        assert "~stranger" in repr(connection.execute(select(table)).all())


def test_a_reach_ends_with_its_transaction_whoever_is_lent_the_connection_next(postgresql_database: str) -> None:
    with reach.only(MINE), db.transaction() as session:
        assert session.scalar(text("SELECT current_setting('portal.reach', true)")) == MINE
        number = session.scalar(text("SELECT pg_backend_pid()"))
    with db.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) == number
        assert not connection.scalar(text("SELECT current_setting('portal.reach', true)"))


def test_it_follows_who_it_is_also_within_a_transaction(both: None) -> None:
    with reach.only(MINE), db.reading() as session:
        assert number_of_rows(session, "users") == 1
        with reach.everyone("a test"):
            assert number_of_rows(session, "users") == 2
        assert number_of_rows(session, "users") == 1
        with suppress(KeyError), reach.everyone("a test"):
            raise KeyError
        assert number_of_rows(session, "users") == 1
        with pytest.raises(ProgrammingError), reach.everyone("a test"):
            session.execute(text("SELECT * FROM no_such_table"))


def test_a_customers_id_cannot_be_sql(postgresql_database: str) -> None:
    with (
        pytest.raises(ValueError, match="not a reach"),
        reach.only("x'; SET LOCAL portal.reach = '*"),
        db.reading() as session,
    ):
        session.scalar(select(1))


def test_what_is_in_place_is_left_alone_and_what_was_taken_away_comes_back(owner: Engine) -> None:
    made = text("SELECT array_agg((oid, xmin)::text ORDER BY oid) FROM pg_policy")
    with owner.begin() as connection:
        before = connection.scalar(made)
        walls.keep(connection)
        assert connection.scalar(made) == before
        connection.exec_driver_sql("DROP POLICY within_reach ON payments")
        connection.exec_driver_sql("ALTER TABLE invoices DISABLE ROW LEVEL SECURITY")
        walls.keep(connection)
        assert set(walls.policies(connection)) == set(TABLES)
        connection.rollback()


def test_the_portals_roles_may_do_with_rows_what_they_need_and_nothing_else(postgresql_database: str) -> None:
    for role in postgres.ROLES:
        with psycopg.connect(postgresql_database.replace(postgres.BOUND, role), autocommit=True) as connection:
            for refused in (
                "UPDATE audit_events SET action = ''",
                "DELETE FROM postings",
                "UPDATE alembic_version SET version_num = '1'",
                "TRUNCATE payments",
                "DROP POLICY within_reach ON payments",
                "ALTER TABLE payments DISABLE ROW LEVEL SECURITY",
                "CREATE TABLE mine (id int)",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(refused)
    with psycopg.connect(postgresql_database.replace(postgres.BOUND, walls.WEB), autocommit=True) as connection:
        for name in sorted(walls.ONLY_READ_BY_WEB):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"DELETE FROM {name}")  # noqa: S608


def test_it_is_told_whether_the_wall_binds(postgresql_database: str, owner: Engine) -> None:
    with db.engine().connect() as connection:
        assert walls.is_up(connection)
    with owner.connect() as connection:
        assert not walls.is_up(connection)


# The question itself, on both databases


def test_a_question_for_all_rows_is_refused_before_it_is_sent(database: str) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        invoice = factories.invoice(session, customer)
    for query in (
        select(Payment),
        select(Invoice).where(Invoice.currency == "eur"),
        select(func.sum(Payment.amount_minor)).join(Refund, Refund.payment_id == Payment.id),
        select(Refund).where(Refund.invoice_id.in_(select(Invoice.id))),
        update(Invoice).values(note=""),
        delete(Payment),
        text("SELECT * FROM payments"),
        text("select * from payments p where p.status = 'paid'"),
    ):
        with pytest.raises(WithoutOwner), reach.only(customer.id), db.transaction() as session:
            session.execute(query)
    with reach.only(customer.id), db.reading() as session:
        assert session.get(Invoice, invoice.id) is not None
        assert (
            session.scalars(select(Allocation).join(Allocation.invoice).where(Invoice.customer_id == customer.id)).all()
            == []
        )
    with db.reading() as session:
        assert session.scalars(select(Payment)).all() == []


def test_questions_past_the_session_are_looked_at_as_well(database: str) -> None:
    with pytest.raises(WithoutOwner), reach.only("cus_1"):
        db.rows_of(select(Payment.id), {})
