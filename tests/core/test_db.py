"""Transactions: whole or not at all, one at a time, and durable once they are acknowledged."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
import time_machine
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from deploy.dev.processes import ROOT
from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.db import NestedTransaction
from tests import factories
from tests.core.conftest import GaveUpError, given_up
from tests.run import process_environment

WAIT_SECONDS = 20


def names() -> list[str]:
    with db.reading() as session:
        return list(session.execute(select(Customer.name).order_by(Customer.name)).scalars())


def add(name: str) -> None:
    with db.transaction() as session:
        factories.customer(session, name=name)


def test_what_is_written_is_there_when_the_block_ends(database: str) -> None:
    add("Ada")
    assert names() == ["Ada"]


def test_an_error_takes_everything_back(database: str) -> None:
    with pytest.raises(GaveUpError):
        given_up(lambda session: factories.customer(session, name="Ada"))
    assert names() == []
    add("Bea")  # and the next transaction is not held up by it
    assert names() == ["Bea"]


def test_what_is_changed_while_reading_is_thrown_away(database: str) -> None:
    add("Ada")
    with db.reading() as session:
        session.execute(select(Customer)).scalar_one().name = "Eve"
    assert names() == ["Ada"]


def test_what_was_read_can_be_used_after_the_block(database: str) -> None:
    add("Ada")
    with db.reading() as session:
        customer = session.execute(select(Customer)).scalar_one()
    assert customer.name == "Ada"


@pytest.mark.parametrize("outer", [db.transaction, db.reading])
@pytest.mark.parametrize("inner", [db.transaction, db.reading])
def test_transactions_are_never_nested(sqlite_database: str, outer: type, inner: type) -> None:
    with outer(), pytest.raises(NestedTransaction), inner():
        pass
    with inner():  # and nothing is left open by the refusal
        pass


def test_nothing_slow_is_done_inside_a_transaction(sqlite_database: str) -> None:
    with db.transaction(), pytest.raises(NestedTransaction, match="calling Stripe"):
        db.refuse_inside_transaction("calling Stripe")
    db.refuse_inside_transaction("calling Stripe")


# Columns and ids


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 23, 4, 30, 15, 123456, tzinfo=UTC),
        datetime(2026, 11, 23, 4, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=-11))),
    ],
)
def test_times_come_back_in_utc_to_the_microsecond(database: str, moment: datetime) -> None:
    with db.transaction() as session:
        customer_id = factories.customer(session, created_at=moment).id
    with db.reading() as session:
        read = session.get_one(Customer, customer_id).created_at
    assert read == moment
    assert read.utcoffset() == timedelta(0)


def test_times_are_compared_as_moments_by_the_database(database: str) -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with db.transaction() as session:
        for minutes in (-1, 0, 1):
            factories.customer(session, name=str(minutes), created_at=noon + timedelta(minutes=minutes))
    elsewhere = noon.astimezone(timezone(timedelta(hours=9)))
    with db.reading() as session:
        found = session.execute(select(Customer.name).where(Customer.created_at >= elsewhere)).scalars()
        assert sorted(found) == ["0", "1"]


def test_a_time_without_a_zone_is_refused(sqlite_database: str) -> None:
    with pytest.raises(Exception, match="without a zone"), db.transaction() as session:
        factories.customer(session, created_at=datetime(2026, 11, 23))  # noqa: DTZ001  # the mistake itself


def test_ids_say_what_they_name_and_lie_in_the_order_of_time() -> None:
    made = []
    with time_machine.travel(datetime(2026, 11, 23, tzinfo=UTC), tick=False) as now:
        for _ in range(100):
            made.append(db.new_id("pay"))
            now.shift(timedelta(milliseconds=1))
    assert made == sorted(made)
    assert all(len(one) == 30 and one.startswith("pay_") for one in made)


def test_ids_made_at_once_differ() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: db.new_id("pay"), range(10_000)))
    assert len(set(made)) == len(made)


# The databases


def test_sqlite_keeps_what_it_acknowledged_and_lets_readers_read(sqlite_database: str) -> None:
    for view in (db.transaction, db.reading):
        with view() as session:
            found = {
                name: session.execute(text(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": db.BUSY_TIMEOUT_MS}


def test_postgresql_keeps_what_it_acknowledged_whatever_its_server_is_told(postgresql_database: str) -> None:
    """The server of the tests is told to wait for nothing."""
    with psycopg.connect(postgresql_database) as unprepared:
        assert unprepared.execute("SHOW synchronous_commit").fetchone() == ("off",)
    for view in (db.transaction, db.reading, db.transaction):
        with view() as session:
            assert session.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


def test_rows_that_name_what_does_not_exist_are_refused(database: str) -> None:
    nobody = Customer(id="cus_nobody")
    with pytest.raises(IntegrityError), db.transaction() as session:
        factories.user(session, nobody, password=None)


def test_a_writer_waits_for_a_writer_and_both_succeed(database: str) -> None:
    began, may_end = threading.Event(), threading.Event()

    def first() -> None:
        with db.transaction() as session:
            factories.customer(session, name="first")
            began.set()
            assert may_end.wait(WAIT_SECONDS)

    def second() -> None:
        assert began.wait(WAIT_SECONDS)
        may_end.set()
        add("second")

    with ThreadPoolExecutor(2) as pool:
        for outcome in [pool.submit(first), pool.submit(second)]:
            outcome.result(WAIT_SECONDS)
    assert names() == ["first", "second"]


def test_many_writers_who_read_first_lose_no_update(database: str) -> None:
    add("0")

    def count_up(_: int) -> None:
        with db.transaction() as session:
            row = session.execute(select(Customer).with_for_update()).scalar_one()
            row.name = str(int(row.name) + 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count_up, range(40)))
    assert names() == ["40"]


def test_a_reader_sees_one_moment_while_others_write(database: str) -> None:
    add("before")
    with db.reading() as session:
        count = select(func.count()).select_from(Customer)
        assert session.execute(count).scalar_one() == 1
        with ThreadPoolExecutor(1) as pool:
            pool.submit(add, "meanwhile").result(WAIT_SECONDS)
        assert session.execute(count).scalar_one() == 1
    assert names() == ["before", "meanwhile"]


def test_the_databases_clock_runs_in_utc(database: str) -> None:
    with db.reading() as session:
        assert abs(db.database_now(session) - clock.now()) < timedelta(seconds=5)


WRITER = """
import sys
from portal.core import config, db
from tests import factories
db.connect(config.current().database_url)
with db.transaction() as session:
    factories.customer(session, name="acknowledged")
print("acknowledged", flush=True)
with db.transaction() as session:
    factories.customer(session, name="half done")
    print("half done", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def writer(database: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER], cwd=ROOT, env=process_environment(PORTAL_DATABASE_URL=database),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_killed_process_loses_what_it_had_not_committed_and_nothing_else(writer: subprocess.Popen[str]) -> None:
    assert writer.stdout is not None
    assert [writer.stdout.readline().strip() for _ in range(2)] == ["acknowledged", "half done"]
    writer.send_signal(signal.SIGKILL)
    writer.wait(WAIT_SECONDS)
    assert names() == ["acknowledged"]
    add("next")  # the dead process's lock is gone with it
    assert names() == ["acknowledged", "next"]
