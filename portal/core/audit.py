"""The audit trail: append-only and hash-chained, written in the transaction of the change that it tells of.

Each event's hash covers its own content and the hash before it, so an edit, a removal or a change of order shows;
the head row holds the last number and hash, so a cut at the end shows as well. Who can write all of these rows can make a chain
anew that fits together: against that, its head is written down outside of the database, see portal.content.anchors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Index, Integer, RowMapping, String, bindparam, insert, select, text, update
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import clock, db, marks, reach, texts
from portal.core.db import Base, UTCDateTime

GENESIS: Final = "0" * 64
HEAD_ID: Final = 1
# So many events are held in memory while the chain is walked.
STRIDE: Final = 1_000
# Who leafs to and fro in one customer's pages has viewed it once.
VIEWED_AGAIN_AFTER: Final = timedelta(hours=1)
VIEWED: Final = "staff.viewed"
REFUSED: Final = "access.refused"

_MARK_FITS: Final = "mark_fits"
_VIEWED: Final = text(f"action = '{VIEWED}'")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: kind is customer, staff, api_client, outside, pay_link, worker, stripe, cli or anonymous; id is theirs, ip where from.

    "pay_link" is someone who pays by the link of an invoice, whose id it is, without being signed in.

    "outside" is someone for whom an outside identity provider vouches: the id is the provider's.
    """

    kind: str
    id: str = ""
    ip: str = ""
    request_id: str = ""


SYSTEM: Final = Actor("worker")
_actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Everything recorded in the block is this actor's doing."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def set_actor(actor: Actor) -> None:
    """For the rest of this context (a web request) everything is this actor's doing."""
    _actor.set(actor)


def actor() -> Actor:
    return _actor.get()


class AuditEvent(Base):
    __tablename__ = "audit_events"

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    action: Mapped[str] = mapped_column(String(80))
    subject: Mapped[str] = mapped_column(String(80))
    customer_id: Mapped[str | None] = mapped_column(String(40))
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[str] = mapped_column(String(80))
    ip: Mapped[str] = mapped_column(String(45))
    request_id: Mapped[str] = mapped_column(String(64))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), unique=True)

    __table_args__ = (
        Index("ix_audit_events_subject", "subject", "number"),
        Index("ix_audit_events_customer", "customer_id", "number"),
        Index("ix_audit_events_actor", "actor_id", "number"),
        Index("ix_audit_events_action", "action", "number"),
        Index("ix_audit_events_at", "at", "number"),
        Index(
            "ix_audit_events_viewed", "actor_id", "subject", "number", sqlite_where=_VIEWED, postgresql_where=_VIEWED
        ),
    )


class AuditHead(Base):
    """One row: the last number and hash. Locking it puts events in one order."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


def record(
    session: Session,
    action: str,
    subject: str,
    facts: Mapping[str, Any] | None = None,
    *,
    customer_id: str | None = None,
) -> None:
    """Append one event in the caller's transaction.

    `action` is "noun.verb" ("payment.started"), `subject` the id of the row it is about, `facts` JSON with before → after
    where something changed; never a secret, a card number or a password.
    """
    who = _actor.get()
    head = locked_head(session)
    moves_mark = _fits_mark(session)
    number_of_event = head.number + 1
    content = {
        "number": number_of_event,
        "at": clock.now(),
        "action": action,
        "subject": subject,
        "customer_id": customer_id,
        "actor_kind": who.kind,
        "actor_id": who.id,
        "ip": who.ip,
        "request_id": who.request_id,
        "facts": dict(facts or {}),
        "previous_hash": head.hash,
    }
    digest = digest_of(content)
    session.execute(insert(AuditEvent).values(**content, hash=digest))
    session.execute(update(AuditHead).where(AuditHead.id == HEAD_ID).values(number=content["number"], hash=digest))
    session.expire(head)
    if moves_mark:
        marks.note_event(session, number_of_event, digest)


def _fits_mark(session: Session) -> bool:
    """Whether this chain goes on from where the mark outside of the database stands.

    A database that was restored from a backup does not, and must leave the mark as it is: portal.core.recovery tells it by that.
    """
    if not marks.is_kept():
        return False
    if _MARK_FITS not in session.info:
        try:
            mark = marks.read()
        except marks.Unreadable:
            return False
        known = select(AuditEvent.hash).where(AuditEvent.number == mark.number) if mark and mark.number else None
        with reach.everyone("the chain is of all events"):
            session.info[_MARK_FITS] = known is None or (mark and session.scalar(known) == mark.hash)
    return bool(session.info[_MARK_FITS]) or marks.begins_anew(session)


def locked_head(session: Session) -> AuditHead:
    """The head; until the caller's transaction ends, no one else records anything."""
    return session.execute(select(AuditHead).where(AuditHead.id == HEAD_ID).with_for_update()).scalar_one()


def record_access(subject: str, customer_id: str | None, what: str) -> None:
    """Record that the acting member of staff has seen another person's data: `what` names the page or the file ("payment").

    At most one event per member of staff, subject and hour, also of several requests at once. In a transaction of its own.
    """
    staff_id = _actor.get().id
    found = db.rows_of(_LAST_VIEW, {"staff": staff_id, "subject": subject})
    if _is_recent(found[0].at if found else None):
        return
    with db.transaction() as session:
        locked_head(session)  # where those who come at the same time wait for each other
        if not _has_viewed(session, staff_id, subject):
            record(session, VIEWED, subject, {"what": what}, customer_id=customer_id)


def refused(what: str, facts: Mapping[str, Any]) -> None:
    """Record that the acting person wanted something that they may not: `what` names it, `facts` say how they asked.

    At most one event per person, thing and hour, as above.
    """
    with reach.everyone("the trail is of all"):
        _note_refused(_actor.get().id, what, facts)


def _note_refused(who: str, what: str, facts: Mapping[str, Any]) -> None:
    with db.reading() as session:
        if _was_refused(session, who, what):
            return
    with db.transaction() as session:
        locked_head(session)
        if not _was_refused(session, who, what):
            record(session, REFUSED, what, facts)


def _was_refused(session: Session, actor_id: str, what: str) -> bool:
    mine = AuditEvent.action == REFUSED, AuditEvent.actor_id == actor_id, AuditEvent.subject == what
    return _is_recent(session.scalar(select(AuditEvent.at).where(*mine).order_by(AuditEvent.number.desc()).limit(1)))


def facts_of_filters(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The filters of a file that is taken home, as facts: those that are set, days as ISO 8601. Raises texts.CardNumber."""
    for name, value in wanted.items():
        if isinstance(value, str):
            texts.refuse_card_number(value, field=name)
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in wanted.items() if value}


def _has_viewed(session: Session, staff_id: str, subject: str) -> bool:
    return _is_recent(session.scalar(_LAST_VIEW, {"staff": staff_id, "subject": subject}))


_LAST_VIEW: Final = (
    select(AuditEvent.at)
    .where(_VIEWED, AuditEvent.actor_id == bindparam("staff"), AuditEvent.subject == bindparam("subject"))
    .order_by(AuditEvent.number.desc())
    .limit(1)
)


def _is_recent(moment: datetime | None) -> bool:
    return moment is not None and moment > clock.now() - VIEWED_AGAIN_AFTER


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 over the event's content as canonical JSON; times are written in UTC to the microsecond."""
    written = {
        key: value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
        for key, value in content.items()
    }
    return hashlib.sha256(json.dumps(written, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def verify(
    session: Session,
    anchored: Mapping[int, str] = MappingProxyType({}),
    passed: Callable[[int], None] | None = None,
) -> str | None:
    """Walk the whole chain in order, in little memory. Returns None when it is whole, else a sentence that names the first
    event that was edited, removed, put elsewhere or cut off.

    `anchored` are hashes by number that were written down elsewhere, with 0 for the beginning; `passed` is told how many more
    events were found whole, now and then.
    """
    previous, expected = GENESIS, 1
    for row in _in_order(session):
        if row is None:
            return f"event {expected} cannot be read any more"
        if row["number"] != expected:
            return f"event {expected} is missing: the next one found is {row['number']}"
        if row["previous_hash"] != previous:
            return f"event {expected} does not follow the one before it"
        if digest_of({key: row[key] for key in row if key != "hash"}) != row["hash"]:
            return f"event {expected} was changed after it was written"
        if anchored.get(expected, row["hash"]) != row["hash"]:
            return f"event {expected} is not the one that was anchored"
        previous, expected = row["hash"], expected + 1
        if passed is not None and expected % STRIDE == 1:
            passed(STRIDE)
    return _wrong_at_the_end(session, expected - 1, previous, anchored)


def _wrong_at_the_end(session: Session, last: int, last_hash: str, anchored: Mapping[int, str]) -> str | None:
    head = session.execute(select(AuditHead).where(AuditHead.id == HEAD_ID)).scalar_one_or_none()
    if head is None:
        return "the head of the chain is missing"
    if head.number > last:
        return f"event {last + 1} was cut off: the chain ends before it, and its head says {head.number}"
    if head.number != last or head.hash != last_hash:
        return f"the head does not fit: the chain ends at event {last}, and the head says {head.number}"
    if beyond := [number for number in anchored if number > last]:
        return f"event {last + 1} was cut off: the chain ends before it, and event {min(beyond)} was anchored"
    if anchored.get(0, GENESIS) != GENESIS:
        return "what was anchored as the beginning is not the beginning"
    return None


def _in_order(session: Session) -> Iterator[RowMapping | None]:
    """The events by their number, some at a time; None in place of the first that the database gives out but Python cannot read."""
    in_order = select(*AuditEvent.__table__.columns).order_by(AuditEvent.number)
    last: int | None = None
    stride = STRIDE
    while True:
        try:
            query = in_order if last is None else in_order.where(AuditEvent.number > last)
            rows = session.execute(query.limit(stride)).mappings().all()
        except (ValueError, TypeError, DataError):  # someone has written into a column what the portal never does
            if stride == 1:
                yield None
                return
            stride = 1
            continue
        yield from rows
        if len(rows) < stride:
            return
        last = rows[-1]["number"]
