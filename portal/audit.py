"""The audit trail: append-only and hash-chained, written in the transaction of the change that it tells of.

Each event's hash covers its own content and the hash before it, so an edit, a removal or a change of order shows;
the head row holds the last number and hash, so a cut at the end shows as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Index, Integer, String, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal import clock
from portal.db import Base, UTCDateTime

GENESIS: Final = "0" * 64
HEAD_ID: Final = 1


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: kind is customer, staff, machine, worker, stripe, cli or anonymous; id is theirs, ip where from."""

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
    head = session.execute(select(AuditHead).where(AuditHead.id == HEAD_ID).with_for_update()).scalar_one()
    content = {
        "number": head.number + 1,
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


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 over the event's content as canonical JSON; times are written in UTC to the microsecond."""
    written = {
        key: value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
        for key, value in content.items()
    }
    return hashlib.sha256(json.dumps(written, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def verify(session: Session) -> str | None:
    """Walk the whole chain in order. Returns None when it is whole, else a sentence that names the first broken place."""
    previous, expected = GENESIS, 1
    in_order = select(AuditEvent.__table__).order_by(AuditEvent.number).execution_options(yield_per=1000)
    with session.execute(in_order) as found:  # PostgreSQL's cursor stays open unless it is closed or read to its end
        for row in found.mappings():
            content = {key: row[key] for key in row if key != "hash"}
            if row["number"] != expected:
                return f"event {expected} is missing: the next one found is {row['number']}"
            if row["previous_hash"] != previous:
                return f"event {row['number']} does not follow the one before it"
            if digest_of(content) != row["hash"]:
                return f"event {row['number']} was changed after it was written"
            previous, expected = row["hash"], expected + 1
    head = session.execute(select(AuditHead).where(AuditHead.id == HEAD_ID)).scalar_one_or_none()
    if head is None:
        return "the head of the chain is missing"
    if head.number != expected - 1 or head.hash != previous:
        return f"the chain was cut: it ends at event {expected - 1}, but its head says {head.number}"
    return None
