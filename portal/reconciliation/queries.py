"""Reading looks and findings; nothing here commits."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.core import keyset
from portal.core.errors import NotFound
from portal.jobs.models import JobState
from portal.reconciliation import jobs
from portal.reconciliation.look import Draft
from portal.reconciliation.models import COMMAND, EXPLAINED, FREQUENT, NIGHTLY, OPEN, Discrepancy, Reconciliation

# More are not read at once; who has so many has one fault many times.
MOST_FINDINGS: Final = 1_000


def watermark(session: Session) -> datetime | None:
    """Up to when everything was looked at by the worker; a person's own looks may leave gaps and do not count."""
    return session.scalar(
        select(func.max(Reconciliation.until)).where(
            Reconciliation.finished_at.is_not(None), Reconciliation.kind.in_((FREQUENT, NIGHTLY))
        )
    )


def watermark_before(session: Session, moment: datetime) -> datetime | None:
    """Likewise, as far as it was known at that moment."""
    return session.scalar(
        select(func.max(Reconciliation.until)).where(
            Reconciliation.finished_at < moment, Reconciliation.kind.in_((FREQUENT, NIGHTLY))
        )
    )


def latest_finished(session: Session) -> Reconciliation | None:
    """The look that ended last, of any kind."""
    query = select(Reconciliation).where(Reconciliation.finished_at.is_not(None))
    return session.execute(query.order_by(Reconciliation.finished_at.desc()).limit(1)).scalar_one_or_none()


def looks(session: Session, cursor: str | None = None) -> keyset.Page[Reconciliation]:
    """A page of looks, the newest first. Raises NotFound for a cursor that nobody gave out."""
    return keyset.page(session, select(Reconciliation), Reconciliation.started_at, Reconciliation.id, cursor)


def cut_off(session: Session, since: datetime | None, begun_after: datetime) -> str | None:
    """The id of a command's look that did not come to its end, if it was the last of all; with `since`, only one of that span."""
    row = _last(session, None)
    if row is None or row.kind != COMMAND or row.finished_at is not None or row.started_at < begun_after:
        return None
    return row.id if since is None or row.since == since else None


def is_under_way(session: Session, kind: str) -> bool:
    """Whether the last look of the worker's of this kind goes on by itself: its job is still to be done."""
    last = _last(session, kind)
    if last is None or last.finished_at is not None:
        return False
    job = jobs.walk.find(session, reconciliation_id=last.id)
    return job is not None and job.state == JobState.QUEUED


def _last(session: Session, kind: str | None) -> Reconciliation | None:
    query = select(Reconciliation)
    if kind is not None:
        query = query.where(Reconciliation.kind == kind)
    newest = query.order_by(Reconciliation.started_at.desc(), Reconciliation.id.desc()).limit(1)
    return session.execute(newest).scalar_one_or_none()


def open_findings(session: Session) -> list[Discrepancy]:
    """Those that nobody has explained and no later look has found gone, the oldest first; MOST_FINDINGS at most."""
    query = select(Discrepancy).where(Discrepancy.state == OPEN).order_by(Discrepancy.found_at, Discrepancy.id)
    return list(session.execute(query.limit(MOST_FINDINGS)).scalars())


def finding(session: Session, finding_id: str) -> Discrepancy:
    """Raises NotFound."""
    found = session.get(Discrepancy, finding_id)
    if found is None:
        raise NotFound
    return found


def is_explained(session: Session, draft: Draft) -> bool:
    """Whether a person has said why this finding is right, with these very facts."""
    query = select(Discrepancy.id).where(
        Discrepancy.code == draft.code,
        Discrepancy.subject == draft.subject,
        Discrepancy.fingerprint == draft.fingerprint,
        Discrepancy.state == EXPLAINED,
    )
    return session.scalar(query) is not None
