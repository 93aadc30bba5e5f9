"""The operations desk's questions and answers: right in number, by an index, and the same on both databases."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, update

from portal.core import audit, clock, db, keyset
from portal.core.audit import Actor, AuditEvent
from portal.core.db import new_id
from portal.core.errors import Conflict, NotFound
from portal.jobs import outbox
from portal.jobs.models import JobRow
from portal.operations import queries
from portal.operations import service as operations
from portal.operations.queries import AuditFilter, EventFilter
from portal.payment_methods.models import PaymentMethodSetup
from portal.stripe_events import jobs as event_jobs
from tests import factories
from tests.core.jobs import named
from tests.plans import plans

START = datetime(2026, 3, 1, tzinfo=UTC)


# The state


def test_the_state_counts_what_waits_and_what_went_wrong(database: str) -> None:
    now = clock.now()
    with db.transaction() as session:
        named("tests.later").enqueue_in(session, 600)
        named("tests.done").enqueue(session)
        session.execute(update(JobRow).where(JobRow.name == "tests.done").values(status="done", finished_at=now))
        old = factories.failed_job(session, status="queued", run_at=now - timedelta(hours=1), finished_at=None)
        factories.failed_job(session)
        factories.failed_job(session)
        factories.stripe_event(session, received_at=now - timedelta(minutes=6))
        factories.stripe_event(session, status="applied")
        customer = factories.customer(session)
        paid = factories.payment(session, customer)
        factories.payment(session, customer, review_reason="the amount differs")
        factories.refund(session, paid, status="requested", review_reason="too little is left")
        factories.refund(session, paid, status="unknown")
        factories.refund(session, paid)
        factories.dispute(session, paid, review_reason="the amount differs")
        factories.dispute(session, paid)
        factories.fraud_warning(session, paid)
        factories.fraud_warning(session, paid, actionable=False)
        factories.fraud_warning(session, paid, created_at=now - timedelta(days=121))
        session.add(
            PaymentMethodSetup(
                id=new_id("set"), customer_id=customer.id, client_key="key", review_reason="another customer's",
                created_at=now, updated_at=now,
            )
        )  # fmt: skip
    with db.reading() as session:
        state = queries.state(session)
    assert (state.jobs_waiting, state.jobs_failing, state.jobs_dead) == (2, 1, 2)
    assert (state.oldest_due_at, state.worker_is_behind) == (old.run_at, True)
    assert (state.events_waiting, state.events_are_behind) == (1, True)
    assert (state.payments_to_review, state.setups_to_review) == (1, 1)
    assert (state.refunds_to_review, state.disputes_to_review, state.fraud_warnings) == (2, 1, 1)
    assert (state.anchored_at, state.anchor_is_late) == (None, True)


def test_a_job_that_is_being_run_is_not_behind(database: str) -> None:
    with db.transaction() as session:
        named("tests.slow").enqueue(session)
    outbox.claim("worker", 1)
    with db.reading() as session:
        assert queries.state(session).oldest_due_at is None


def test_what_is_plenty_is_not_counted_to_its_end(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_COUNTED", 3)
    with db.transaction() as session:
        for _ in range(6):
            factories.failed_job(session)
    with db.reading() as session:
        assert queries.state(session).jobs_dead == 4


def test_what_needs_review_is_found_by_their_index(database: str) -> None:
    assert "ix_discrepancies_open" in plans(queries.state)
    for question in (queries.review_items, queries.state):
        plan = plans(question)
        for name in (
            "payments_review",
            "payment_method_setups_review",
            "refunds_review",
            "disputes_review",
            "early_fraud_warnings_review",
        ):
            assert f"ix_{name}" in plan, name
        assert "ix_early_fraud_warnings_actionable" in plan


# Events


def test_events_are_found_by_state_type_and_either_id(database: str) -> None:
    with db.transaction() as session:
        for number, (status, type_, about) in enumerate(
            [("received", "charge.updated", "ch_1"), ("applied", "charge.updated", "ch_2"), ("applied", "x.y", "ch_1")]
        ):
            factories.stripe_event(
                session, id=f"evt_{number}", status=status, type=type_, object_id=about,
                received_at=START + timedelta(minutes=number),
            )  # fmt: skip

    def ids(**wanted: Any) -> list[str]:
        with db.reading() as session:
            return [row.id for row in queries.events(session, EventFilter(**wanted)).rows]

    assert ids() == ["evt_2", "evt_1", "evt_0"]
    assert ids(status="applied") == ["evt_2", "evt_1"]
    assert ids(type="charge.updated") == ["evt_1", "evt_0"]
    assert ids(text="ch_1") == ["evt_2", "evt_0"]
    assert ids(text="evt_1") == ["evt_1"]
    assert ids(text="ch_1", status="received") == ["evt_0"]
    with db.reading() as session:
        assert queries.event_types(session) == ["charge.updated", "x.y"]


def test_an_event_comes_with_the_job_that_applies_it(database: str) -> None:
    with db.transaction() as session:
        row = factories.stripe_event(session, replays=2)
        event_jobs.apply.enqueue(session, event_id=row.id, replay=0)
        event_jobs.apply.enqueue(session, event_id=row.id, replay=2)
        other = factories.stripe_event(session)
    with db.reading() as session:
        found, job = queries.event(session, row.id)
        assert job is not None
        assert (found.id, job.args) == (row.id, {"event_id": row.id, "replay": 2})
        assert queries.event(session, other.id)[1] is None
        with pytest.raises(NotFound):
            queries.event(session, "evt_none")


def test_events_are_found_by_their_indexes(database: str) -> None:
    assert "ix_stripe_events_status" in plans(lambda session: queries.events(session, EventFilter(status="received")))
    assert "ix_stripe_events_type" in plans(lambda session: queries.events(session, EventFilter(type="x.y")))


# Jobs


def test_jobs_that_failed_are_listed_and_others_are_not(database: str) -> None:
    with db.transaction() as session:
        named("tests.new").enqueue(session)
        dead = factories.failed_job(session, created_at=START)
        waits = factories.failed_job(session, status="queued", finished_at=None, created_at=START + timedelta(hours=1))
    with db.reading() as session:
        assert [job.id for job in queries.failed_jobs(session, dead_only=False).rows] == [waits.id, dead.id]
        assert [job.id for job in queries.failed_jobs(session, dead_only=True).rows] == [dead.id]
    assert "ix_jobs_failed" in plans(lambda session: queries.failed_jobs(session, dead_only=False))


def test_a_dead_job_is_tried_again_and_that_is_written_down(database: str) -> None:
    with db.transaction() as session:
        job = factories.failed_job(session)
    with audit.acting(Actor("staff", "usr_1")):
        operations.try_again(job.id)
    with db.reading() as session:
        row = session.get_one(JobRow, job.id)
        (event_,) = session.scalars(select(AuditEvent))
    assert (row.status, row.attempts) == ("queued", 0)
    assert (event_.action, event_.subject, event_.actor_id) == ("job.revived", job.id, "usr_1")
    assert event_.facts == {"job": "documents.render", "status": ["dead", "queued"], "attempts": [12, 0]}


def test_a_job_that_is_done_or_unknown_is_not_tried_again(database: str) -> None:
    with db.transaction() as session:
        job = factories.failed_job(session, status="done", last_error=None)
    with pytest.raises(Conflict):
        operations.try_again(job.id)
    with pytest.raises(NotFound):
        operations.try_again("job_none")
    with db.reading() as session:
        assert session.scalars(select(AuditEvent)).all() == []


# The audit trail


@pytest.fixture
def trail(database: str) -> None:
    """Sixty events, one an hour: two actors, three actions, four subjects, five customers."""
    for number in range(60):
        with (
            time_machine.travel(START + timedelta(hours=number), tick=False),
            audit.acting(Actor("staff", f"usr_{number % 2}")),
            db.transaction() as session,
        ):
            audit.record(
                session, f"thing.done_{number % 3}", f"pay_{number % 4}", {"n": number}, customer_id=f"cus_{number % 5}"
            )


def numbers(**wanted: Any) -> list[int]:
    """All that fits, page by page."""
    found: list[int] = []
    cursor: str | None = None
    while True:
        with db.reading() as session:
            page = queries.audit_trail(session, AuditFilter(**wanted), cursor)
        found += [event_.number for event_ in page.rows]
        if page.older is None:
            return found
        cursor = page.older


FILTERS: dict[str, tuple[dict[str, Any], Callable[[int], bool]]] = {
    "ix_audit_events_actor": ({"actor": "usr_1"}, lambda hour: hour % 2 == 1),
    "ix_audit_events_action": ({"action": "thing.done_2"}, lambda hour: hour % 3 == 2),
    "ix_audit_events_subject": ({"subject": "pay_3"}, lambda hour: hour % 4 == 3),
    "ix_audit_events_customer": ({"customer_id": "cus_4"}, lambda hour: hour % 5 == 4),
    "ix_audit_events_at": ({"since": date(2026, 3, 2), "until": date(2026, 3, 2)}, lambda hour: 24 <= hour < 48),
}


@pytest.mark.parametrize("index", FILTERS)
def test_each_filter_finds_what_fits_by_an_index(trail: None, index: str) -> None:
    wanted, fits = FILTERS[index]
    assert numbers(**wanted) == [hour + 1 for hour in reversed(range(60)) if fits(hour)]
    assert index in plans(lambda session: queries.audit_trail(session, AuditFilter(**wanted)))


@pytest.mark.settings(PORTAL_TIMEZONE="Pacific/Kiritimati")
def test_days_of_the_audit_trail_are_the_companys(settings: object, trail: None) -> None:
    """There 2 March begins fourteen hours before it does in London."""
    assert numbers(since=date(2026, 3, 2), until=date(2026, 3, 2)) == [hour + 1 for hour in reversed(range(10, 34))]


def test_filters_narrow_each_other_and_a_day_without_events_is_empty(trail: None) -> None:
    assert numbers(actor="usr_1", customer_id="cus_3", since=date(2026, 3, 2)) == [54, 44, 34]
    assert numbers(since=date(2026, 4, 1)) == []
    assert numbers(until=date(2026, 2, 28)) == []
    assert len(numbers(until=date.max, since=date.min)) == 60


def test_a_member_of_staff_is_found_by_e_mail_too(trail: None) -> None:
    with db.transaction() as session:
        factories.staff(session, id="usr_1", email="tom@portal.test")
    assert numbers(actor="Tom@Portal.test") == numbers(actor="usr_1") != []
    assert numbers(actor="nobody@portal.test") == []


def test_events_of_machines_whose_clocks_differ_are_found_on_their_day(database: str) -> None:
    midnight = START + timedelta(days=1)
    for second in (-2, 1, -1, 2):  # one machine is two seconds behind the other
        with time_machine.travel(midnight + timedelta(seconds=second), tick=False), db.transaction() as session:
            audit.record(session, "thing.done", "pay_1")
    assert numbers(since=date(2026, 3, 2)) == [4, 2]
    assert numbers(until=date(2026, 3, 1)) == [3, 1]


def test_pages_lead_back_and_forth(trail: None) -> None:
    with db.reading() as session:
        first = queries.audit_trail(session, AuditFilter())
        second = queries.audit_trail(session, AuditFilter(), first.older)
        third = queries.audit_trail(session, AuditFilter(), second.older)
        back = queries.audit_trail(session, AuditFilter(), third.newer)
        for nonsense in ("after-", "17", "after-x", "before--1", "after-" + "9" * 19):
            with pytest.raises(NotFound):
                queries.audit_trail(session, AuditFilter(), nonsense)
    assert (first.newer, third.older) == (None, None)
    assert [row.number for row in back.rows] == [row.number for row in second.rows] == list(range(40, 20, -1))
    assert len(first.rows) == keyset.PAGE_SIZE


def test_the_export_holds_what_fits_and_is_itself_written_down(trail: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "EXPORT_BATCH", 7)
    lines = operations.export_audit(AuditFilter(actor="usr_1", since=date(2026, 3, 2)))
    rows = list(csv.DictReader(line.removeprefix("\ufeff") for line in lines))
    assert [int(row["number"]) for row in rows] == numbers(actor="usr_1", since=date(2026, 3, 2))
    with db.reading() as session:
        latest = session.scalars(select(AuditEvent).order_by(AuditEvent.number.desc()).limit(1)).one()
    assert (latest.action, latest.facts) == ("audit.exported", {"actor": "usr_1", "since": "2026-03-02"})


def test_the_export_has_an_end(trail: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "EXPORT_BATCH", 10)
    monkeypatch.setattr(operations, "EXPORT_LIMIT", 30)
    assert len(list(operations.export_audit(AuditFilter()))) == 1 + 30
