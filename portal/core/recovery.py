"""Recovery mode: what holds money and numbers still after the database was restored from a backup. See docs/decisions/0019.

One question, `is_on`, is asked at four places, and so by all that moves money or gives out a number, whoever wrote it:

    portal.web.pages         a request that changes something, by page or API: answered 503 `recovery_mode`, but for what FREE names
    portal.jobs.outbox        jobs: workers take only those that say they may run in recovery
    portal.gateway       whatever makes or confirms something at Stripe
    portal.core.numbering     the next number of a series

It is on while a Recovery is open, and as soon as the mark outside of the database (portal.core.marks) tells of an event that the database
does not have. Reading goes on, webhooks are stored, and what Stripe knows is brought back by a full look (portal.reconciliation).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import JSON, Engine, Index, String, Text, event, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import audit, clock, db, marks, metrics, reach
from portal.core.audit import AuditEvent
from portal.core.db import Base, UTCDateTime, new_id, one_of
from portal.core.errors import N_, PortalError

log = structlog.get_logger(__name__)

# How the portal came to know that its database went back in time.
OPERATOR: Final = "operator"  # somebody said so
MARK: Final = "mark"  # the file outside of the database has an event that the database lacks
STRIPE: Final = "stripe"  # Stripe has a payment of a customer of ours that no row knows
REASONS: Final = (OPERATOR, MARK, STRIPE)

# How long pages show what the database said of it last.
TOLD_FOR_SECONDS: Final = 2.0

_OPEN: Final = text("finished_at IS NULL")


class InRecovery(PortalError):
    """Nothing moves money and nothing is numbered at the moment. `retry_after` is in seconds."""

    code = "recovery_mode"
    status = 503
    message = N_(
        "You were not charged. Payments are paused: our records were restored from a backup and are "
        "being compared with our payment provider’s. Please do not pay another way; try again later."
    )
    retry_after = 300


class Recovery(Base):
    """One time of recovery, from noticing that the database went back to the end of the comparison.

    `since` is where the comparison begins; none leaves it to the comparison. `series` holds the last number of each series as the
    restored database had it, once `reconciliation_id`, the run that compares, is there; `overruled` is why a person ended it before
    that was clean.
    """

    __tablename__ = "recoveries"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    reason: Mapped[str] = mapped_column(String(10))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    series: Mapped[dict[str, int]] = mapped_column(JSON)
    begun_at: Mapped[datetime] = mapped_column(UTCDateTime)
    reconciliation_id: Mapped[str | None] = mapped_column(String(40))
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    overruled: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        one_of("reason", REASONS),
        Index("ix_recoveries_open", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    )


# Asking


def is_on(session: Session) -> bool:
    """Whether nothing may move money or be numbered now."""
    return current(session) is not None or lost_event() is not None


def current(session: Session) -> Recovery | None:
    """The recovery that is open, if one is."""
    return session.execute(select(Recovery).where(_OPEN).limit(1)).scalar_one_or_none()


def last_begun(session: Session) -> datetime | None:
    """When the latest recovery that has ended was begun; None before the first."""
    return session.scalar(select(func.max(Recovery.begun_at)).where(Recovery.finished_at.is_not(None)))


def refuse(session: Session) -> None:
    """Raises InRecovery while recovery mode is on."""
    if is_on(session):
        raise InRecovery


def refuse_now() -> None:
    """Likewise, for whoever has no transaction open."""
    with db.reading() as session:
        refuse(session)


def lost_event() -> int | None:
    """The number of the audit event that the mark tells of and the database does not have; 0 when the mark cannot be read.

    None when all is well. Asked on a connection of its own, after the file: a view that is older than the file would lack what was
    committed meanwhile.
    """
    try:
        mark = marks.read()
    except marks.Unreadable as error:
        log.error("mark_unreadable", exc_info=error)
        return 0
    if mark is None or not mark.number:
        return None
    with reach.everyone_elsewhere(), db.engine().connect().execution_options(writing=False) as connection:
        found = connection.execute(select(AuditEvent.hash).where(AuditEvent.number == mark.number)).scalar_one_or_none()
    return None if found == mark.hash else mark.number


# Beginning and ending


def notice(session: Session) -> bool:
    """Open a recovery when the mark says that the database went back in time; whether one was opened now. In the caller's transaction."""
    lost = lost_event()
    if not lost or current(session) is not None:
        return False
    return begin(session, MARK, {"event": lost, **marks.facts()})


def begin(session: Session, reason: str, facts: dict[str, Any], *, since: datetime | None = None) -> bool:
    """Open a recovery in the caller's transaction; False, having changed nothing, when one is open. Whoever opens one leaves its job."""
    head = audit.locked_head(session)  # whoever notices at the same time waits here
    if current(session) is not None:
        return False
    found = Recovery(
        id=new_id("rcv"),
        reason=reason,
        facts={"last_event": head.number, **facts},
        since=since,
        series={},
        begun_at=clock.now(),
        overruled="",
    )
    session.add(found)
    session.flush()
    _tell_anew(session)
    log.error("recovery_begun", reason=reason, facts=facts)
    audit.record(session, "recovery.begun", found.id, {"reason": reason, **found.facts})
    return True


def end(session: Session, found: Recovery, facts: dict[str, Any], overruled: str = "") -> None:
    """Close a recovery in the caller's transaction: from now on money moves and numbers go on. The mark begins anew from here."""
    found.finished_at, found.overruled = clock.now(), overruled
    marks.begin_anew(session)
    _tell_anew(session)
    audit.record(session, "recovery.finished", found.id, {"overruled": overruled, **facts})
    log.warning("recovery_finished", recovery=found.id, overruled=bool(overruled))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a database said, and when by time.monotonic()."""

    engine: Engine
    at: float
    is_on: bool


_last_answer: _Answer | None = None


def is_on_now() -> bool:
    """Whether recovery mode is on, for whoever only tells people of it; False while the database does not answer.

    The answer may be TOLD_FOR_SECONDS old where another process has begun or ended a recovery: each page shows it.
    """
    global _last_answer
    engine, now, last = db.engine(), time.monotonic(), _last_answer
    if last is not None and last.engine is engine and now - last.at < TOLD_FOR_SECONDS:
        return last.is_on
    try:
        with db.reading_once() as session:
            found = is_on(session)
    except db.UNREACHABLE:
        return False
    _last_answer = _Answer(engine, now, found)
    return found


def _tell_anew(session: Session) -> None:
    """Once this transaction is committed, what was answered before is outdated."""

    def forget(_session: Session) -> None:
        global _last_answer
        _last_answer = None

    event.listen(session, "after_commit", forget, once=True)


metrics.IN_RECOVERY.set_function(lambda: float(is_on_now()))
