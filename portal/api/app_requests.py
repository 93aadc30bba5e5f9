"""Requests of apps that came with an Idempotency-Key: what was asked under it, and what it was answered.

Source: IETF, draft-ietf-httpapi-idempotency-key-header; Brandur Leach, "Implementing Stripe-like Idempotency Keys in Postgres".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import JSON, Index, Integer, String, delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from portal.api import jobs
from portal.core import db
from portal.core.db import Base, UTCDateTime, database_now
from portal.core.errors import N_, Conflict, Invalid

# An app's key may be longer than a form's, and is kept at least a day: an app that tries again tomorrow has had its answer.
LONGEST_KEY: Final = 255
KEEP: Final = timedelta(hours=48)
# Whoever holds a request longer than this has died with it: longer than the web server lets a request last.
HELD_FOR: Final = timedelta(seconds=90)
# Most requests are answered within this.
ASK_AGAIN_SECONDS: Final = 2


class KeyReused(Invalid):
    code = "idempotency_key_reused"
    message = N_("This Idempotency-Key was already used for another request. Please use a new one.")


class InFlight(Conflict):
    """The first request with this key is not answered yet. `retry_after` is in seconds."""

    code = "request_in_flight"
    message = N_("The first request with this Idempotency-Key is still being worked on. Please ask again in a moment.")

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__()


class AppRequest(Base):
    """A request that came with a key: `caller` is whose key it is, `fingerprint` what was asked.

    While `held_until` lies ahead, someone is working on it. `status` is set with the answer: `subject` is what it was about, `answer`
    the body of a refusal.
    """

    __tablename__ = "app_requests"

    caller: Mapped[str] = mapped_column(String(120), primary_key=True)
    key: Mapped[str] = mapped_column(String(LONGEST_KEY), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    held_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    status: Mapped[int | None] = mapped_column(Integer)
    subject: Mapped[str] = mapped_column(String(80), default="")
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    __table_args__ = (Index("ix_app_requests_created", "created_at"),)


@dataclass(frozen=True, slots=True)
class Answered:
    """What the first request with a key was answered with."""

    status: int
    subject: str
    answer: dict[str, Any] | None


def begin(caller: str, key: str, fingerprint: str) -> Answered | None:
    """Take hold of a request, or get what it was answered with. One whose first try died is taken again, to be finished.

    Raises InFlight while another one works on it, KeyReused when the key stands for something else.
    """
    with db.transaction() as session:
        now = database_now(session)
        upsert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        new = {"caller": caller, "key": key, "fingerprint": fingerprint, "created_at": now, "subject": ""}
        session.execute(upsert(AppRequest).values(new).on_conflict_do_nothing())
        row = session.get_one(AppRequest, (caller, key), with_for_update=True)
        if row.fingerprint != fingerprint:
            raise KeyReused
        if row.status is not None:
            return Answered(row.status, row.subject, row.answer)
        if row.held_until is not None and row.held_until > now:
            raise InFlight(ASK_AGAIN_SECONDS)
        row.held_until = now + HELD_FOR
    return None


def finish(caller: str, key: str, *, status: int, subject: str = "", answer: dict[str, Any] | None = None) -> None:
    """Keep what a request was answered with. A second call changes nothing."""
    with db.transaction() as session:
        session.execute(
            update(AppRequest)
            .where(AppRequest.caller == caller, AppRequest.key == key, AppRequest.status.is_(None))
            .values(status=status, subject=subject, answer=answer, held_until=None)
        )


def release(caller: str, key: str) -> None:
    """There is no final answer yet: the next request with this key goes on with what this one began."""
    with db.transaction() as session:
        session.execute(
            update(AppRequest)
            .where(AppRequest.caller == caller, AppRequest.key == key, AppRequest.status.is_(None))
            .values(held_until=None)
        )


@jobs.sweep.handler
def sweep() -> None:
    with db.transaction() as session:
        oldest = database_now(session) - KEEP
        session.execute(delete(AppRequest).where(AppRequest.created_at < oldest))
