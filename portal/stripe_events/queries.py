"""Reading what arrived from Stripe; nothing here commits."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session, defer

from portal.stripe_events.models import StripeEvent, WebhookSilence

# To the letter as the index has it, which SQLite would not use otherwise.
_DELIVERED: Final = text("stripe_events.delivered")


def last_delivered(session: Session) -> StripeEvent | None:
    """The event that came last by a webhook, without its body; what was fetched from Stripe afterwards does not count."""
    return session.scalar(
        select(StripeEvent)
        .where(_DELIVERED)
        .options(defer(StripeEvent.body))
        .order_by(StripeEvent.received_at.desc(), StripeEvent.id.desc())
        .limit(1)
    )


def missing_since(session: Session) -> datetime | None:
    """What the last check found."""
    row = session.get(WebhookSilence, 1)
    return row.missing_since if row else None
