"""Workers: they run jobs beside each other, keep what they run, and lose nothing when they die."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, select, update

from deploy.dev.processes import ROOT
from portal.core import clock, db
from portal.jobs import job as portal_jobs
from portal.jobs import outbox, workers
from portal.jobs.models import JobRow
from portal.jobs.outbox import LEASE_SECONDS
from tests.core.jobs import Work, add, change, do, job, jobs, move_database_clock, named
from tests.run import process_environment
from tests.waiting import eventually


@contextmanager
def working(number: int = 1, threads: int = 1) -> Iterator[None]:
    """So many workers in threads of this process; at the end of the block they stop."""
    stop = threading.Event()
    staff = [threading.Thread(target=workers.work, args=(f"worker {n}", stop, threads)) for n in range(number)]
    try:
        for one in staff:
            one.start()
        yield
    finally:
        stop.set()
        for one in staff:
            one.join(30)


def test_four_workers_run_each_job_once_when_nobody_dies(database: str, work: Work) -> None:
    ran: list[int] = []
    work(lambda **args: ran.append(args["number"]))
    with db.transaction() as session:
        for number in range(100):
            named().enqueue(session, number=number)
    with working(4, threads=2):
        eventually(lambda: all(row.status == "done" for row in jobs()), within=60, what="100 jobs")
    assert sorted(ran) == list(range(100))
    assert {row.attempts for row in jobs()} == {1}


def test_a_worker_that_is_told_to_stop_finishes_what_it_began(database: str, work: Work) -> None:
    began, may_end = threading.Event(), threading.Event()

    def slow() -> None:
        began.set()
        assert may_end.wait(30)

    work(slow)
    add()
    stop = threading.Event()
    worker = threading.Thread(target=workers.work, args=("worker", stop, 1))
    try:
        worker.start()
        assert began.wait(30)
        add()  # begun is only the first
        stop.set()
        assert worker.is_alive()
    finally:
        stop.set()
        may_end.set()
        worker.join(30)
    assert not worker.is_alive()
    assert [row.status for row in jobs()] == ["done", "queued"]


# Leases


def test_a_living_worker_keeps_what_it_runs_however_long_that_takes(
    database: str, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "HEARTBEAT_SECONDS", 0.05)
    may_end = threading.Event()
    work(lambda: may_end.wait(60))
    add()
    with working():
        try:
            eventually(lambda: job().lease_owner, within=30, what="the worker has the job")
            change(lease_until=clock.now() + timedelta(seconds=1))
            eventually(lambda: leased_for(LEASE_SECONDS - 5), within=30, what="the lease is renewed")
            assert outbox.claim("another", 1) == []
        finally:
            may_end.set()
    assert (job().status, job().attempts, job().lease_owner) == ("done", 1, None)


def leased_for(seconds: float) -> bool:
    until = job().lease_until
    return until is not None and until - clock.now() > timedelta(seconds=seconds)


def test_a_lease_that_has_passed_to_another_is_not_renewed(database: str) -> None:
    add()
    (mine,) = outbox.claim("mine", 1, lease_seconds=-1)
    outbox.claim("theirs", 1, lease_seconds=5)
    outbox.renew("mine", [mine.id])
    assert job().lease_owner == "theirs"
    assert not leased_for(5)
    outbox.renew("theirs", [mine.id])
    assert leased_for(5)


@contextmanager
def heartbeats_fail() -> Iterator[threading.Event]:
    """The database takes everything but heartbeats; the event tells that there was one."""
    heard = threading.Event()

    def refuse(*_: object) -> None:
        if threading.current_thread().name == "heartbeat":
            heard.set()
            raise OSError

    event.listen(db.engine(), "before_cursor_execute", refuse)
    try:
        yield heard
    finally:
        event.remove(db.engine(), "before_cursor_execute", refuse)


def test_a_worker_that_cannot_renew_goes_on(database: str, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "HEARTBEAT_SECONDS", 0.05)
    with heartbeats_fail() as heard:
        work(lambda: heard.wait(30))
        add()
        with working():
            eventually(lambda: job().status == "done", within=30, what="the job")
            assert heard.is_set()
            add()
            eventually(lambda: {row.status for row in jobs()} == {"done"}, within=30, what="the next job")


def test_a_job_that_hangs_is_not_kept_for_ever(database: str, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(workers, "LONGEST_RUN_SECONDS", 0)
    may_end = threading.Event()
    work(lambda: may_end.wait(60))
    add()
    with heartbeats_fail() as heard, working():
        try:
            eventually(lambda: job().lease_owner, within=30, what="the worker has the job")
            assert not heard.wait(0.5)
        finally:
            may_end.set()


# Clocks that are set back


def mend() -> None:
    with db.transaction() as session:
        workers.mend_times(session)


def an_hour_early(**ahead: timedelta) -> None:
    """The jobs as they are when their clock was an hour ahead until now; `ahead` adds to single times."""
    hour = timedelta(hours=1)
    now = clock.now()
    change(**{name: now + hour + more for name, more in ahead.items()})


def done_now() -> None:
    """Something was done just before."""
    add("tests.done")
    with db.transaction() as session:
        done = update(JobRow).where(JobRow.name == "tests.done")
        session.execute(done.values(status="done", finished_at=clock.now() + timedelta(hours=1)))


def test_what_was_due_before_the_clock_was_set_back_is_due_still(database: str, work: Work) -> None:
    work(lambda: None)
    add()
    an_hour_early(run_at=timedelta(minutes=1))
    done_now()
    assert outbox.run_due() == 0
    mend()
    assert outbox.run_due() == 1


def test_what_was_not_due_for_long_waits_on(database: str, work: Work) -> None:
    work(lambda: None)
    add()
    an_hour_early(run_at=timedelta(minutes=30))
    done_now()
    mend()
    assert outbox.run_due() == 0


def test_no_lease_lasts_for_the_hour_by_which_the_clock_was_set_back(database: str) -> None:
    add()
    outbox.claim("dead", 1)
    an_hour_early(lease_until=timedelta(seconds=30))
    done_now()
    mend()
    assert not leased_for_any(LEASE_SECONDS + 1)


def leased_for_any(seconds: float) -> bool:
    return any(row.lease_until and row.lease_until - clock.now() > timedelta(seconds=seconds) for row in jobs())


def test_a_clock_is_mended_once_whoever_comes_next(database: str, work: Work) -> None:
    work(lambda: None)
    done_now()
    mend()
    add(delay_seconds=60)
    mend()
    assert outbox.run_due() == 0


def test_a_clock_that_is_right_is_let_be(database: str, work: Work) -> None:
    work(lambda: None)
    add()
    assert outbox.run_due() == 1
    add(delay_seconds=60)
    mend()
    assert outbox.run_due() == 0


def test_a_period_that_comes_again_has_its_job_again(
    database: str, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(lambda: None, every_seconds=60)
    ahead = clock.now() + timedelta(hours=1)
    with monkeypatch.context() as early:
        move_database_clock(early, lambda: ahead)
        with db.transaction() as session:
            outbox.enqueue_periodic(session)
        assert outbox.run_due() == 1
    mend()
    monkeypatch.setattr(portal_jobs, "database_now", lambda _session: ahead)
    with db.transaction() as session:
        outbox.enqueue_periodic(session)
    assert [row.status for row in jobs()] == ["done", "queued"]


WORKER = """
import os
from portal import app
from portal.jobs.job import job

@job("tests.hang")
def hangs(number: int = 0, words: str = "", nothing: str | None = None) -> None:
    pass

@hangs.handler
def hang(number: int = 0, words: str = "", nothing: str | None = None) -> None:
    os.read(0, 1)  # nobody writes there

portal = app.create_app()
with portal.app_context():
    portal.test_cli_runner().invoke(args=["worker", "--threads", "1"], catch_exceptions=False)
"""


@pytest.fixture
def worker(database: str) -> Iterator[subprocess.Popen[str]]:
    """`flask worker` in a process of its own, with one more kind of job: one that does not end by itself."""
    add("tests.hang")
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER], cwd=ROOT, env=process_environment(PORTAL_DATABASE_URL=database),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.database("sqlite")
def test_the_job_of_a_killed_worker_runs_again_after_the_lease(worker: subprocess.Popen[str], work: Work) -> None:
    eventually(lambda: job().lease_owner, within=60, what="the worker has the job")
    worker.send_signal(signal.SIGKILL)
    worker.wait(20)
    row = job()
    assert (row.status, row.attempts) == ("queued", 1)
    assert row.lease_until is not None
    assert timedelta(0) < row.lease_until - clock.now() <= timedelta(seconds=LEASE_SECONDS)
    with db.transaction() as session:  # what the portal's own worker found to do is not looked at here
        session.execute(delete(JobRow).where(~JobRow.name.startswith("tests.")))
    ran: list[int] = []
    do(lambda: ran.append(1), "tests.hang")
    assert outbox.run_due("next") == 0
    change(lease_until=clock.now() - timedelta(milliseconds=1))
    assert outbox.run_due("next") == 1
    assert (ran, job().status, job().attempts) == ([1], "done", 2)


TOLD_TWICE = """
import os, signal, sys, threading
from portal import app

told = []
set_handler, notify_all = signal.signal, threading.Condition.notify_all

def set_handler_that_notes(number, handler):
    def handle(*given):
        told.append(number)
        return handler(*given)
    return set_handler(number, handle)

def notify_all_and_be_told_again(condition):
    # Whoever sets an event holds its lock here.
    if len(told) == 1:
        os.kill(os.getpid(), signal.SIGTERM)
    notify_all(condition)

signal.signal = set_handler_that_notes
threading.Condition.notify_all = notify_all_and_be_told_again
portal = app.create_app()
with portal.app_context():
    portal.test_cli_runner().invoke(args=["worker", "--threads", "1"], catch_exceptions=False)
sys.exit(0 if len(told) > 1 else 3)
"""


@pytest.mark.database("sqlite")
def test_a_second_signal_in_the_midst_of_the_first_stops_it_as_well(database: str) -> None:
    """`make` and a shell, or a container and its init, both hand on the one signal that somebody sent."""
    process = subprocess.Popen(
        [sys.executable, "-c", TOLD_TWICE], cwd=ROOT, env=process_environment(PORTAL_DATABASE_URL=database),
    )  # fmt: skip
    try:
        eventually(_any_job, within=60, what="the worker has looked around")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def _any_job() -> bool:
    with db.reading() as session:
        return session.execute(select(JobRow.id).limit(1)).first() is not None
