"""Which runs there were, told by rows alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.core import clock, db
from portal.core.db import new_id
from portal.reconciliation import queries
from portal.reconciliation.models import Discrepancy, DiscrepancyStatus, Reconciliation, RunKind
from portal.reconciliation.run import DiscrepancyDraft

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


def test_what_a_person_has_resolved_is_that_discrepancy_with_those_facts_alone(sqlite_database: str) -> None:
    draft = DiscrepancyDraft("orphan_charge", "ch_1", {"amount_minor": 7_00})
    others = [
        replace(draft, code="lost_amount"),
        replace(draft, subject="ch_2"),
        replace(draft, facts={"amount_minor": 8_00}),
    ]
    now = clock.now()
    with db.transaction() as session:
        for one, status in ((draft, DiscrepancyStatus.RESOLVED), (others[1], DiscrepancyStatus.OPEN)):
            session.add(
                Discrepancy(
                    id=new_id("dsc"),
                    code=one.code,
                    subject=one.subject,
                    fingerprint=one.fingerprint,
                    facts=dict(one.facts),
                    found_at=now,
                    seen_at=now,
                    status=status,
                )
            )
    with db.reading() as session:
        assert queries.is_resolved(session, draft)
        assert not any(queries.is_resolved(session, one) for one in others)
