"""Which runs there were, told by rows alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.core import db
from portal.core.db import new_id
from portal.reconciliation import queries
from portal.reconciliation.models import Reconciliation, RunKind

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


def add_run(kind: RunKind = RunKind.FREQUENT, **values: object) -> str:
    row = {"since": NOON - HOUR, "until": NOON, "started_at": NOON, "finished_at": NOON, "counts": {}}
    with db.transaction() as session:
        found = Reconciliation(id=new_id("rcn"), kind=kind, **(row | values))
        session.add(found)
        return found.id


def test_what_was_compared_is_known_from_the_end_of_the_worker_s_runs(database: str) -> None:
    with db.reading() as session:
        assert queries.watermark(session) is None
    add_run(until=NOON)
    add_run(RunKind.NIGHTLY, until=NOON + HOUR, finished_at=NOON + 2 * HOUR)
    add_run(RunKind.COMMAND, until=NOON + 5 * HOUR)
    add_run(until=NOON + 6 * HOUR, finished_at=None)
    with db.reading() as session:
        assert queries.watermark(session) == NOON + HOUR
        assert queries.watermark_before(session, NOON) is None, "it was known only after its end"
        assert queries.watermark_before(session, NOON + INSTANT) == NOON
        assert queries.watermark_before(session, NOON + 2 * HOUR + INSTANT) == NOON + HOUR


@pytest.mark.parametrize(
    ("values", "since", "is_cut_off"),
    [
        ({}, None, True),
        ({}, NOON - HOUR, True),
        ({}, NOON, False),
        ({"kind": RunKind.FREQUENT}, None, False),
        ({"finished_at": NOON}, None, False),
        ({"started_at": NOON - HOUR}, None, True),
        ({"started_at": NOON - HOUR - INSTANT}, None, False),
    ],
)
def test_a_command_that_was_cut_off_goes_on_if_it_was_the_last(
    database: str, values: dict[str, Any], since: datetime | None, is_cut_off: bool
) -> None:
    add_run(started_at=NOON - 2 * HOUR)
    run_id = add_run(**({"kind": RunKind.COMMAND, "finished_at": None} | values))
    with db.reading() as session:
        assert queries.cut_off(session, since, NOON - HOUR) == (run_id if is_cut_off else None)
    add_run(started_at=NOON + HOUR)
    with db.reading() as session:
        assert queries.cut_off(session, since, NOON - HOUR) is None
