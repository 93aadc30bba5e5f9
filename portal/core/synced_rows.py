"""Rows that follow an object of another system: their columns, and where they stand. How they are kept in line is portal.stripe_sync's."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

import structlog
from sqlalchemy import JSON, Integer, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import audit, clock
from portal.core.db import UTCDateTime

log = structlog.get_logger(__name__)


class Phase(StrEnum):
    """Where a row stands, and so what is to be done after an accident."""

    RECORDED = "recorded"  # nothing was sent yet
    SENT = "sent"  # what is frozen goes out under the key of this attempt; the answer may be lost
    SEARCHED = "searched"  # Stripe has stored a failure under the key: its list is searched, and nothing is sent
    KNOWN = "known"  # Stripe's id is stored: the object is followed


class Synced:
    """The columns of a row that follows an object of Stripe's, beside the one with the object's id.

    `noun` begins the names of its audit events. `version` rises with every change, for compare-and-swap around a fetch.
    """

    noun: ClassVar[str]

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
    version: Mapped[int] = mapped_column(Integer, default=1)
    customer_id: Mapped[str]


class Reviewed(Synced):
    """`review_reason` says why the row is held for review by staff, if it is."""

    review_reason: Mapped[str] = mapped_column(String(300), default="")


class Mirror(Reviewed):
    """A row whose object is made by us.

    `phase` is a Phase. `attempt` counts the creations begun for this row; with `id` it makes the idempotency key. `sent` is what this
    attempt sends, and `key_used_at` when its key was first used, by the database's clock: Stripe forgets keys after a day.
    """

    phase: Mapped[str] = mapped_column(String(10), default=Phase.RECORDED)
    attempt: Mapped[int] = mapped_column(Integer, default=1)
    key_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    sent: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    def begin_anew(self) -> None:
        """Nothing was made so far, or a person has decided so: what is sent next has a key of its own. In the caller's transaction."""
        self.attempt += 1
        self.sent, self.key_used_at, self.phase = None, None, Phase.RECORDED
        touch(self)


def touch(row: Synced) -> None:
    row.version += 1
    row.updated_at = clock.now()


def hold_for_review(session: Session, row: Reviewed, reason: str) -> None:
    """Set a row aside for staff, with the reason, in the caller's transaction: nothing more is sent for it by itself.

    A second call with the same reason changes nothing.
    """
    if row.review_reason == reason:
        return
    row.review_reason = reason
    touch(row)
    log.error("held_for_review", noun=row.noun, id=row.id, reason=reason)
    audit.record(session, f"{row.noun}.held_for_review", row.id, {"review_reason": reason}, customer_id=row.customer_id)
