"""Numbers of documents: from one on, without a gap and without a double, whoever asks at once and whatever goes wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from portal.core import db, numbering
from tests.core.conftest import GaveUpError, given_up


def take(series: str = "test") -> int:
    with db.transaction() as session:
        return numbering.take(session, series)


def test_each_series_counts_from_one_by_itself(database: str) -> None:
    assert [take("one"), take("one"), take("other"), take("one")] == [1, 2, 1, 3]


def test_several_numbers_of_one_transaction_follow_each_other(database: str) -> None:
    with db.transaction() as session:
        assert [numbering.take(session, "test") for _ in range(3)] == [1, 2, 3]


def test_many_at_once_with_every_third_given_up_leave_no_gap(database: str) -> None:
    def one(number: int) -> int | None:
        if number % 3:
            return take()
        with suppress(GaveUpError):
            given_up(lambda session: numbering.take(session, "test"))
        return None

    with ThreadPoolExecutor(8) as pool:
        taken = [number for number in pool.map(one, range(60)) if number is not None]
    assert sorted(taken) == list(range(1, 41))
