"""Reading what arrived from Stripe; nothing here commits."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session, defer

from portal.core.db import inline_literals
from portal.stripe_events import handlers
from portal.stripe_events.models import EventStatus, StripeEvent, WebhookSilence

# To the letter as the index has it, which SQLite would not use otherwise.
_DELIVERED: Final = text("stripe_events.delivered")
# A payment has about six events, a dispute some more. What is beyond is acted on by its own job.
MOST_TOGETHER: Final = 50


def last_delivered(session: Session) -> StripeEvent | None:
    """The event that came last by a webhook, without its body; what was fetched from Stripe afterwards does not count."""
    return session.scalar(
        select(StripeEvent)
        .where(_DELIVERED)
        .options(defer(StripeEvent.body))
        .order_by(StripeEvent.received_at.desc(), StripeEvent.id.desc())
        .limit(1)
    )


def waiting_with(session: Session, event: StripeEvent) -> list[tuple[str, int]]:
    """The events that acting on this one acts on, too, with how often each was replayed; at most MOST_TOGETHER besides it itself.

    Only what was here before anything is fetched: an event that comes later may tell of what the fetch did not see.
    """
    waiting = inline_literals(StripeEvent.status, [EventStatus.RECEIVED])
    found = select(StripeEvent.id, StripeEvent.replays).where(handlers.served_together(event), waiting)
    others = session.execute(found.where(StripeEvent.id != event.id).order_by(StripeEvent.id).limit(MOST_TOGETHER))
    return [(event.id, event.replays), *((one, replays) for one, replays in others)]


def missing_since(session: Session) -> datetime | None:
    """What the last check found."""
    row = session.get(WebhookSilence, 1)
    return row.missing_since if row else None
