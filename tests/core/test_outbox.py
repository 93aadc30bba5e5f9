"""Jobs: they leave with their transaction, run at least once, back off, and are never lost when a worker dies."""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from portal.content.mail import NotReachable
from portal.core import clock, db, logs
from portal.jobs import job as portal_jobs
from portal.jobs import outbox, own_jobs
from portal.jobs.models import JobRow
from portal.jobs.outbox import BACKOFF_SECONDS, MOST_ATTEMPTS, Reschedule
from tests.core.conftest import GaveUpError, given_up
from tests.core.jobs import NAME, Work, add, change, do, due_now, fails, job, jobs, move_database_clock, named

# Leaving


def test_a_job_leaves_with_its_transaction_or_not_at_all(database: str) -> None:
    with pytest.raises(GaveUpError):
        given_up(lambda session: named().enqueue(session))
    assert jobs() == []
    add(number=1, words="zwölf", nothing=None)
    assert (job().args, job().status, job().attempts) == ({"number": 1, "words": "zwölf", "nothing": None}, "queued", 0)


def test_a_second_job_of_a_key_is_not_made_even_after_the_first_ran(database: str, work: Work) -> None:
    ran: list[int] = []
    work(lambda **args: ran.append(args["number"]))
    once = named(once_per=("words",))

    def leave(number: int) -> bool:
        with db.transaction() as session:
            return once.enqueue(session, words="a", number=number)

    assert (leave(1), leave(2)) == (True, False)
    assert outbox.run_due() == 1
    assert not leave(3)
    assert outbox.run_due() == 0
    assert ran == [1]


def test_a_job_waits_for_its_time(database: str, work: Work) -> None:
    ran: list[int] = []
    work(lambda: ran.append(1))
    add(delay_seconds=60)
    assert outbox.run_due() == 0
    due_now()
    assert outbox.run_due() == 1
    assert ran == [1]


# Leases


def test_a_job_that_someone_has_is_nobody_elses_until_the_lease_is_over(database: str) -> None:
    add()
    (mine,) = outbox.claim("first", 1, lease_seconds=60)
    assert outbox.claim("second", 1) == []
    change(lease_until=clock.now() - timedelta(milliseconds=1))
    (theirs,) = outbox.claim("second", 1)
    assert (theirs.id, theirs.attempts) == (mine.id, 2)


def test_one_who_lost_the_lease_does_not_write_over_the_outcome_of_the_next(database: str, work: Work) -> None:
    work(lambda: None)
    add()
    (slow,) = outbox.claim("slow", 1, lease_seconds=-1)
    (quick,) = outbox.claim("quick", 1)
    outbox.run(slow, "slow")
    assert (job().status, job().lease_owner) == ("queued", "quick")
    outbox.run(quick, "quick")
    assert (job().status, job().lease_owner) == ("done", None)


def test_the_oldest_jobs_are_taken_first_and_no_more_than_asked_for(database: str) -> None:
    for number in range(3):
        add(number=number)
    assert [claimed.args["number"] for claimed in outbox.claim("one", 2)] == [0, 1]
    assert [claimed.args["number"] for claimed in outbox.claim("two", 2)] == [2]


# Failing


def test_a_failure_backs_off_by_the_schedule_and_after_the_last_try_the_job_is_dead(
    database: str, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    logs.configure("INFO")
    work(fails)
    add()
    waits = []
    for number in range(1, MOST_ATTEMPTS + 1):
        due_now()
        before = clock.now()
        assert outbox.run_due() == 1
        row = job()
        assert (row.attempts, row.last_error, row.lease_owner) == (number, "ValueError: no luck today", None)
        if number < MOST_ATTEMPTS:
            assert row.status == "queued"
            waits.append((row.run_at - before).total_seconds())
    for wait, planned in zip(waits, BACKOFF_SECONDS, strict=False):
        assert 0.75 * planned <= wait <= 1.25 * planned + 5
    assert (job().status, outbox.run_due()) == ("dead", 0)
    (alert,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert isinstance(alert.msg, dict)
    assert (alert.msg["event"], alert.msg["job"], alert.msg["attempts"]) == ("job_dead", NAME, MOST_ATTEMPTS)


def test_a_failure_that_no_other_try_can_help_kills_the_job_at_once(database: str, work: Work) -> None:
    def cannot_be_sent() -> None:
        raise NotReachable(address="jörg@shop.test")

    work(cannot_be_sent)
    add()
    assert outbox.run_due() == 1
    assert (job().status, job().attempts) == ("dead", 1) and "NotReachable" in (job().last_error or "")


def test_a_job_that_kills_its_workers_is_dead_after_the_last_try_too(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    logs.configure("INFO")
    add()
    add("tests.harmless")
    claimed = [outbox.claim("dies", 1, lease_seconds=-1) for _ in range(2 * MOST_ATTEMPTS + 2)]
    assert Counter(one.name for taken in claimed for one in taken) == {
        NAME: MOST_ATTEMPTS,
        "tests.harmless": MOST_ATTEMPTS,
    }
    assert outbox.claim("next", 5) == []
    assert len(alerts()) == 1
    assert {(row.status, row.attempts, bool(row.finished_at)) for row in jobs()} == {("dead", MOST_ATTEMPTS, True)}
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_a_dead_job_can_be_revived_and_a_living_one_stays_as_it_is(database: str, work: Work) -> None:
    work(lambda: None)
    add()
    job_id = job().id
    change(status="dead", attempts=MOST_ATTEMPTS, finished_at=clock.now())
    for _ in range(2):
        with db.transaction() as session:
            outbox.revive(session, job_id)
    assert (job().status, job().attempts, job().finished_at) == ("queued", 0, None)
    assert outbox.run_due() == 1
    with db.transaction() as session:
        assert not outbox.revive(session, job_id)
    assert job().status == "done"


def test_a_job_that_waits_after_a_failure_can_be_tried_at_once_and_one_that_is_being_run_cannot(
    database: str, work: Work
) -> None:
    work(fails)
    add()
    job_id = job().id

    def revived() -> bool:
        with db.transaction() as session:
            return outbox.revive(session, job_id)

    assert not revived()  # it has not failed
    assert outbox.run_due() == 1
    change(run_at=clock.now() + timedelta(hours=3))
    assert revived()
    assert job().attempts == 0
    (claimed,) = outbox.claim("worker", 1)
    assert not revived()
    assert job().attempts == claimed.attempts == 1


# Telling staff


def alerts() -> list[JobRow]:
    with db.reading() as session:
        return list(
            session.scalars(select(JobRow).where(JobRow.name == own_jobs.mail_dead.name).order_by(JobRow.run_at))
        )


def die(name: str = NAME) -> None:
    """A job of this name fails for the last time."""
    add(name)
    with db.transaction() as session:
        session.execute(
            update(JobRow).where(JobRow.status == "queued", JobRow.name == name).values(attempts=MOST_ATTEMPTS - 1)
        )
    assert outbox.run_due() == 1


def test_staff_are_told_once_of_all_jobs_that_died_within_some_minutes(
    database: str, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(fails)
    clock_of_database = [datetime(2026, 11, 23, 9, 1, tzinfo=UTC)]
    move_database_clock(monkeypatch, lambda: clock_of_database[0])
    die()
    die()
    (alert,) = alerts()
    assert alert.run_at == datetime(2026, 11, 23, 9, 5, 30, tzinfo=UTC)
    clock_of_database[0] += timedelta(minutes=3, seconds=59)
    die()
    assert len(alerts()) == 1
    clock_of_database[0] += timedelta(seconds=1)
    die()
    span = alert.args["span"]
    assert [one.args["span"] for one in alerts()] == [span, span + 1]
    with db.reading() as session:
        assert [len(outbox.died_in(session, one)) for one in (span - 1, span, span + 1)] == [0, 3, 1]


def test_of_a_dead_alert_nobody_is_told(database: str, work: Work) -> None:
    do(fails, own_jobs.mail_dead.name)
    die(own_jobs.mail_dead.name)
    (alert,) = alerts()
    assert alert.status == "dead"


def test_a_job_whose_time_has_not_come_counts_no_try(database: str, work: Work) -> None:
    def later() -> None:
        raise Reschedule(30)

    work(later)
    add()
    for _ in range(MOST_ATTEMPTS + 3):
        due_now()
        assert outbox.run_due() == 1
    row = job()
    assert (row.status, row.attempts) == ("queued", 0)
    assert timedelta(seconds=25) < row.run_at - clock.now() <= timedelta(seconds=30)


def test_waiting_for_its_time_ends_a_row_of_failures(database: str, work: Work) -> None:
    def fails_before_its_time() -> None:
        if job().attempts < 3:
            raise OSError
        raise Reschedule(30)

    work(fails_before_its_time)
    add()
    for _ in range(3):
        due_now()
        outbox.run_due()
    assert (job().status, job().attempts) == ("queued", 0)


def test_a_job_that_nobody_handles_is_kept_and_tried_again(database: str, work: Work) -> None:
    add("tests.of_the_next_release")
    assert outbox.run_due() == 1
    row = job()
    assert (row.status, row.attempts) == ("queued", 1)
    assert "nothing here handles tests.of_the_next_release" in (row.last_error or "")


def test_one_poisoned_job_does_not_hold_up_the_others(
    database: str, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BACKOFF_SECONDS", (600,) * MOST_ATTEMPTS)

    def picky(number: int) -> None:
        if number == 0:
            fails()

    work(picky)
    for number in range(5):
        add(number=number)
    assert outbox.run_due() == 5
    assert Counter(row.status for row in jobs()) == {"done": 4, "queued": 1}


# Every so often


def test_a_periodic_job_is_made_once_a_period_by_all_workers_together(
    database: str, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> None:
        with db.transaction() as session:
            outbox.enqueue_periodic(session)

    do(lambda: None, every_seconds=3600)
    for hour in range(2):
        moment = datetime(2026, 11, 23, 4 + hour, 30, tzinfo=UTC)
        monkeypatch.setattr(portal_jobs, "database_now", lambda _session, moment=moment: moment)
        with ThreadPoolExecutor(5) as workers:
            list(workers.map(lambda _: ask(), range(5)))
        assert len(jobs()) == hour + 1


def test_done_jobs_are_forgotten_after_their_time_and_dead_ones_are_kept(database: str) -> None:
    long_ago = clock.now() - timedelta(days=outbox.KEEP_DONE_DAYS + 1)
    for status, finished_at in (("done", long_ago), ("dead", long_ago), ("done", clock.now()), ("queued", None)):
        add(f"tests.{status}")
        with db.transaction() as session:
            values = {"status": status, "finished_at": finished_at}
            session.execute(
                update(JobRow).where(JobRow.status == "queued", JobRow.name == f"tests.{status}").values(values)
            )
    outbox.sweep()
    assert sorted(row.name for row in jobs()) == ["tests.dead", "tests.done", "tests.queued"]
