"""An event as Stripe sent it: the raw body is the evidence, the status says whether it has been applied."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import CheckConstraint, Index, Integer, LargeBinary, String, Text, text, true
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText


class EventStatus(StrEnum):
    RECEIVED = "received"
    APPLIED = "applied"
    IGNORED = "ignored"  # a type, or an object, that is none of ours


_DELIVERED: Final = text("delivered")
HAS_BODY: Final = text("length(body) > 0")  # the text of others is over its time
_RECEIVED: Final = text(f"status IN ('{EventStatus.RECEIVED}')")


class StripeEvent(Base):
    __tablename__ = "stripe_events"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)  # Stripe's own: a second delivery finds it
    type: Mapped[str] = mapped_column(String(80))
    object_id: Mapped[str] = mapped_column(String(80))
    intent_id: Mapped[str | None] = mapped_column(String(80))  # the payment intent it is about, if it is about one
    api_version: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    received_at: Mapped[datetime] = mapped_column(UTCDateTime)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[EventStatus] = mapped_column(EnumText(EventStatus, 10), default=EventStatus.RECEIVED)
    note: Mapped[str] = mapped_column(Text, default="")
    applied_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    replays: Mapped[int] = mapped_column(Integer, default=0)  # how often staff have had it applied anew
    # False: it never came by a webhook and was fetched from Stripe.
    delivered: Mapped[bool] = mapped_column(default=True, server_default=true())

    __table_args__ = (
        one_of("status", EventStatus),
        Index("ix_stripe_events_received", "received_at", "id"),
        Index("ix_stripe_events_delivered", "received_at", "id", sqlite_where=_DELIVERED, postgresql_where=_DELIVERED),
        Index("ix_stripe_events_status", "status", "received_at", "id"),
        # Events that wait, by what they are about: see handlers.served_together.
        Index("ix_stripe_events_intent", "intent_id", sqlite_where=_RECEIVED, postgresql_where=_RECEIVED),
        Index("ix_stripe_events_type", "type", "received_at", "id"),
        Index("ix_stripe_events_bodies", "received_at", sqlite_where=HAS_BODY, postgresql_where=HAS_BODY),
        Index("ix_stripe_events_object", "object_id", "created_at"),
    )


class WebhookSilence(Base):
    """One row: when it was last checked whether webhooks arrive, and since when they are missing, if they are."""

    __tablename__ = "webhook_silence"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    checked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    missing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
