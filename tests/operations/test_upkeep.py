"""Backups and trials of a restore: operators record them, and the desk says how old the last one is."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from prometheus_client import REGISTRY

from portal import RELEASE
from portal.core import clock, db, upkeep
from portal.core.errors import Invalid
from portal.core.upkeep import UpkeepKind
from portal.operations import queries
from tests import factories
from tests.concurrency import run_concurrently


def flask(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments))


def last(kind: UpkeepKind) -> datetime | None:
    with db.reading() as session:
        found = upkeep.latest(session, kind)
        return found.done_at if found else None


def test_a_script_records_a_backup_and_says_when(database: str, app: Flask) -> None:
    done = flask(app, "record", "backup", "--at", "2026-03-01T03:15+01:00", "--note", "nightly")
    assert (done.exit_code, "Recorded: backup" in done.output) == (0, True)
    assert last(UpkeepKind.BACKUP) == datetime(2026, 3, 1, 2, 15, tzinfo=UTC)
    again = flask(app, "record", "backup", "--at", "2026-03-01T03:15+01:00")
    assert (again.exit_code, "recorded already" in again.output) == (0, True)
    assert last(UpkeepKind.RESTORE_DRILL) is None
    assert flask(app, "record", "restore-drill").exit_code == 0
    drilled = last(UpkeepKind.RESTORE_DRILL)
    assert drilled is not None
    assert clock.now() - drilled < timedelta(minutes=1)
    assert (
        REGISTRY.get_sample_value("portal_last_backup_timestamp_seconds")
        == datetime(2026, 3, 1, 2, 15, tzinfo=UTC).timestamp()
    )


@pytest.mark.database("sqlite")
def test_what_cannot_be_is_not_recorded(database: str, app: Flask) -> None:
    tomorrow = (clock.now() + timedelta(days=1)).isoformat()
    for wrong in (("--at", "yesterday"), ("--at", tomorrow), ("--note", "x" * 201)):
        refused = flask(app, "record", "backup", *wrong)
        assert (refused.exit_code, "Traceback" in refused.output) == (1, False), refused.output
    assert last(UpkeepKind.BACKUP) is None
    with pytest.raises(Invalid):
        upkeep.record(UpkeepKind.BACKUP, note="4242 4242 4242 4242")  # no text holds a card number


def test_the_same_backup_told_twice_at_once_is_one(database: str) -> None:
    at = clock.now()
    assert set(run_concurrently(*[lambda: upkeep.record(UpkeepKind.BACKUP, at)] * 2)) == {False, True}


@pytest.mark.database("sqlite")
def test_the_portals_own_backup_records_itself(database: str, app: Flask, tmp_path: Path) -> None:
    before = clock.now()
    assert flask(app, "backup", str(tmp_path / "copy.db")).exit_code == 0
    recorded = last(UpkeepKind.BACKUP)
    assert recorded is not None
    assert before <= recorded <= clock.now()


@pytest.mark.database("sqlite")
@pytest.mark.settings(PORTAL_BACKUP_HOURS="24", PORTAL_RESTORE_DRILL_DAYS="30")
def test_the_desk_warns_of_an_old_backup(app: Flask) -> None:
    now = clock.now()
    with db.transaction() as session:
        support = factories.staff(session, "support")
    upkeep.record(UpkeepKind.BACKUP, now - timedelta(hours=25), "to the other house")
    upkeep.record(UpkeepKind.RESTORE_DRILL, now - timedelta(days=29))
    with db.reading() as session:
        state = queries.state(session)
    assert (state.backup_is_late, state.restore_drill_is_late) == (True, False)
    browser = app.test_client()
    factories.sign_in(browser, support)
    page = browser.get("/support/operations").get_data(as_text=True)
    seen = " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())
    assert "1 day ago) to the other house Needs review" in seen
    assert "flask record backup" in seen
    upkeep.record(UpkeepKind.BACKUP, now)
    assert "flask record backup" not in browser.get("/support/operations").get_data(as_text=True)


def test_the_release_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["version"] == RELEASE
