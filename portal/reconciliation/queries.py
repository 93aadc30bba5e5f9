"""Reading runs and discrepancies; nothing here commits."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.core import keyset
from portal.core.errors import NotFound
from portal.jobs.models import JobStatus
from portal.reconciliation import jobs
from portal.reconciliation.models import Discrepancy, DiscrepancyStatus, Reconciliation, RunKind
from portal.reconciliation.run import DiscrepancyDraft

# More are not read at once; who has so many has one fault many times.
MOST_DISCREPANCIES: Final = 1_000


def watermark(session: Session) -> datetime | None:
    """Up to when the worker has compared everything; a person's own runs may leave gaps and do not count."""
    return session.scalar(
        select(func.max(Reconciliation.until)).where(
            Reconciliation.finished_at.is_not(None), Reconciliation.kind.in_((RunKind.FREQUENT, RunKind.NIGHTLY))
        )
    )


def watermark_before(session: Session, moment: datetime) -> datetime | None:
    """Likewise, as far as it was known at that moment."""
    return session.scalar(
        select(func.max(Reconciliation.until)).where(
            Reconciliation.finished_at < moment, Reconciliation.kind.in_((RunKind.FREQUENT, RunKind.NIGHTLY))
        )
    )


def latest_finished(session: Session) -> Reconciliation | None:
    """The run that ended last, of any kind."""
    query = select(Reconciliation).where(Reconciliation.finished_at.is_not(None))
    return session.execute(query.order_by(Reconciliation.finished_at.desc()).limit(1)).scalar_one_or_none()


def runs(session: Session, cursor: str | None = None) -> keyset.Page[Reconciliation]:
    """A page of runs, the newest first. Raises NotFound for a cursor that nobody gave out."""
    return keyset.page(session, select(Reconciliation), Reconciliation.started_at, Reconciliation.id, cursor)


def cut_off(session: Session, since: datetime | None, begun_after: datetime) -> str | None:
    """The id of a command's run that did not come to its end, if it was the last of all; with `since`, only one of that span."""
    row = _last(session, None)
    if row is None or row.kind != RunKind.COMMAND or row.finished_at is not None or row.started_at < begun_after:
        return None
    return row.id if since is None or row.since == since else None


def is_under_way(session: Session, kind: RunKind) -> bool:
    """Whether the last run of the worker's of this kind goes on by itself: its job is still to be done."""
    last = _last(session, kind)
    if last is None or last.finished_at is not None:
        return False
    job = jobs.walk.find(session, reconciliation_id=last.id)
    return job is not None and job.status == JobStatus.QUEUED


def _last(session: Session, kind: RunKind | None) -> Reconciliation | None:
    query = select(Reconciliation)
    if kind is not None:
        query = query.where(Reconciliation.kind == kind)
    newest = query.order_by(Reconciliation.started_at.desc(), Reconciliation.id.desc()).limit(1)
    return session.execute(newest).scalar_one_or_none()


def open_discrepancies(session: Session) -> list[Discrepancy]:
    """Those that nobody has resolved and no later run has found gone, the oldest first; MOST_DISCREPANCIES at most."""
    query = (
        select(Discrepancy)
        .where(Discrepancy.status == DiscrepancyStatus.OPEN)
        .order_by(Discrepancy.found_at, Discrepancy.id)
    )
    return list(session.execute(query.limit(MOST_DISCREPANCIES)).scalars())


def discrepancy(session: Session, discrepancy_id: str) -> Discrepancy:
    """Raises NotFound."""
    found = session.get(Discrepancy, discrepancy_id)
    if found is None:
        raise NotFound
    return found


def is_resolved(session: Session, draft: DiscrepancyDraft) -> bool:
    """Whether a person has said why this discrepancy is right, with these very facts."""
    query = select(Discrepancy.id).where(
        Discrepancy.code == draft.code,
        Discrepancy.subject == draft.subject,
        Discrepancy.fingerprint == draft.fingerprint,
        Discrepancy.status == DiscrepancyStatus.RESOLVED,
    )
    return session.scalar(query) is not None
