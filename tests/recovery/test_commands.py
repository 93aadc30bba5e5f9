"""What an operator types: a backup, and the way out of recovery mode."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from click.testing import Result
from flask import Flask

from portal.core import audit, db
from portal.core.errors import Invalid
from portal.reconciliation import recovering
from tests.recovery.conftest import Company
from tests.waiting import eventually


def flask(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments))


@pytest.mark.database("sqlite")
def test_a_backup_is_whole_while_others_write_and_nobody_else_can_read_it(tmp_path: Path, app: Flask) -> None:
    copy = tmp_path / "portal.backup"
    with db.transaction() as session:
        audit.record(session, "payment.started", "pay_1")
    with sqlite3.connect(str(db.engine().url.database), isolation_level=None, check_same_thread=False) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE audit_head SET number = 99")  # not committed yet: not in the copy
        ended = Thread(target=_roll_back_once_copied, args=(other, copy))
        ended.start()
        done = flask(app, "backup", str(copy))
        ended.join()
    other.close()
    assert done.exit_code == 0, done.output
    assert "up to audit event 1." in done.output
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM audit_events").fetchone() == (1,)
    again = flask(app, "backup", str(copy))
    assert (again.exit_code, "never written over" in again.output) == (1, True)


def _roll_back_once_copied(writer: sqlite3.Connection, copy: Path) -> None:
    """That there was a backup is written down when the copy is there, for which the others must have ended."""

    def is_copied() -> bool:
        """By the two bytes of the file's head that tell its journal, which is changed last: whoever opened it as a database would stand
        in the way of that. Source: SQLite, "Database File Format", 1.3.3.
        """
        return copy.exists() and copy.read_bytes()[18:20] == b"\x01\x01"

    eventually(is_copied, within=60)
    writer.execute("ROLLBACK")


@pytest.mark.database("postgresql")
def test_on_postgresql_its_own_tools_are_named(tmp_path: Path, app: Flask) -> None:
    done = flask(app, "backup", str(tmp_path / "x"))
    assert (done.exit_code, "pg_dump" in done.output) == (1, True)


def test_an_operator_begins_follows_and_ends_it(company: Company) -> None:
    app = company.app
    assert flask(app, "restore", "status").exit_code == 0
    assert flask(app, "restore", "finish").exit_code == 1
    with pytest.raises(recovering.NotInRecovery):
        recovering.finish("x" * recovering.LONGEST_REASON)
    with pytest.raises(Invalid):
        recovering.finish("x" * (recovering.LONGEST_REASON + 1))
    assert "Recovery mode is on." in flask(app, "restore", "begin", "--reason", "The disk broke.").output
    assert "on already" in flask(app, "restore", "begin").output
    assert "has not begun" in flask(app, "restore", "status").output
    refused = flask(app, "restore", "finish")
    assert (refused.exit_code, "is not finished yet" in refused.output) == (1, True)
    told = flask(app, "reconcile")
    assert (told.exit_code, "equal Stripe" in told.output) == (1, False)
    assert "not compared yet" in flask(app, "books").output or not company.known()["payments"]
    compared = flask(app, "restore", "compare")
    assert compared.exit_code == 0, compared.output
    company.housekeeping()
    assert "Left of the restore: 0" in flask(app, "restore", "status").output, "an operator ends what an operator began"
    assert flask(app, "restore", "finish").exit_code == 0
    assert flask(app, "restore", "status").exit_code == 0
    assert company.told("recovery.begun")[0]["note"] == "The disk broke."
    subjects = [mail["Subject"] for mail in company.smtp.messages]
    assert "The portal is in recovery mode" in subjects
    company.run_jobs()
    assert "The portal has left recovery mode" in [mail["Subject"] for mail in company.smtp.messages]
