"""Whether a service for which no job is set down, such as one that is asked within requests, has answered when it was last asked.

What jobs wait for, `portal.jobs.workers.outages_now` tells. Here whoever asks such a service writes down what came of it, so that a page
can tell of it later without asking anybody.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import String
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import audit, clock, db
from portal.core.db import Base, UTCDateTime

IDENTITY_PROVIDER: Final = "identity_provider"
VIES: Final = "vies"
# A failure is written down again after this: whoever presses a button over and over makes no writes of it.
PAUSE: Final = timedelta(minutes=1)


class ServiceAnswer(Base):
    """One row a service: when it last answered, since when it has not, and when that was last seen."""

    __tablename__ = "service_answers"

    service: Mapped[str] = mapped_column(String(30), primary_key=True)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


def answered(session: Session, service: str) -> None:
    """It has answered now; in the caller's transaction. That an outage is over is in the audit trail."""
    row = _row(session, service)
    row.answered_at = clock.now()
    if row.failing_since is not None:
        audit.record(session, "service.answers", service, {"since": row.failing_since.isoformat()})
        row.failing_since = None


def failed(service: str) -> None:
    """It did not answer; in a transaction of its own, at most once in PAUSE. An outage keeps its first moment."""
    with db.reading() as session:
        known = of(session, service)
    now = clock.now()
    if known is not None and known.failing_since is not None and known.failed_at and now - known.failed_at < PAUSE:
        return
    with db.transaction() as session:
        row = _row(session, service)
        row.failed_at = now
        if row.failing_since is None:
            row.failing_since = now
            audit.record(session, "service.silent", service, {"since": now.isoformat()})


def of(session: Session, service: str) -> ServiceAnswer | None:
    """What is known of a service; None while nobody has asked it."""
    return session.get(ServiceAnswer, service)


def _row(session: Session, service: str) -> ServiceAnswer:
    audit.locked_head(session)  # the first row is made once, whoever asks at the same time
    row = session.get(ServiceAnswer, service)
    if row is None:
        row = ServiceAnswer(service=service)
        session.add(row)
    return row
