"""Balances that are kept for the beginning of a month: nobody can tell them from those that are added up anew."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from portal.core import company_days, db
from portal.reconciliation import balances
from portal.reconciliation.models import KeptBalance, StripeTransaction
from tests.books.conftest import book, moved

pytestmark = pytest.mark.owner

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
AUGUST = datetime(2026, 8, 20, tzinfo=UTC)
MONTHS = [company_days.begins(date(2026, month, 1)) for month in (9, 10, 11)]


@pytest.fixture(autouse=True)
def november() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def kept(currency: str = "eur") -> list[datetime]:
    with db.reading() as session:
        mine = select(KeptBalance.at).where(KeptBalance.currency == currency)
        return list(session.scalars(mine.order_by(KeptBalance.at)))


def told(moment: datetime, currency: str = "eur") -> balances.Balance:
    """What the balance came to, which is the same with what was kept and anew."""
    with db.reading() as session:
        found = balances.before(session, currency, moment)
        assert found == balances.before(session, currency, moment, anew=True)
    return found


def test_each_month_that_has_begun_is_kept_once(database: str) -> None:
    with db.transaction() as session:
        book(session, "charge", 100_00, at=AUGUST)
        moved(session, "charge", 100_00, 3_00, at=AUGUST)
        book(session, "charge", 7_00, at=MONTHS[1], currency="usd")
    assert balances.keep() == len(MONTHS) + 1
    assert (kept(), kept("usd")) == (MONTHS, MONTHS[2:])
    assert balances.keep() == 0
    assert told(NOW) == balances.Balance(100_00, 97_00)
    assert told(NOW, "usd") == balances.Balance(7_00, 0)


def test_a_month_that_has_just_begun_is_not_kept_yet(database: str) -> None:
    with db.transaction() as session:
        book(session, "charge", 100_00, at=AUGUST)
    with time_machine.travel(MONTHS[2] + timedelta(hours=47), tick=False):
        balances.keep()
    assert kept() == MONTHS[:2]


@pytest.mark.parametrize("late", ["posting", "movement", "booked earlier", "booked later", "taken away"])
def test_what_comes_late_takes_away_the_balances_behind_it(database: str, late: str) -> None:
    with db.transaction() as session:
        book(session, "charge", 100_00, at=AUGUST)
        there = moved(session, "charge", 100_00, at=MONTHS[1] + timedelta(days=3)).id
    balances.keep()
    assert kept() == MONTHS
    in_september = MONTHS[0] + timedelta(days=5)
    with db.transaction() as session:
        mine = update(StripeTransaction).where(StripeTransaction.id == there)
        match late:
            case "posting":
                book(session, "charge", 1_00, at=in_september)
            case "movement":
                moved(session, "charge", 1_00, at=in_september)
            case "booked earlier":
                session.execute(mine.values(booked_at=in_september))
            case "booked later":
                session.execute(mine.values(booked_at=NOW))
            case _:
                session.delete(session.get_one(StripeTransaction, there))
    is_of_october = late in {"booked later", "taken away"}
    assert kept() == MONTHS[: 2 if is_of_october else 1]
    for moment in (*MONTHS, NOW):
        told(moment)
    balances.keep()
    assert kept() == MONTHS
    told(NOW)


def test_what_changes_no_balance_leaves_them(database: str) -> None:
    with db.transaction() as session:
        there = moved(session, "charge", 100_00, at=AUGUST).id
    balances.keep()
    with db.transaction() as session:
        session.get_one(StripeTransaction, there).payout_id = "po_1"
        book(session, "charge", 1_00, at=NOW)
    assert kept() == MONTHS


def test_what_is_booked_at_the_first_moment_of_a_month_is_of_that_month(database: str) -> None:
    with db.transaction() as session:
        book(session, "charge", 100_00, at=MONTHS[0])
    balances.keep()
    assert (told(MONTHS[0]).ours, told(NOW).ours) == (0, 100_00)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_written_when_the_balance_is_that_of_all_movements(database: str, seed: int) -> None:
    chance = random.Random(seed)

    def some_time() -> datetime:
        return AUGUST + timedelta(days=chance.uniform(0, 90))

    for _ in range(12):
        with db.transaction() as session:
            for _ in range(chance.randint(1, 4)):
                kind = chance.choice(["charge", "fee", "refund", "payout"])
                book(session, kind, chance.randint(1, 999), at=some_time())
                moved(session, "charge", chance.randint(-999, 999), at=some_time())
            rows = list(session.scalars(select(StripeTransaction)))
            chance.choice(rows).booked_at = chance.choice([None, some_time()])
        if chance.random() < 0.5:
            balances.keep()
        for moment in (*MONTHS, some_time(), NOW):
            told(moment)


@pytest.mark.database("postgresql")
def test_a_movement_whose_transaction_is_not_over_is_waited_for(database: str) -> None:
    with db.transaction() as session:
        book(session, "charge", 100_00, at=AUGUST)
    written, go_on = threading.Event(), threading.Event()

    def write_late() -> None:
        with db.transaction() as session:
            book(session, "charge", 5_00, at=AUGUST)
            session.flush()
            written.set()
            go_on.wait(60)

    writer = threading.Thread(target=write_late)
    writer.start()
    assert written.wait(60)
    try:
        with pytest.raises(OperationalError):
            balances.keep()
        assert kept() == []
    finally:
        go_on.set()
        writer.join()
    balances.keep()
    assert told(NOW).ours == 105_00
