"""Endpoints of customers' systems. See portal.api.schemas."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from portal.api.schemas import Answer, Sent, Text
from portal.webhook_endpoints.models import DisabledReason, EventType


class NewEndpoint(Sent):
    url: Text = Field(min_length=1, max_length=2_000, examples=["https://erp.example.org/payments"])
    events: list[EventType] = Field(min_length=1, max_length=10)
    description: Text = Field(default="", max_length=200)


class Endpoint(Answer):
    id: str
    url: str
    description: str
    events: list[EventType]
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: DisabledReason | None
    signing_secret: str | None = Field(description="Shown once: when the endpoint is made, and when it is changed.")
