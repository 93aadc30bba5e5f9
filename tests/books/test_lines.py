"""The lines of the books: each on some page and in the file, in the group of its figure, by an index, on both databases."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from portal.books import exports, queries
from portal.books.queries import LinesFilter
from portal.core import db
from portal.core.audit import AuditEvent
from portal.core.errors import NotFound
from portal.ledger import LedgerAccount, Posting
from portal.reconciliation import figures
from portal.reconciliation.figures import Period
from portal.reconciliation.models import StripeTransaction
from tests.books.conftest import NOON, book, moved
from tests.plans import plans

START = datetime(2026, 3, 1, tzinfo=UTC)


def balances(**wanted: Any) -> dict[tuple[str, str], tuple[int, int]]:
    with db.reading() as session:
        return {
            (one.debits.currency, one.account): (one.debits.minor, one.credits.minor)
            for one in queries.balances(session, LinesFilter(**wanted))
        }


def test_balances_have_both_sides_of_each_account_in_its_currency(database: str) -> None:
    with db.transaction() as session:
        book(session, "charge", 100_00, at=START)
        book(session, "fee", 2_00, at=START)
        book(session, "charge", 500, currency="jpy", subject="pay_2", at=START + timedelta(days=1))
    assert balances() == {
        ("eur", "stripe_balance"): (100_00, 2_00),
        ("eur", "receivables"): (0, 100_00),
        ("eur", "fees"): (2_00, 0),
        ("jpy", "stripe_balance"): (500, 0),
        ("jpy", "receivables"): (0, 500),
    }
    assert balances(until=date(2026, 3, 1), currency="jpy") == {}
    assert set(balances(since=date(2026, 3, 2))) == {("jpy", "stripe_balance"), ("jpy", "receivables")}
    assert set(balances(subject="pay_2")) == {("jpy", "stripe_balance"), ("jpy", "receivables")}
    with db.reading() as session:
        assert [one.difference.minor for one in queries.balances(session, LinesFilter(currency="eur"))] == [
            98_00, -100_00, 2_00,
        ]  # fmt: skip


def many(count: int) -> Iterator[dict[str, Any]]:
    sides = (
        (LedgerAccount.STRIPE, LedgerAccount.RECEIVABLES),
        (LedgerAccount.FEES, LedgerAccount.STRIPE),
        (LedgerAccount.REFUNDS, LedgerAccount.STRIPE),
    )
    for number in range(count):
        debit, credit = sides[number % 3]
        yield {
            "id": f"pst_{number:026d}", "at": START + timedelta(minutes=number), "kind": "charge", "debit": debit,
            "credit": credit, "amount_minor": number + 1, "currency": ("eur", "usd")[number % 2],
            "subject": f"pay_{number}", "reference": f"charge:{number}",
        }  # fmt: skip


def test_sums_of_a_hundred_thousand_postings_are_right_to_the_cent(database: str) -> None:
    rows = list(many(100_000))
    with db.transaction() as session:
        for begin in range(0, len(rows), 5_000):
            session.execute(insert(Posting), rows[begin : begin + 5_000])
    first, last = date(2026, 3, 10), date(2026, 4, 9)
    wanted: dict[str, Any] = {"since": first, "until": last}
    expected: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        if first <= row["at"].date() <= last:
            expected.setdefault((row["currency"], row["debit"]), [0, 0])[0] += row["amount_minor"]
            expected.setdefault((row["currency"], row["credit"]), [0, 0])[1] += row["amount_minor"]
    found = balances(**wanted)
    assert found == {key: tuple(sums) for key, sums in expected.items()}
    for currency in ("eur", "usd"):
        sides = [sums for (code, _), sums in found.items() if code == currency]
        assert sum(debits for debits, _ in sides) == sum(credits_ for _, credits_ in sides) > 0
    assert "ix_postings_period" in plans(lambda session: queries.balances(session, LinesFilter(**wanted)))
    by_currency = LinesFilter(**wanted, currency="usd")
    assert "ix_postings_period" in plans(lambda session: queries.postings(session, by_currency))
    everything = plans(lambda session: queries.postings(session, LinesFilter()))
    assert "ix_postings_at" in everything
    assert "sort" not in everything.lower().replace("use temp b-tree", "sort")


def test_all_postings_are_on_some_page_and_in_the_file(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.transaction() as session:
        session.execute(insert(Posting), [row | {"at": START} for row in many(50)])
    listed: list[str] = []
    cursor: str | None = None
    while True:
        with db.reading() as session:
            page = queries.postings(session, LinesFilter(), cursor)
        listed += [posting.id for posting in page.rows]
        cursor = page.older
        if cursor is None:
            break
    monkeypatch.setattr(exports, "EXPORT_BATCH", 7)
    lines = exports.export_postings(LinesFilter())
    rows = list(csv.DictReader(line.removeprefix("\ufeff") for line in lines))
    assert [row["posting"] for row in rows] == listed == [f"pst_{number:026d}" for number in reversed(range(50))]
    assert (rows[0]["amount"], rows[0]["currency"]) == ("0.50", "USD")


# By the groups of the figures


def fill() -> None:
    with db.transaction() as session:
        moved(session, "charge", 100_00, 2_50, source_id="ch_1")
        moved(session, "refund", -20_00, subject="pay_2")
        moved(session, "stripe_fee", -7_00, payout_id="po_1")
        moved(session, "charge", 9_00, at=NOON + timedelta(days=30), booked_at=None)
        for kind, minor in (("charge", 100_00), ("fee", 2_50), ("refund", 20_00), ("stripe_fee", 7_00)):
            book(session, kind, minor)
        book(session, "outside", 30_00)


@pytest.mark.parametrize("group", [figures.CHARGED, figures.REFUNDED, figures.FEES, figures.DISPUTED, figures.OTHER])
def test_the_lines_of_a_group_add_up_to_its_figure(database: str, group: str) -> None:
    fill()
    wanted = LinesFilter(group=group, currency="eur", since=date(2026, 10, 1), until=date(2026, 10, 31))
    with db.reading() as session:
        found = figures.of(session, "eur", Period.of_month(NOON.date()))
        (line,) = (line for line in found.lines if line.name == group)
        postings = queries.postings(session, wanted).rows
        transactions = queries.transactions(session, wanted).rows
    ours = sum(one.amount_minor if one.debit == LedgerAccount.STRIPE else -one.amount_minor for one in postings)
    fees = sum(one.fee_minor for one in transactions)
    amounts = sum(one.amount_minor for one in transactions if group != figures.FEES or one.type == "stripe_fee")
    assert ours == line.ours.minor
    assert amounts - (fees if group == figures.FEES else 0) == line.stripes.minor


def test_the_balance_is_all_that_touches_it(database: str) -> None:
    fill()
    with db.reading() as session:
        of_balance = queries.postings(session, LinesFilter(group=queries.BALANCE)).rows
        everything = queries.postings(session, LinesFilter()).rows
    assert {one.kind for one in everything} - {one.kind for one in of_balance} == {"outside"}


def test_balance_transactions_are_found_by_every_id_and_by_the_time_of_our_postings(database: str) -> None:
    fill()

    def amounts(**wanted: Any) -> list[int]:
        with db.reading() as session:
            return [one.amount_minor for one in queries.transactions(session, LinesFilter(**wanted)).rows]

    assert amounts() == [9_00, -7_00, -20_00, 100_00]
    assert amounts(subject="ch_1") == [100_00]
    assert amounts(subject="pay_2") == [-20_00]
    assert amounts(subject="po_1") == [-7_00]
    assert amounts(until=date(2026, 10, 31), currency="eur") == [-7_00, -20_00, 100_00]
    assert amounts(since=date(2026, 11, 1)) == [9_00]
    assert amounts(currency="usd") == []


def test_all_balance_transactions_are_on_some_page_and_in_the_file(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.transaction() as session:
        for number in range(50):  # the newest at Stripe are the first in our books
            at = NOON - timedelta(minutes=number)
            moved(session, "charge", number - 25, at=NOON, booked_at=at if number % 3 else None, created_at=at)
    listed: list[str] = []
    cursor: str | None = None
    while True:
        with db.reading() as session:
            page = queries.transactions(session, LinesFilter(currency="eur"), cursor)
        listed += [one.id for one in page.rows]
        cursor = page.older
        if cursor is None:
            break
    monkeypatch.setattr(exports, "EXPORT_BATCH", 7)
    lines = exports.export_transactions(LinesFilter(currency="eur"))
    rows = list(csv.DictReader(line.removeprefix("\ufeff") for line in lines))
    assert [row["transaction"] for row in rows] == listed
    assert len(set(listed)) == 50
    assert [row["amount"] for row in rows[:2]] == ["-0.25", "-0.24"]  # numbers, which a spreadsheet adds up
    with db.reading() as session:
        event = session.scalars(select(AuditEvent).order_by(AuditEvent.number.desc()).limit(1)).one()
        assert (event.action, event.facts) == ("books.exported", {"lines": "transactions", "currency": "eur"})
        with pytest.raises(NotFound):
            queries.transactions(session, LinesFilter(), "nonsense")


def test_balance_transactions_are_found_by_their_indexes(database: str) -> None:
    with db.transaction() as session:
        rows = [
            {"id": f"txn_{number:08d}", "type": "charge", "category": "charge", "description": "", "amount_minor": 1,
             "fee_minor": 0, "currency": ("eur", "usd")[number % 2], "created_at": NOON + timedelta(minutes=number),
             "available_on": NOON, "booked_at": NOON + timedelta(minutes=number), "subject": ""}
            for number in range(2_000)
        ]  # fmt: skip
        session.execute(insert(StripeTransaction), rows)
    october: dict[str, Any] = {"since": date(2026, 10, 1), "until": date(2026, 10, 31)}
    of_period = plans(lambda session: queries.transactions(session, LinesFilter(currency="usd", **october)))
    everything = plans(lambda session: queries.transactions(session, LinesFilter()))
    # Of two currencies PostgreSQL may as well take the times alone.
    assert re.search("ix_stripe_transactions_(period|at)", of_period)
    assert "ix_stripe_transactions_at" in everything
    assert "TEMP B-TREE" not in of_period + everything
