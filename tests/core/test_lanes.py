"""What customers wait for is asked for first, and no kind of work takes all threads of a worker."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.core import db
from portal.core.db import database_moment
from portal.jobs import outbox
from portal.jobs.job import declared
from portal.jobs.lanes import REVERSED_EVERY, Lane, Shares
from portal.jobs.models import JobRow
from tests.core.jobs import Work, jobs, named
from tests.core.test_workers import working
from tests.waiting import eventually

MONEY, MESSAGES, DOCUMENTS, UPKEEP = Lane


def add(*lanes: Lane) -> list[str]:
    """Jobs of these lanes, the first the oldest; returns their ids."""
    ids = []
    for age, lane in enumerate(reversed(lanes)):
        with db.transaction() as session:
            named().enqueue(session, number=age)
        mine = next(row.id for row in jobs() if row.args == {"number": age})
        with db.transaction() as session:
            at = database_moment(session, -1 - age)
            session.execute(update(JobRow).where(JobRow.id == mine).values(lane=lane, run_at=at))
        ids.append(mine)
    return ids[::-1]


def taken(lanes: Sequence[Lane], most: int = 1) -> list[str]:
    return [job.id for job in outbox.claim("worker", most, lanes=lanes)]


def test_the_first_lane_that_has_some_is_taken_from(database: str, work: Work) -> None:
    document, mail, payment, later = add(DOCUMENTS, MESSAGES, MONEY, MONEY)
    assert taken([MONEY, MESSAGES], most=5) == [payment, later]
    assert taken([MONEY, UPKEEP]) == []
    assert taken([MONEY, DOCUMENTS, MESSAGES]) == [document]
    assert taken(()) == [mail]


def test_the_oldest_that_is_due_is_known_for_each_lane(database: str, work: Work) -> None:
    add(DOCUMENTS, DOCUMENTS, MONEY)
    with db.reading() as session:
        since = outbox.oldest_due(session)
    at = {row.id: row.run_at for row in jobs()}
    assert since == {MONEY: max(at.values()), MESSAGES: None, DOCUMENTS: min(at.values()), UPKEEP: None}
    taken([DOCUMENTS], most=2)
    with db.reading() as session:
        assert outbox.oldest_due(session)[DOCUMENTS] is None


def test_a_job_is_left_in_its_lane(app: Flask, database: str) -> None:
    by_name = declared()
    assert {name for name in by_name if by_name[name].lane == DOCUMENTS} >= {"documents.render", "books.make_pack"}
    for one in by_name.values():
        says = one.name.partition(".")[2]
        if one.every_seconds:
            assert one.lane == UPKEEP, one.name
        elif says.startswith("mail") or says == "deliver":
            assert one.lane == MESSAGES, one.name
    with db.transaction() as session:
        for one in (by_name["documents.render"], by_name["payments.follow_up"]):
            one.requeue(session, f"row of {one.name}")
        by_name["api.sweep"].enqueue_for_period(session)
    with db.reading() as session:
        lanes = {row.name: row.lane for row in session.scalars(select(JobRow))}
    assert lanes == {
        "documents.render": DOCUMENTS,
        "payments.follow_up": MONEY,
        "api.sweep": UPKEEP,
    }


@pytest.mark.parametrize(
    ("running", "lanes"),
    [
        ([], [MONEY, MESSAGES, DOCUMENTS, UPKEEP]),
        ([UPKEEP], [MONEY, MESSAGES, DOCUMENTS]),
        ([MESSAGES, MESSAGES], [MONEY, DOCUMENTS, UPKEEP]),
        ([MESSAGES, MESSAGES, DOCUMENTS], [MONEY]),
        ([MONEY, MONEY, MONEY], [MONEY, MESSAGES, DOCUMENTS, UPKEEP]),
    ],
)
def test_each_lane_has_a_share_and_one_thread_is_left_for_money(running: list[Lane], lanes: list[Lane]) -> None:
    assert Shares(4).open(running) == lanes


def test_a_worker_with_one_thread_takes_from_every_lane() -> None:
    assert Shares(1).open([]) == [MONEY, MESSAGES, DOCUMENTS, UPKEEP]


def test_now_and_then_the_last_lane_is_asked_first() -> None:
    shares = Shares(1)
    first = [shares.open([])[0] for _ in range(2 * REVERSED_EVERY)]
    assert first == 2 * ([MONEY] * (REVERSED_EVERY - 1) + [UPKEEP])


def test_documents_that_hang_keep_no_payment_waiting(database: str, work: Work) -> None:
    """All of them are older, and there are more of them than the worker has threads."""
    may_end, paid, begun = threading.Event(), threading.Event(), []

    def go(number: int) -> None:
        if number == 0:
            paid.set()
        else:
            begun.append(number)
            assert may_end.wait(60)

    work(go)
    add(*[DOCUMENTS] * 12, MONEY)
    with working(threads=4):
        try:
            assert paid.wait(30)
            eventually(lambda: len(begun) == 2, within=30, what="a share of the documents")
        finally:
            may_end.set()
        eventually(lambda: all(row.status == "done" for row in jobs()), within=60, what="all of them")
