"""What staff do about operations: have a job tried again, or all of a kind, and take the audit trail home as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from sqlalchemy import Select, select

from portal.content.csv_lines import FOR_PROGRAMS, Shape
from portal.core import audit, db
from portal.core.errors import N_, Conflict, NotFound
from portal.jobs import outbox
from portal.jobs.job import declared
from portal.jobs.models import DEAD, JobRow, JobStatus
from portal.operations import job_kinds, queries
from portal.operations.queries import AuditFilter

# Longer files are made a period at a time.
EXPORT_LIMIT: Final = 50_000
# So many jobs are tried again in one transaction, and so many with one press.
RETRY_BATCH: Final = 200
MOST_RETRIED: Final = 2_000
# Between two of these no transaction is open, however slowly the file is fetched.
EXPORT_BATCH: Final = 500

# What a program calls a column, and what stands above it for people.
AUDIT_COLUMNS: Final = {
    "number": N_("Number"),
    "at": N_("Date (%(zone)s)"),
    "action": N_("Action"),
    "subject": N_("About"),
    "customer": N_("Customer"),
    "actor_kind": N_("Kind of actor"),
    "actor": N_("Who"),
    "ip": N_("IP address"),
    "request": N_("Request"),
    "facts": N_("Facts"),
    "hash": N_("Hash"),
}


def try_again(job_id: str) -> None:
    """Have a job that is dead, or waits after a failure, tried again now, with all its attempts.

    Raises NotFound, and Conflict for a job that is done, is being run, or has not failed.
    """
    with db.transaction() as session:
        job = session.execute(select(JobRow).where(JobRow.id == job_id).with_for_update()).scalar_one_or_none()
        if job is None:
            raise NotFound
        facts = {"job": job.name, "status": [job.status, JobStatus.QUEUED], "attempts": [job.attempts, 0]}
        if not outbox.revive(session, job_id):
            raise Conflict
        audit.record(session, "job.revived", job_id, facts)


class LookAtEach(Conflict):
    """Jobs of this kind take money, give money back, or tell a bank what cannot be taken back: none is repeated unseen."""

    code = "look_at_each"
    message = N_(
        "Jobs of this kind move money or cannot be taken back. Look at each of them, and retry them one by one."
    )


def try_kind_again(name: str) -> tuple[int, bool]:
    """Have the jobs of a kind that have failed for good tried again now, the oldest first: how many, and whether there are more.

    At most MOST_RETRIED, in batches, each with its audit event; what is committed stays when a later one fails.
    A second call takes what has failed since.
    Raises LookAtEach for a kind whose jobs are looked at one by one, and NotFound for one that nothing here does.
    """
    if job_kinds.is_one_by_one(name):
        if name not in declared():
            raise NotFound
        raise LookAtEach
    retried = 0
    while retried < MOST_RETRIED:
        with db.transaction() as session:
            batch = session.scalars(_dead(name, RETRY_BATCH).with_for_update(skip_locked=True)).all()
            revived = sum(outbox.revive(session, job_id) for job_id in batch)
            if revived:
                audit.record(session, "jobs.revived", name, {"number": revived})
        retried += revived
        if len(batch) < RETRY_BATCH or not revived:
            return retried, False
    with db.reading() as session:
        return retried, session.scalar(_dead(name, 1)) is not None


def _dead(name: str, most: int) -> Select[str]:
    """The ids of those that failed first."""
    return select(JobRow.id).where(DEAD, JobRow.name == name).order_by(JobRow.finished_at, JobRow.id).limit(most)


def export_audit(wanted: AuditFilter, shape: Shape = FOR_PROGRAMS) -> Iterator[str]:
    """Lines of CSV, the newest event first, at most EXPORT_LIMIT; that they were taken is recorded before the first."""
    with db.transaction() as session:
        audit.record(session, "audit.exported", "audit", audit.facts_of_filters(asdict(wanted)))
    return _audit_lines(wanted, shape)


def _audit_lines(wanted: AuditFilter, shape: Shape) -> Iterator[str]:
    yield shape.header(AUDIT_COLUMNS)
    last: int | None = None
    for _ in range(0, EXPORT_LIMIT, EXPORT_BATCH):
        with db.reading() as session:
            events = queries.audit_batch(session, wanted, last, EXPORT_BATCH)
        for event in events:
            yield shape.line(
                (
                    str(event.number),
                    event.at,
                    event.action,
                    event.subject,
                    event.customer_id or "",
                    event.actor_kind,
                    event.actor_id,
                    event.ip,
                    event.request_id,
                    json.dumps(event.facts, ensure_ascii=False, sort_keys=True),
                    event.hash,
                )
            )
            last = event.number
        if len(events) < EXPORT_BATCH:
            return
