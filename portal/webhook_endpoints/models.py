"""Endpoints of customers' systems, the events that they are told of, and each event's way to each endpoint."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText


class EventType(StrEnum):
    """What an endpoint may ask for."""

    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_RETURNED = "payment.returned"
    INVOICE_PAID = "invoice.paid"
    INVOICE_CREDITED = "invoice.credited"
    REFUND_UPDATED = "refund.updated"


# Sent when its owner asks for it, to any endpoint.
PING: Final = "ping"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DisabledReason(StrEnum):
    """Why an endpoint is disabled."""

    FAILING = "failing"  # nothing has arrived for days
    GONE = "gone"  # it answered 410 Gone
    OWNER = "owner"  # an owner of the customer has turned it off


LONGEST_URL: Final = 2_000
LONGEST_DESCRIPTION: Final = 200
# What is kept of an answer, or of why there was none.
LONGEST_ANSWER: Final = 500

_KEPT: Final = text("removed_at IS NULL")
FAILING: Final = text("failing_since IS NOT NULL AND removed_at IS NULL")


class WebhookEndpoint(Base):
    """An address that a customer's system listens at.

    The signing secret is derived from `id` and `secret_number`, which rises when the secret is changed; the one before it signs as
    well until `old_secret_until`. `failing_since` is the first failed try since anything was delivered. Events go to endpoints that
    are neither disabled nor removed. A removed one stays until its last delivery is forgotten.
    """

    __tablename__ = "webhook_endpoints"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    url: Mapped[str] = mapped_column(String(LONGEST_URL))
    description: Mapped[str] = mapped_column(String(LONGEST_DESCRIPTION), default="")
    events: Mapped[list[str]] = mapped_column(JSON)  # some of EventType
    secret_number: Mapped[int] = mapped_column(Integer, default=1)
    old_secret_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    created_by: Mapped[str] = mapped_column(String(80))  # the id of a user, or the name of an app
    failing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    disabled_reason: Mapped[DisabledReason | None] = mapped_column(EnumText(DisabledReason, 10))
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        one_of("disabled_reason", DisabledReason),
        Index("ix_webhook_endpoints_customer", "customer_id", "id", sqlite_where=_KEPT, postgresql_where=_KEPT),
        Index("ix_webhook_endpoints_removed", "removed_at"),
        Index("ix_webhook_endpoints_failing", "failing_since", sqlite_where=FAILING, postgresql_where=FAILING),
    )

    @property
    def is_live(self) -> bool:
        """Whether it is told of anything."""
        return self.disabled_at is None and self.removed_at is None

    @property
    def host(self) -> str:
        """Where it is, without the path: as it stands in lists."""
        return urlsplit(self.url).netloc


class WebhookEvent(Base):
    """What happened, as it is told: `payload` is frozen when it happens, so all endpoints and all attempts get the same bytes.

    `customer_id` is no foreign key: an event is written where the audit trail is locked already, and checking the key would wait for
    whoever has locked the customer and waits for the trail.
    """

    __tablename__ = "webhook_events"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(String(40))
    type: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (one_of("type", (*EventType, PING)), Index("ix_webhook_events_created", "created_at"))

    @property
    def body(self) -> bytes:
        """The bytes that are sent and signed."""
        return json.dumps(self.payload, separators=(",", ":"), ensure_ascii=False).encode()

    def headers(self, at: datetime) -> dict[str, str]:
        """What is sent with it at this moment, but for the signature."""
        return {
            "Content-Type": "application/json",
            "User-Agent": "billing-portal-events/1",
            "webhook-id": self.id,
            "webhook-timestamp": str(int(at.timestamp())),
        }


class Delivery(Base):
    """One event on its way to one endpoint. `customer_id` and `type` are the event's, for the lists of staff.

    `replays` counts how often it was begun anew; a job of an earlier beginning does nothing. `answer` is the beginning of what the
    endpoint said, or why it could not be asked. `attempts` counts since the last beginning.
    """

    __tablename__ = "webhook_deliveries"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    event_id: Mapped[str] = mapped_column(ForeignKey("webhook_events.id"))
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id"))
    customer_id: Mapped[str] = mapped_column(String(40))
    type: Mapped[str] = mapped_column(String(40))
    status: Mapped[DeliveryStatus] = mapped_column(EnumText(DeliveryStatus, 10), default=DeliveryStatus.PENDING)
    replays: Mapped[int] = mapped_column(Integer, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    status_code: Mapped[int | None] = mapped_column(Integer)
    answer: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_attempt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    event: Mapped[WebhookEvent] = relationship(lazy="raise")
    endpoint: Mapped[WebhookEndpoint] = relationship(lazy="raise")

    __table_args__ = (
        one_of("status", DeliveryStatus),
        UniqueConstraint("event_id", "endpoint_id"),
        Index("ix_webhook_deliveries_created", "created_at", "id"),
        Index("ix_webhook_deliveries_customer", "customer_id", "created_at", "id"),
        Index("ix_webhook_deliveries_status", "status", "created_at", "id"),
        Index("ix_webhook_deliveries_type", "type", "created_at", "id"),
        Index("ix_webhook_deliveries_endpoint", "endpoint_id", "created_at", "id"),
    )
