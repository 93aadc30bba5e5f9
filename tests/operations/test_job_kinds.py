"""Jobs by kind: what is counted of each, and what staff may have tried again all together."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.core import clock, db
from portal.core.audit import AuditEvent
from portal.core.errors import NotFound
from portal.evidence import jobs as evidence
from portal.jobs import outbox
from portal.jobs.job import Job, declared
from portal.jobs.models import JobRow
from portal.mandates import jobs as mandates
from portal.operations import job_kinds, messages
from portal.operations import service as operations
from portal.operations.job_kinds import JobKind
from portal.payments import jobs as payments
from portal.refunds import jobs as refunds
from tests import factories


def kinds() -> dict[str, JobKind]:
    with db.reading() as session:
        return {kind.name: kind for kind in job_kinds.by_kind(session).kinds}


def statuses(**wanted: Any) -> list[str]:
    with db.reading() as session:
        return [str(row.status) for row in session.scalars(select(JobRow).filter_by(**wanted).order_by(JobRow.id))]


def test_each_kind_tells_how_many_since_when_and_why(database: str) -> None:
    now = clock.now()
    with db.transaction() as session:
        for hours, error in ((3, "OSError: full"), (1, "SMTPAuthenticationError: (535, b'no')")):
            factories.failed_job(
                session,
                name="documents.mail",
                created_at=now - timedelta(hours=hours),
                failing_since=now - timedelta(hours=hours),
                last_error=error,
            )
        retried: dict[str, Any] = {"status": "queued", "finished_at": None, "name": "documents.mail"}
        factories.failed_job(session, **retried, created_at=now - timedelta(hours=2), failing_since=now)
        calm: dict[str, Any] = {"status": "queued", "finished_at": None, "last_error": None, "attempts": 0}
        factories.failed_job(session, **calm, name="refunds.follow_up", run_at=now + timedelta(days=1))
        factories.failed_job(session, name="documents.issue", status="done", last_error=None)
    found = kinds()
    assert list(found) == ["documents.mail", "refunds.follow_up"]  # what has failed for good comes first
    mail, follow_up = found.values()
    assert (mail.scheduled, mail.failing, mail.dead) == (0, 1, 2)
    assert (mail.oldest_at, mail.failing_since) == (now - timedelta(hours=3), now - timedelta(hours=3))
    assert messages.of_failure(mail.last_error) == "The mail server refuses the user name or the password."
    assert (follow_up.scheduled, follow_up.is_fine, follow_up.oldest_at) == (1, True, None)  # its time has not come


def test_a_job_keeps_the_moment_of_its_first_failure_until_it_goes_well(database: str) -> None:
    with db.transaction() as session:
        factories.failed_job(
            session, name="nothing.handles", status="queued", attempts=0, finished_at=None, last_error=None
        )
    begun = clock.now()
    outbox.run_due(most=1)
    (first,) = rows()
    assert first.failing_since is not None
    assert begun - timedelta(seconds=1) <= first.failing_since <= clock.now() + timedelta(seconds=1)
    with db.transaction() as session:
        outbox.revive(session, first.id)
    outbox.run_due(most=1)
    assert [row.failing_since for row in rows()] == [first.failing_since]


def rows() -> list[JobRow]:
    with db.reading() as session:
        return list(session.scalars(select(JobRow)))


def test_all_of_a_kind_are_tried_again_in_batches(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "RETRY_BATCH", 2)
    monkeypatch.setattr(operations, "MOST_RETRIED", 4)
    with db.transaction() as session:
        for _ in range(5):
            factories.failed_job(session, name="documents.mail")
        factories.failed_job(session, name="documents.render")
    assert operations.try_kind_again("documents.mail") == (4, True)
    assert sorted(statuses(name="documents.mail")) == ["dead", "queued", "queued", "queued", "queued"]
    assert operations.try_kind_again("documents.mail") == (1, False)
    assert operations.try_kind_again("documents.mail") == (0, False)
    assert statuses(name="documents.render") == ["dead"]
    with db.reading() as session:
        query = select(AuditEvent).where(AuditEvent.action == "jobs.revived").order_by(AuditEvent.number)
        events = session.scalars(query).all()
    assert [(event.subject, event.facts) for event in events] == [
        ("documents.mail", {"number": 2}),
        ("documents.mail", {"number": 2}),
        ("documents.mail", {"number": 1}),
    ]


def test_what_moves_money_is_never_tried_again_all_together(database: str) -> None:
    ours = {
        job.name
        for package in (evidence, mandates, payments, refunds)
        for job in vars(package).values()
        if isinstance(job, Job)
    }
    moving = sorted(name for name in ours if declared()[name].one_by_one)
    assert moving == [
        "evidence.send",
        "mandates.collect",
        "payments.finish_confirmation",
        "refunds.execute",
        "refunds.return_duplicate",
    ]
    with db.transaction() as session:
        for name in moving:
            factories.failed_job(session, name=name)
    for name in moving:
        with pytest.raises(operations.LookAtEach):
            operations.try_kind_again(name)
    assert set(statuses()) == {"dead"}
    with pytest.raises(NotFound):
        operations.try_kind_again("nothing.handles")
