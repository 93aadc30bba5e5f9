"""Outages: a job whose service does not answer waits for it, however long, and goes on when the service is back."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from portal import gateway
from portal.core import clock, db, logs
from portal.core.errors import RateLimited, Unavailable
from portal.jobs import outages, outbox, own_jobs, workers
from portal.jobs.models import JobRow
from portal.jobs.outbox import FAST_RETRIES, GIVE_UP_AFTER, MOST_ATTEMPTS, Reschedule
from portal.jobs.workers import TOLD_AFTER, Outage
from tests.core.jobs import NAME, Work, add, change, do, due_now, job, jobs
from tests.live import SandboxServer
from tests.smtp import Mailbox
from tests.waiting import eventually


class Service:
    """Something that jobs need; it does not answer while it is `away`."""

    def __init__(self, name: str = outages.STRIPE) -> None:
        self.name = name
        self.away = True
        self.asked: Counter[int] = Counter()

    def ask(self, number: int = 0) -> None:
        self.asked[number] += 1
        if self.away:
            raise outages.mark(Unavailable(), self.name)


@pytest.fixture
def service(database: str, work: Work) -> Service:
    service = Service()
    work(service.ask)
    return service


def wait_with(*numbers: int) -> None:
    """Jobs of these numbers that have lost patience with the service."""
    for number in numbers:
        add(number=number)
    for _ in range(FAST_RETRIES):
        due_now()
        outbox.run_due()
    assert outbox.run_due() == 0


def try_one(service: str = outages.STRIPE) -> bool:
    with db.transaction() as session:
        return workers.try_one(session, service)


def away() -> list[Outage]:
    with db.reading() as session:
        return workers.outages_now(session)


def test_a_hiccup_is_tried_again_soon_and_an_outage_is_waited_for(service: Service) -> None:
    add()
    for number in range(1, FAST_RETRIES + 3):
        due_now()
        assert outbox.run_due() == 1
        row = job()
        soon = row.run_at - clock.now() < timedelta(seconds=15)
        assert (row.status, soon) == ("queued", number < FAST_RETRIES)
        assert (row.waits_for, row.attempts) == ("stripe", min(number, FAST_RETRIES))


def test_staff_read_what_it_was_and_not_what_customers_are_told(database: str, work: Work) -> None:
    def ask() -> None:
        raise outages.mark(Unavailable(), outages.STRIPE) from ConnectionResetError("reset by Stripe")

    work(ask)
    add()
    outbox.run_due()
    assert job().last_error == "Unavailable (unavailable): ConnectionResetError: reset by Stripe"


def test_no_number_of_tries_kills_a_job_that_waits(service: Service) -> None:
    add()
    for _ in range(3 * MOST_ATTEMPTS):
        due_now()
        assert outbox.run_due() == 1
    assert job().status == "queued"
    service.away = False
    due_now()
    outbox.run_due()
    row = job()
    assert (row.status, row.waits_for, row.waits_since, row.last_error) == ("done", None, None, None)


def test_after_a_week_a_job_is_given_up(service: Service) -> None:
    wait_with(0)
    change(waits_since=clock.now() - GIVE_UP_AFTER + timedelta(minutes=1))
    due_now()
    outbox.run_due()
    assert job().status == "queued"
    change(waits_since=clock.now() - GIVE_UP_AFTER)
    due_now()
    outbox.run_due()
    assert (job().status, job().waits_for) == ("dead", None)


def test_when_one_gets_through_all_that_wait_for_the_same_service_are_due(service: Service, work: Work) -> None:
    post = Service(outages.MAIL)
    do(post.ask, "tests.mail")
    wait_with(*range(5))
    add("tests.mail")
    for _ in range(FAST_RETRIES):
        change_one("tests.mail")
        outbox.run_due()
    service.away = False
    assert outbox.run_due() == 0
    assert try_one()
    assert outbox.run_due() == 5
    assert {(row.name, row.status) for row in jobs()} == {(NAME, "done"), ("tests.mail", "queued")}
    assert [(one.service, one.jobs) for one in away()] == [("mail", 1)]


def change_one(name: str) -> None:
    with db.transaction() as session:
        due = clock.now() - timedelta(seconds=1)
        session.execute(update(JobRow).where(JobRow.name == name).values(run_at=due))


def test_a_job_that_gets_through_and_comes_again_later_wakes_the_others_too(service: Service, work: Work) -> None:
    wait_with(0, 1)

    def ask_and_come_again(number: int) -> None:
        service.ask(number)
        raise Reschedule(3600)

    work(ask_and_come_again)
    service.away = False
    try_one()
    assert outbox.run_due() == 2
    assert away() == []


def test_one_at_a_time_tries_and_each_in_its_turn(service: Service) -> None:
    wait_with(0, 1, 2)
    service.asked.clear()
    for _ in range(6):
        assert try_one()
        assert not try_one()
        assert outbox.run_due() == 1
    assert service.asked == {0: 2, 1: 2, 2: 2}
    assert not try_one(outages.MAIL)


def test_while_one_tries_again_soon_by_itself_no_other_has_to(service: Service) -> None:
    wait_with(0)
    add(number=1)
    assert outbox.run_due() == 1
    assert not try_one()


def test_one_that_fails_for_its_own_reason_waits_no_more_and_wakes_nobody(service: Service, work: Work) -> None:
    wait_with(0, 1)

    def breaks(number: int) -> None:
        raise ValueError(number)

    work(breaks)
    try_one()
    assert outbox.run_due() == 1
    assert Counter(row.waits_for for row in jobs()) == {"stripe": 1, None: 1}


def test_a_job_that_staff_try_again_waits_no_more(service: Service) -> None:
    wait_with(0)
    waiting = job().id
    with db.transaction() as session:
        assert outbox.revive(session, waiting)
    assert away() == []
    assert (job().attempts, job().waits_since) == (0, None)


def test_workers_find_out_by_themselves_that_a_service_is_back(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "HOUSEKEEPING_SECONDS", 0.05)
    wait_with(*range(20))
    stop = threading.Event()
    staff = [threading.Thread(target=workers.work, args=(f"worker {n}", stop, 2)) for n in range(2)]
    try:
        for worker in staff:
            worker.start()
        eventually(
            lambda: len(service.asked) == 20 and min(service.asked.values()) > FAST_RETRIES, within=60, what="attempts"
        )
        service.away = False
        eventually(lambda: {row.status for row in jobs()} == {"done"}, within=60, what="all that waited")
    finally:
        stop.set()
        for worker in staff:
            worker.join(30)


# Telling staff


def housekeeping() -> None:
    workers.housekeeping()


def told() -> list[dict[str, object]]:
    with db.reading() as session:
        return [row.args for row in session.query(JobRow).filter(JobRow.name == own_jobs.mail_outage.name)]


def test_staff_are_told_once_when_a_service_has_been_away_for_long(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    logs.configure("INFO")
    wait_with(0, 1)
    change(waits_since=clock.now() - TOLD_AFTER + timedelta(seconds=30))
    housekeeping()
    assert told() == []
    change(waits_since=clock.now() - TOLD_AFTER)
    for _ in range(3):
        housekeeping()
    assert [row["service"] for row in told()] == ["stripe"]
    (line,) = [record.msg for record in caplog.records if record.levelno == logging.ERROR]
    assert isinstance(line, dict)
    assert (line["event"], line["service"]) == ("service_is_away", "stripe")


@pytest.mark.parametrize("is_back", [True, False])
def test_the_mail_says_who_is_away_and_is_not_sent_when_it_is_back(
    app: Flask, smtp: Mailbox, service: Service, is_back: bool
) -> None:
    wait_with(0)
    change(waits_since=clock.now() - TOLD_AFTER)
    housekeeping()
    service.away = not is_back
    if is_back:
        try_one()
    with app.app_context():
        outbox.run_due()
    assert [mail["Subject"] for mail in smtp.messages] == ([] if is_back else ["No answer from Stripe"])


# What counts as an outage


@contextmanager
def marked(service: str | None, kind: type[Exception]) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert outages.service_of(caught.value) == service


def test_stripe_is_away_when_it_does_not_answer_or_cannot(app: Flask, sandbox: SandboxServer) -> None:
    for fault, kind in (
        ("reset_before", Unavailable),
        ("error_before", Unavailable),
        ("conflict", gateway.Busy),
        ("rate_limit", RateLimited),
    ):
        sandbox.control("faults", fault=fault, times=2)
        with marked("stripe", kind):
            gateway.current().retrieve_intent("pi_1")
        sandbox.reset()
    with marked(None, gateway.MissingAtStripe):
        gateway.current().retrieve_intent("pi_1")


def test_the_database_is_away_when_it_says_so(database: str) -> None:
    closed = OperationalError("SELECT 1", {}, Exception("the server closed the connection"))
    assert [outages.service_of(error) for error in (closed, ValueError())] == ["database", None]
