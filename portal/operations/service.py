"""What staff do about operations: have a job tried again, and take the audit trail home as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from sqlalchemy import select

from portal.content.csv_lines import FOR_PROGRAMS, Shape
from portal.core import audit, db
from portal.core.errors import N_, Conflict, NotFound
from portal.jobs import outbox
from portal.jobs.models import JobRow, JobStatus
from portal.operations import queries
from portal.operations.queries import AuditFilter

# Longer files are made a period at a time.
EXPORT_LIMIT: Final = 50_000
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
