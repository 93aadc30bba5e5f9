"""The operations desk's questions and answers: right in number, by an index, and the same on both databases."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import event, insert, select, text, update

from portal import audit, clock, db, keyset, ledger, outbox
from portal.audit import Actor, AuditEvent
from portal.cards.models import CardSetup
from portal.db import new_id
from portal.errors import Conflict, NotFound
from portal.ledger import Posting
from portal.money import Money
from portal.outbox import Job
from portal.support import operations
from portal.support import operations_queries as queries
from portal.support.operations_queries import AuditFilter, BooksFilter, EventFilter
from tests import factories

START = datetime(2026, 3, 1, tzinfo=UTC)


def plans(question: Callable[[Any], object]) -> str:
    """How the database carries out what this asks. PostgreSQL is told that reading a whole table is dear, as it is in a big one."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            asked.append((statement, parameters))

    with db.reading() as session:
        postgresql = session.get_bind().dialect.name == "postgresql"
        if postgresql:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(text("SET LOCAL enable_bitmapscan = off"))
            session.execute(text("SET LOCAL enable_sort = off"))
        event.listen(db.engine(), "before_cursor_execute", note)
        try:
            question(session)
        finally:
            event.remove(db.engine(), "before_cursor_execute", note)
        explain = "EXPLAIN " if postgresql else "EXPLAIN QUERY PLAN "
        found = [
            str(row)
            for statement, parameters in asked
            for row in session.connection().exec_driver_sql(explain + statement, parameters)
        ]
    return "\n".join(found)


# The state


def test_the_state_counts_what_waits_and_what_went_wrong(database: str) -> None:
    now = clock.now()
    with db.transaction() as session:
        outbox.enqueue(session, "tests.later", delay_seconds=600)
        outbox.enqueue(session, "tests.done")
        session.execute(update(Job).where(Job.name == "tests.done").values(state="done", finished_at=now))
        old = factories.failed_job(session, state="queued", run_at=now - timedelta(hours=1), finished_at=None)
        factories.failed_job(session)
        factories.failed_job(session)
        factories.stripe_event(session, received_at=now - timedelta(minutes=6))
        factories.stripe_event(session, state="applied")
        customer = factories.customer(session)
        paid = factories.payment(session, customer)
        factories.payment(session, customer, finding="the amount differs")
        factories.refund(session, paid, state="requested", finding="too little is left")
        factories.refund(session, paid, state="unknown")
        factories.refund(session, paid)
        factories.dispute(session, paid, finding="the amount differs")
        factories.dispute(session, paid)
        factories.fraud_warning(session, paid)
        factories.fraud_warning(session, paid, actionable=False)
        factories.fraud_warning(session, paid, created_at=now - timedelta(days=121))
        session.add(
            CardSetup(
                id=new_id("set"), customer_id=customer.id, client_key="key", finding="another customer's",
                created_at=now, updated_at=now,
            )
        )  # fmt: skip
    with db.reading() as session:
        state = queries.state(session)
    assert (state.jobs_waiting, state.jobs_failing, state.jobs_dead) == (2, 1, 2)
    assert (state.oldest_due_at, state.worker_is_behind) == (old.run_at, True)
    assert (state.events_waiting, state.events_are_behind) == (1, True)
    assert (state.payment_findings, state.setup_findings) == (1, 1)
    assert (state.refund_findings, state.dispute_findings, state.fraud_warnings) == (2, 1, 1)
    assert (state.anchored_at, state.anchor_is_late) == (None, True)


def test_a_job_that_is_being_run_is_not_behind(database: str) -> None:
    with db.transaction() as session:
        outbox.enqueue(session, "tests.slow")
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


def test_findings_are_found_by_their_index(database: str) -> None:
    for question in (queries.findings, queries.state):
        plan = plans(question)
        for name in ("payments_finding", "card_setups_finding", "refunds_finding", "disputes_finding"):
            assert f"ix_{name}" in plan, name
        assert "ix_fraud_warnings_actionable" in plan


# Events


def test_events_are_found_by_state_type_and_either_id(database: str) -> None:
    with db.transaction() as session:
        for number, (state, type_, about) in enumerate(
            [("received", "charge.updated", "ch_1"), ("applied", "charge.updated", "ch_2"), ("applied", "x.y", "ch_1")]
        ):
            factories.stripe_event(
                session, id=f"evt_{number}", state=state, type=type_, object_id=about,
                received_at=START + timedelta(minutes=number),
            )  # fmt: skip

    def ids(**wanted: str) -> list[str]:
        with db.reading() as session:
            return [row.id for row in queries.events(session, EventFilter(**wanted)).rows]

    assert ids() == ["evt_2", "evt_1", "evt_0"]
    assert ids(state="applied") == ["evt_2", "evt_1"]
    assert ids(type="charge.updated") == ["evt_1", "evt_0"]
    assert ids(text="ch_1") == ["evt_2", "evt_0"]
    assert ids(text="evt_1") == ["evt_1"]
    assert ids(text="ch_1", state="received") == ["evt_0"]
    with db.reading() as session:
        assert queries.event_types(session) == ["charge.updated", "x.y"]


def test_an_event_comes_with_the_job_that_applies_it(database: str) -> None:
    with db.transaction() as session:
        row = factories.stripe_event(session, replays=2)
        outbox.enqueue(session, "webhooks.apply", key=f"webhook:{row.id}", event_id=row.id)
        outbox.enqueue(session, "webhooks.apply", key=f"webhook:{row.id}:2", event_id=row.id)
        other = factories.stripe_event(session)
    with db.reading() as session:
        found, job = queries.event(session, row.id)
        assert job is not None
        assert (found.id, job.unique_key) == (row.id, f"webhook:{row.id}:2")
        assert queries.event(session, other.id)[1] is None
        with pytest.raises(NotFound):
            queries.event(session, "evt_none")


def test_events_are_found_by_their_indexes(database: str) -> None:
    assert "ix_stripe_events_state" in plans(lambda session: queries.events(session, EventFilter(state="received")))
    assert "ix_stripe_events_type" in plans(lambda session: queries.events(session, EventFilter(type="x.y")))


# Jobs


def test_jobs_that_failed_are_listed_and_others_are_not(database: str) -> None:
    with db.transaction() as session:
        outbox.enqueue(session, "tests.new")
        dead = factories.failed_job(session, created_at=START)
        waits = factories.failed_job(session, state="queued", finished_at=None, created_at=START + timedelta(hours=1))
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
        row = session.get_one(Job, job.id)
        (event_,) = session.scalars(select(AuditEvent))
    assert (row.state, row.tries) == ("queued", 0)
    assert (event_.action, event_.subject, event_.actor_id) == ("job.revived", job.id, "usr_1")
    assert event_.facts == {"job": "receipts.render", "state": ["dead", "queued"], "tries": [12, 0]}


def test_a_job_that_is_done_or_unknown_is_not_tried_again(database: str) -> None:
    with db.transaction() as session:
        job = factories.failed_job(session, state="done", last_error=None)
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


# The books


def book(reference: str, **values: Any) -> None:
    with db.transaction() as session:
        ledger.post(
            session,
            **{
                "kind": "charge", "debit": ledger.STRIPE, "credit": ledger.RECEIVABLES, "amount": Money(100_00, "eur"),
                "subject": "pay_1", "reference": reference, "at": START, **values,
            },
        )  # fmt: skip


def balances(**wanted: Any) -> dict[tuple[str, str], tuple[int, int]]:
    with db.reading() as session:
        return {
            (one.debits.currency, one.account): (one.debits.minor, one.credits.minor)
            for one in queries.balances(session, BooksFilter(**wanted))
        }


def test_balances_have_both_sides_of_each_account_in_its_currency(database: str) -> None:
    book("charge:1")
    book("fee:1", kind="fee", debit=ledger.FEES, credit=ledger.STRIPE, amount=Money(2_00, "eur"))
    book("charge:2", amount=Money(500, "jpy"), subject="pay_2", at=START + timedelta(days=1))
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
        assert [one.difference.minor for one in queries.balances(session, BooksFilter(currency="eur"))] == [
            98_00, -100_00, 2_00,
        ]  # fmt: skip


def many(count: int) -> Iterator[dict[str, Any]]:
    sides = ((ledger.STRIPE, ledger.RECEIVABLES), (ledger.FEES, ledger.STRIPE), (ledger.REFUNDS, ledger.STRIPE))
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
    wanted = {"since": first, "until": last}
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
    assert "ix_postings_period" in plans(lambda session: queries.balances(session, BooksFilter(**wanted)))
    by_currency = BooksFilter(**wanted, currency="usd")
    assert "ix_postings_period" in plans(lambda session: queries.postings(session, by_currency))
    everything = plans(lambda session: queries.postings(session, BooksFilter()))
    assert "ix_postings_at" in everything
    assert "sort" not in everything.lower().replace("use temp b-tree", "sort")


def test_all_postings_are_on_some_page_and_in_the_file(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.transaction() as session:
        session.execute(insert(Posting), [row | {"at": START} for row in many(50)])
    listed: list[str] = []
    cursor: str | None = None
    while True:
        with db.reading() as session:
            page = queries.postings(session, BooksFilter(), cursor)
        listed += [posting.id for posting in page.rows]
        cursor = page.older
        if cursor is None:
            break
    monkeypatch.setattr(operations, "EXPORT_BATCH", 7)
    lines = operations.export_postings(BooksFilter())
    rows = list(csv.DictReader(line.removeprefix("\ufeff") for line in lines))
    assert [row["posting"] for row in rows] == listed == [f"pst_{number:026d}" for number in reversed(range(50))]
    assert (rows[0]["amount"], rows[0]["currency"]) == ("0.50", "USD")


def test_currencies_are_those_that_were_posted_in(database: str) -> None:
    with db.reading() as session:
        assert queries.currencies(session) == []
    book("charge:1")
    book("charge:2")
    book("charge:3", amount=Money(500, "jpy"))
    with db.reading() as session:
        assert queries.currencies(session) == ["eur", "jpy"]
        assert queries.balances(session, BooksFilter()) != []
