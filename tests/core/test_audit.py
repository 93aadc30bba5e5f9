"""The audit trail: complete, in one order, and any tampering shows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, text, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from portal.core import audit, db
from portal.core.audit import Actor, AuditEvent
from portal.core.money import Money
from portal.ledger import LedgerAccount, Posting, post
from tests.core.conftest import GaveUpError, given_up
from tests.counting import counted_queries

pytestmark = pytest.mark.owner

EVENTS = 5


def record(number: int = 0) -> None:
    with db.transaction() as session:
        audit.record(session, "payment.started", f"pay_{number}", {"amount": [None, number]}, customer_id="cus_1")


def verdict() -> str | None:
    with db.reading() as session:
        return audit.verify(session)


def events() -> list[AuditEvent]:
    with db.reading() as session:
        return list(session.execute(select(AuditEvent).order_by(AuditEvent.number)).scalars())


@pytest.fixture
def trail(database: str) -> None:
    for number in range(EVENTS):
        record(number)


def test_a_trail_nobody_touched_is_whole(trail: None) -> None:
    assert verdict() is None
    assert [event.number for event in events()] == [1, 2, 3, 4, 5]


def test_an_empty_trail_is_whole(database: str) -> None:
    assert verdict() is None


# Who did it, and what is written down


def test_an_event_says_who_did_what_from_where(database: str) -> None:
    before = audit.actor()
    with audit.acting(Actor("staff", "usr_1", "203.0.113.9", "req12345")):
        record()
    (event,) = events()
    assert (event.actor_kind, event.actor_id, event.ip, event.request_id) == (
        "staff",
        "usr_1",
        "203.0.113.9",
        "req12345",
    )
    assert (event.action, event.subject, event.customer_id) == ("payment.started", "pay_0", "cus_1")
    assert audit.actor() == before


def test_what_people_write_comes_back_as_it_was(database: str) -> None:
    said = {
        "name": "Zoë Łukasz 株式会社 🚲",
        "note": "two\nlines\r\n\ttab \"quoted\" \\ 'single'",
        "nested": {"ö": [1, None, True]},
    }
    moment = datetime(2026, 11, 23, 23, 59, 59, 999999, tzinfo=UTC)
    forger = Actor("staff", "Jürgen\nFORGED action=refund.approved")
    with time_machine.travel(moment, tick=False), audit.acting(forger), db.transaction() as session:
        audit.record(session, "note.written", "ü\n2", said)
    (event,) = events()
    assert (event.facts, event.at, event.subject) == (said, moment, "ü\n2")
    assert event.actor_id == "Jürgen\nFORGED action=refund.approved"
    assert verdict() is None


def test_an_event_is_undone_with_the_change_it_tells_of(trail: None) -> None:
    with pytest.raises(GaveUpError):
        given_up(lambda session: audit.record(session, "payment.started", "pay_undone"))
    record(6)
    assert [event.subject for event in events()][-1] == "pay_6"
    assert verdict() is None


def test_several_events_of_one_transaction_follow_each_other(database: str) -> None:
    with db.transaction() as session:
        for number in range(3):
            audit.record(session, "payment.changed", f"pay_{number}")
    assert [event.number for event in events()] == [1, 2, 3]
    assert verdict() is None


def test_twenty_recorders_at_once_write_one_chain(database: str) -> None:
    together = threading.Barrier(20)

    def one(number: int) -> None:
        together.wait(20)
        for _ in range(3):
            record(number)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(one, range(20)))
    assert [event.number for event in events()] == list(range(1, 61))
    assert verdict() is None


# What staff look at


def look(staff_id: str = "usr_staff", subject: str = "pay_1") -> None:
    with audit.acting(Actor("staff", staff_id)):
        audit.record_access(subject, "cus_1", "payment")


def test_who_looks_at_anothers_data_is_written_down_once_an_hour(database: str) -> None:
    with time_machine.travel(datetime(2026, 11, 23, 9, tzinfo=UTC), tick=False) as traveller:
        for staff_id in ("usr_staff", "usr_staff", "usr_other"):
            look(staff_id)
        look(subject="pay_2")
        traveller.shift(59 * 60)
        look()
        traveller.shift(60)
        look()
    seen = [(event.actor_id, event.subject, event.at.hour) for event in events()]
    assert seen == [
        ("usr_staff", "pay_1", 9),
        ("usr_other", "pay_1", 9),
        ("usr_staff", "pay_2", 9),
        ("usr_staff", "pay_1", 10),
    ]
    assert {(event.action, event.customer_id, event.facts["what"]) for event in events()} == {
        ("staff.viewed", "cus_1", "payment")
    }
    assert verdict() is None


def test_ten_looks_at_once_are_one(database: str) -> None:
    together = threading.Barrier(10)

    def one(_: int) -> None:
        together.wait(20)
        look()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(one, range(10)))
    assert len(events()) == 1


def test_a_second_look_asks_its_index_and_writes_nothing(database: str) -> None:
    look()
    with counted_queries() as statements:
        look()
    (statement,) = statements
    with db.reading() as session:
        if database.startswith("postgresql"):
            session.execute(text("SET LOCAL enable_seqscan = off"))
        asked = "EXPLAIN QUERY PLAN " if database.startswith("sqlite") else "EXPLAIN "
        query = (
            "SELECT at FROM audit_events WHERE action = 'staff.viewed' AND actor_id = 'usr_staff' AND subject = 'pay_1' "
            "ORDER BY number DESC LIMIT 1"
        )
        plan = " ".join(str(row) for row in session.execute(text(asked + query)))
    assert "action = 'staff.viewed'" in statement
    assert "ix_audit_events_viewed" in plan
    assert "SORT" not in plan.upper().replace("USE TEMP B-TREE", "SORT")


# Tampering, by someone who can do everything in the database


Tamper = Callable[[Session], object]


def sql(*statements: str) -> Tamper:
    def tamper(session: Session) -> None:
        for statement in statements:
            session.execute(text(statement))

    return tamper


def edited(**values: object) -> Tamper:
    """Event 3 says something else from now on."""
    table = AuditEvent.__table__
    return lambda session: session.execute(update(AuditEvent).where(table.c.number == 3).values(**values))


def forged(number: int) -> Tamper:
    """An event is edited and given a fitting hash of its own, as a careful forger would."""
    table = AuditEvent.__table__

    def tamper(session: Session) -> None:
        row = session.execute(select(table).where(table.c.number == number)).mappings().one()
        content = {key: row[key] for key in row if key != "hash"} | {"subject": "pay_forged"}
        digest = audit.digest_of(content)
        session.execute(update(AuditEvent).where(table.c.number == number).values(subject="pay_forged", hash=digest))

    return tamper


def verdict_after(tamper: Tamper) -> str | None:
    """What the trail says of itself after this was done to it with the triggers out of the way; then it is undone."""
    found: list[str | None] = []

    def tamper_and_ask(session: Session) -> None:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("ALTER TABLE audit_events DISABLE TRIGGER USER"))
        else:
            for verb in ("update", "delete"):
                session.execute(text(f"DROP TRIGGER audit_events_no_{verb}"))
        tamper(session)
        found.append(audit.verify(session))

    with pytest.raises(GaveUpError):
        given_up(tamper_and_ask)
    return found[0]


EDITS: tuple[dict[str, Any], ...] = (
    {"at": datetime(2031, 1, 1, tzinfo=UTC)},
    {"action": "payment.canceled"},
    {"subject": "pay_9"},
    {"customer_id": "cus_2"},
    {"customer_id": None},
    {"actor_kind": "stripe"},
    {"actor_id": "usr_9"},
    {"ip": "198.51.100.7"},
    {"request_id": "another1"},
    {"facts": {"amount": [None, 9999]}},
    {"facts": {}},
    {"hash": "f" * 64},
    {"previous_hash": "0" * 64},
)


def test_whatever_is_edited_in_an_event_shows(trail: None) -> None:
    verdicts = {str(edit): verdict_after(edited(**edit)) for edit in EDITS}
    assert {edit for edit, words in verdicts.items() if not words or "event 3" not in words} == set()
    assert {name for edit in EDITS for name in edit} == set(AuditEvent.__table__.columns.keys()) - {"number"}


TAMPERING = {
    "the first event is edited and given a fitting hash": forged(1),
    "an event in the middle is edited and given a fitting hash": forged(3),
    "the last event is edited and given a fitting hash": forged(EVENTS),
    "an event in the middle is deleted": sql("DELETE FROM audit_events WHERE number = 3"),
    "the first event is deleted": sql("DELETE FROM audit_events WHERE number = 1"),
    "the end is cut off": sql("DELETE FROM audit_events WHERE number > 3"),
    "all of it is deleted": sql("DELETE FROM audit_events"),
    "two events change places": sql(
        "UPDATE audit_events SET number = 99 WHERE number = 2",
        "UPDATE audit_events SET number = 2 WHERE number = 3",
        "UPDATE audit_events SET number = 3 WHERE number = 99",
    ),
    "a gap is closed by renumbering": sql(
        "DELETE FROM audit_events WHERE number = 3",
        "UPDATE audit_events SET number = 3 WHERE number = 4",
        "UPDATE audit_events SET number = 4 WHERE number = 5",
    ),
    "the end is cut off and the head's number set back": sql(
        "DELETE FROM audit_events WHERE number = 5",
        "UPDATE audit_head SET number = 4",
    ),
    "the head's number is changed": sql("UPDATE audit_head SET number = 6"),
    "the head's hash is changed": sql("UPDATE audit_head SET hash = 'ffff'"),
    "the head is deleted": sql("DELETE FROM audit_head"),
}


def test_deleting_reordering_cutting_and_forging_show(trail: None) -> None:
    assert {what for what, tamper in TAMPERING.items() if verdict_after(tamper) is None} == set()
    assert verdict() is None


# The triggers


def in_the_books() -> None:
    with db.transaction() as session:
        post(
            session,
            "charge",
            debit=LedgerAccount.STRIPE,
            credit=LedgerAccount.RECEIVABLES,
            amount=Money(1_00, "eur"),
            subject="pay_1",
            reference="charge:1",
        )


def test_the_database_refuses_to_change_what_is_written(database: str) -> None:
    record()
    in_the_books()
    verbs = ["UPDATE {} SET subject = 'another'", "DELETE FROM {}"]
    if database.startswith("postgresql"):
        verbs.append("TRUNCATE {}")
    for table in ("audit_events", "postings"):
        for verb in verbs:
            with pytest.raises(DatabaseError, match="never changed or deleted"):
                given_up(sql(verb.format(table)))


def test_sqlite_does_not_replace_what_is_written(sqlite_database: str) -> None:
    """INSERT OR REPLACE deletes the row in its way without asking the triggers of deletion."""
    record()
    in_the_books()

    def all_rows() -> list[tuple[object, ...]]:
        with db.reading() as session:
            tables = (AuditEvent.__table__, Posting.__table__)
            return [tuple(row) for table in tables for row in session.execute(select(table))]

    before = all_rows()
    for table in ("audit_events", "postings"):
        with db.transaction() as session:
            session.execute(text(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"))  # noqa: S608
    with db.transaction() as session:
        session.execute(
            text(
                "INSERT OR REPLACE INTO postings (id, at, kind, debit, credit, amount_minor, currency, subject, reference) "
                "SELECT 'pst_new', at, kind, debit, credit, 1, currency, subject, reference FROM postings"
            )
        )
    assert all_rows() == before
