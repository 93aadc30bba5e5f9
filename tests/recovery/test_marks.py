"""The mark outside of the database: it moves on with every commit, and tells of a database that went back in time."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from portal.core import audit, db, marks, numbering, recovery
from portal.core.recovery import InRecovery
from tests.core.conftest import GaveUpError, given_up
from tests.recovery.conftest import mark


def record(subject: str = "pay_1") -> None:
    with db.transaction() as session:
        audit.record(session, "payment.started", subject)


def head() -> tuple[int, str]:
    with db.reading() as session:
        found = session.get_one(audit.AuditHead, audit.HEAD_ID)
        return found.number, found.hash


def test_it_moves_on_with_each_commit_and_nobody_else_can_read_it(marks_file: Path, app: Flask) -> None:
    record()
    with db.transaction() as session:
        audit.record(session, "payment.started", "pay_2")
        numbering.take(session, numbering.RECEIPTS)
        numbering.take(session, numbering.RECEIPTS)
    number, digest = head()
    assert mark(marks_file) == {"audit": {"number": number, "hash": digest}, "series": {"receipt": 2}}
    assert stat.S_IMODE(marks_file.stat().st_mode) == 0o600
    assert recovery.lost_event() is None


def test_what_is_rolled_back_leaves_it_as_it_was(marks_file: Path, app: Flask) -> None:
    record()
    before = mark(marks_file)
    with suppress(GaveUpError):
        given_up(lambda session: audit.record(session, "payment.started", "pay_2"))
    with suppress(GaveUpError):
        given_up(lambda session: numbering.take(session, numbering.RECEIPTS))
    assert mark(marks_file) == before


def test_a_database_that_lost_an_event_is_told_and_does_not_move_the_mark(marks_file: Path, app: Flask) -> None:
    record()
    ahead: dict[str, Any] = {"audit": {"number": head()[0] + 3, "hash": "f" * 64}, "series": {"receipt": 40}}
    marks_file.write_text(marks.Mark(ahead["audit"]["number"], "f" * 64, ahead["series"]).text())
    assert recovery.lost_event() == ahead["audit"]["number"]
    for _ in range(5):  # it passes the number of the mark, with another history
        record()
    assert mark(marks_file) == ahead
    assert recovery.lost_event() is not None
    with pytest.raises(InRecovery):
        recovery.refuse_now()


def test_a_mark_that_cannot_be_read_stops_money_until_it_can(marks_file: Path, app: Flask) -> None:
    record()
    kept = marks_file.read_text()
    marks_file.write_text("{")
    with pytest.raises(InRecovery):
        recovery.refuse_now()
    marks_file.write_text(kept)
    recovery.refuse_now()


def test_without_the_setting_nothing_is_written(tmp_path: Path, app: Flask) -> None:
    record()
    assert marks.read() is None
    assert list(tmp_path.iterdir()) == []
