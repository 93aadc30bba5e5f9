"""The figures of a period: both sides alike, to the cent, by an index, and the same on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from portal.core import db
from portal.core.money import Money
from portal.ledger import LedgerAccount, Posting
from portal.reconciliation import balances, figures
from portal.reconciliation.figures import Figures, Period
from portal.reconciliation.models import StripeTransaction
from tests.books.conftest import NOON, book, moved
from tests.plans import plans

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 31))


def read(currency: str = "eur", period: Period = OCTOBER) -> Figures:
    with db.reading() as session:
        return figures.of(session, currency, period)


def ours(found: Figures) -> dict[str, int]:
    return {line.name: line.ours.minor for line in found.lines if line.ours}


def stripes(found: Figures) -> dict[str, int]:
    return {line.name: line.stripes.minor for line in found.lines if line.stripes}


# Each movement that there is: as Stripe has it, and as we book it.
MOVEMENTS = {
    "a charge": (("charge", 100_00, 2_50, {}), [("charge", 100_00), ("fee", 2_50)]),
    "a payment by debit": (("payment", 50_00, 0, {}), [("charge", 50_00)]),
    "a charge in another currency": (("charge", 92_00, 3_00, {}), [("charge_exchange", 92_00), ("fee", 3_00)]),
    "a refund": (("refund", -20_00, 50, {}), [("refund", 20_00), ("refund_fee", 50)]),
    "a refund of a debit": (("payment_refund", -20_00, 0, {}), [("refund", 20_00)]),
    "a refund in another currency": (("refund", -20_00, 0, {}), [("refund_exchange", 20_00)]),
    "a refund that failed": (("refund_failure", 20_00, 0, {}), [("refund_failed", 20_00)]),
    "a dispute": (
        ("adjustment", -30_00, 15_00, {"category": "dispute", "source_id": "du_1"}),
        [("dispute", 30_00), ("dispute_fee", 15_00)],
    ),
    "a dispute without a category": (("adjustment", -30_00, 0, {"source_id": "dp_1"}), [("dispute", 30_00)]),
    "a dispute that was won": (
        ("adjustment", 30_00, -15_00, {"category": "dispute_reversal", "source_id": "du_1"}),
        [("dispute_reinstated", 30_00), ("dispute_fee_returned", 15_00)],
    ),
    "a fee by itself": (("stripe_fee", -7_00, 0, {}), [("stripe_fee", 7_00)]),
    "a tax on fees": (("tax_fee", -1_00, 0, {}), [("stripe_fee", 1_00)]),
    "a fee that came back": (("stripe_fee", 7_00, 0, {}), [("stripe_fee_returned", 7_00)]),
    "a payout": (("payout", -500_00, 1_00, {}), [("payout", 500_00), ("stripe_fee", 1_00)]),
    "a payout that failed": (("payout_failure", 500_00, 0, {}), [("payout_returned", 500_00)]),
    "a payout that was called off": (("payout_cancel", 500_00, 0, {}), [("payout_returned", 500_00)]),
    "a top-up": (("topup", 40_00, 0, {}), [("topup", 40_00)]),
    "an adjustment of no dispute": (("adjustment", -5_00, 0, {"source_id": "duck"}), [("other", 5_00)]),
    "a charge of something else, explained": (
        ("charge", 5_00, 30, {"subject": ""}),
        [("other_returned", 5_00), ("stripe_fee", 30)],
    ),
    "a refund of something else, explained": (("refund", -5_00, 0, {"subject": ""}), [("other", 5_00)]),
    "a hold of payouts": (("payout_minimum_balance_hold", -5_00, 0, {}), [("other", 5_00)]),
    "something unheard of": (("moon_landing", -5_00, 0, {}), [("other", 5_00)]),
}


@pytest.mark.parametrize("what", MOVEMENTS)
def test_a_movement_stands_in_the_same_group_on_both_sides(database: str, what: str) -> None:
    (type_, minor, fee, more), postings = MOVEMENTS[what]
    with db.transaction() as session:
        moved(session, type_, minor, fee, **more)
        for kind, amount in postings:
            book(session, kind, amount)
    found = read()
    assert ours(found) == stripes(found)
    assert found.lines[-1].ours.minor == minor - fee
    assert found.equal


def test_groups_and_their_signs(database: str) -> None:
    with db.transaction() as session:
        for (type_, minor, fee, more), postings in MOVEMENTS.values():
            moved(session, type_, minor, fee, **more)
            for kind, amount in postings:
                book(session, kind, amount)
        book(session, "outside", 999_00)  # which never was at Stripe
    found = read()
    assert ours(found) == stripes(found) == {
        "charged": 242_00, "refunded": -40_00, "disputed": -30_00, "fees": -8_30, "paid_out": 500_00, "other": 25_00,
        "closing": 688_70,
    }  # fmt: skip


def test_a_difference_stands_where_it_arose(database: str) -> None:
    with db.transaction() as session:
        moved(session, "charge", 100_00, 2_50)
        book(session, "charge", 100_00)
        book(session, "fee", 2_00)
    found = read()
    assert {line.name: line.difference.minor for line in found.lines if line.difference} == {"fees": 50, "closing": 50}
    assert not found.equal


def test_what_was_before_is_in_the_opening_balance_and_what_comes_after_is_nowhere(database: str) -> None:
    first, beyond = OCTOBER.begins, OCTOBER.ends
    moments = (first - timedelta(microseconds=1), first, beyond - timedelta(microseconds=1), beyond)
    with db.transaction() as session:
        for at, minor in zip(moments, (1, 10, 100, 1000), strict=True):
            moved(session, "charge", minor, at=at)
            book(session, "charge", minor, at=at)
    found = read()
    assert ours(found) == stripes(found) == {"opening": 1, "charged": 110, "closing": 111}
    assert ours(read(period=Period(date(2026, 11, 1), date(2026, 11, 1)))) == {
        "opening": 111, "charged": 1000, "closing": 1111,
    }  # fmt: skip


def test_a_movement_at_midnight_is_in_one_period_on_both_sides(database: str) -> None:
    """Stripe has it at one second to twelve; our posting is of the next day."""
    with db.transaction() as session:
        moved(session, "charge", 10_00, at=OCTOBER.ends - timedelta(seconds=1), booked_at=OCTOBER.ends)
        book(session, "charge", 10_00, at=OCTOBER.ends)
        moved(session, "charge", 7_00, at=OCTOBER.ends - timedelta(seconds=1), booked_at=None)
    assert (ours(read()), stripes(read())) == ({}, {"charged": 7_00, "closing": 7_00})


def test_currencies_do_not_mix(database: str) -> None:
    with db.transaction() as session:
        book(session, "charge", 100_00)
        book(session, "charge", 900, currency="jpy")
        moved(session, "charge", 5_00, currency="usd")
    with db.reading() as session:
        assert balances.currencies(session) == ["eur", "jpy", "usd"]
    assert ours(read("jpy")) == {"charged": 900, "closing": 900}
    assert read("jpy").lines[-1].ours == Money(900, "jpy")
    assert (ours(read("usd")), stripes(read("usd"))) == ({}, {"charged": 5_00, "closing": 5_00})


def test_each_day_has_its_sums(database: str) -> None:
    with db.transaction() as session:
        for day, kind, minor in ((1, "charge", 10_00), (1, "charge", 5_00), (1, "fee", 1_00), (31, "refund", 3_00)):
            book(session, kind, minor, at=datetime(2026, 10, day, 23, 59, tzinfo=UTC))
        book(session, "charge", 1, at=OCTOBER.ends)
        book(session, "charge", 1, at=OCTOBER.begins - timedelta(seconds=1))
    with db.reading() as session:
        days = figures.by_day(session, "eur", OCTOBER)
    assert [day.day for day in days] == [date(2026, 10, number) for number in range(1, 32)]
    assert [(day.charged.minor, day.refunded.minor, day.fees.minor) for day in (days[0], days[1], days[-1])] == [
        (15_00, 0, -1_00), (0, 0, 0), (0, -3_00, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "period"),
    [
        pytest.param(zone, period, marks=pytest.mark.settings(PORTAL_TIMEZONE=zone), id=f"{zone} {period.since}")
        for zone, period in (
            ("Europe/Berlin", Period(date(2026, 3, 1), date(2026, 10, 31))),
            ("America/Los_Angeles", Period(date(2026, 10, 25), date(2026, 11, 2))),
            ("Australia/Lord_Howe", Period(date(2026, 3, 30), date(2026, 4, 6))),
            ("Pacific/Kiritimati", Period(date(2028, 2, 28), date(2028, 3, 1))),
            ("Etc/GMT+12", Period(date(2028, 2, 29), date(2028, 2, 29))),
        )
    ],
)
def test_each_movement_is_on_the_companys_day(settings: object, zone: str, period: Period) -> None:
    """One at the first and one at the last moment of each day, also of those on which the clocks change."""
    expected = [period.since + timedelta(days=number) for number in range(period.days)]
    with db.transaction() as session:
        for day in expected:
            midnight = datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(UTC)
            book(session, "charge", 1_00, at=midnight)
            book(session, "charge", 10, at=midnight - timedelta(microseconds=1))
        book(session, "charge", 10, at=period.ends - timedelta(microseconds=1))
        book(session, "charge", 5_00, at=period.ends)
    with db.reading() as session:
        found = figures.by_day(session, "eur", period)
    assert [(day.day, day.charged.minor) for day in found] == [(day, 1_10) for day in expected]
    assert ours(read(period=period)) == {
        "opening": 10, "charged": 1_10 * period.days, "closing": 10 + 1_10 * period.days,
    }  # fmt: skip


def test_a_month_has_all_its_days() -> None:
    assert Period.of_month(date(2026, 10, 15)) == OCTOBER
    assert OCTOBER.is_month
    assert Period.of_month(date(2028, 2, 29)) == Period(date(2028, 2, 1), date(2028, 2, 29))
    assert not Period(date(2026, 10, 1), date(2026, 10, 30)).is_month


def test_sums_of_many_are_right_to_the_cent_and_found_by_an_index(database: str) -> None:
    start = datetime(2026, 9, 1, tzinfo=UTC)
    kinds = (
        ("charge", LedgerAccount.STRIPE, "receivables"),
        ("fee", LedgerAccount.FEES, LedgerAccount.STRIPE),
        ("refund", LedgerAccount.REFUNDS, LedgerAccount.STRIPE),
    )
    postings: list[dict[str, Any]] = []
    transactions: list[dict[str, Any]] = []
    for number in range(20_000):
        at = start + timedelta(minutes=5 * number)
        kind, debit, credit = kinds[number % 3]
        postings.append(
            {"id": f"pst_{number:026d}", "at": at, "kind": kind, "debit": debit, "credit": credit, "subject": "pay_1",
             "amount_minor": number + 1, "currency": ("eur", "usd")[number % 2], "reference": f"x:{number}"}
        )  # fmt: skip
        transactions.append(
            {"id": f"txn_{number:08d}", "type": ("charge", "refund")[number % 2], "category": "", "description": "",
             "amount_minor": number + 1, "fee_minor": number % 7, "currency": ("eur", "usd")[number % 2],
             "created_at": at, "available_on": at, "booked_at": at if number % 5 else None, "subject": ""}
        )  # fmt: skip
    with db.transaction() as session:
        for begin in range(0, 20_000, 4_000):
            session.execute(insert(Posting), postings[begin : begin + 4_000])
            session.execute(insert(StripeTransaction), transactions[begin : begin + 4_000])
    found = read("usd")
    of_month = [one for one in postings if one["currency"] == "usd" and OCTOBER.begins <= one["at"] < OCTOBER.ends]
    assert ours(found)["charged"] == sum(one["amount_minor"] for one in of_month if one["kind"] == "charge")
    assert ours(found)["fees"] == -sum(one["amount_minor"] for one in of_month if one["kind"] == "fee")
    until = [one for one in transactions if one["currency"] == "usd" and one["created_at"] < OCTOBER.ends]
    assert stripes(found)["closing"] == sum(one["amount_minor"] - one["fee_minor"] for one in until)
    plan = plans(lambda session: figures.of(session, "usd", OCTOBER))
    assert "ix_postings_period" in plan
    assert "ix_stripe_transactions_period" in plan
    assert "ix_postings_period" in plans(lambda session: figures.by_day(session, "usd", OCTOBER))


INSTANT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("compared_to", "newer"),
    [
        (NOON, ["at noon", "a moment later", "at the end"]),
        (NOON + INSTANT, ["a moment later", "at the end"]),
        (OCTOBER.begins - timedelta(days=1), ["at the beginning", "at noon", "a moment later", "at the end"]),
        (OCTOBER.ends - INSTANT, ["at the end"]),
        (OCTOBER.ends, []),
    ],
)
def test_what_no_comparison_has_seen_is_counted_within_the_period(
    database: str, compared_to: datetime, newer: list[str]
) -> None:
    """A comparison has seen what was before its end; the fee of a movement is no movement of its own."""
    moments = {
        "before": OCTOBER.begins - INSTANT,
        "at the beginning": OCTOBER.begins,
        "at noon": NOON,
        "a moment later": NOON + INSTANT,
        "at the end": OCTOBER.ends - INSTANT,
        "afterwards": OCTOBER.ends,
    }
    with db.transaction() as session:
        for at in moments.values():
            book(session, "charge", 10_00, at=at)
            for _ in range(2):
                book(session, "fee", 50, at=at)
                book(session, "charge", 900, currency="jpy", at=at)
            book(session, "outside", 9_00, at=at)
    with db.reading() as session:
        assert figures.of(session, "eur", OCTOBER, compared_to).newer == len(newer)
        assert figures.of(session, "usd", OCTOBER, compared_to).newer == 0
