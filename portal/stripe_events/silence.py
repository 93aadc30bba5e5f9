"""Whether Stripe's webhooks still arrive: silence alone proves nothing, an event at Stripe that never came does.

A quiet night is no fault. So when no webhook has arrived for longer than the settings allow, Stripe is asked for what has happened
since; an event of a type that we use, which is minutes old and was not delivered here, says that the way is broken. That it works
again is said by a webhook that arrives, and never by silence.
Source: Stripe, "Undelivered webhook events": events are listed for 30 days, whether an endpoint was registered or not.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import nan
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import gateway
from portal.core import audit, clock, config, db
from portal.stripe_events import jobs, queries
from portal.stripe_events.handlers import HANDLERS
from portal.stripe_events.models import StripeEvent, WebhookSilence

log = structlog.get_logger(__name__)

# A delivery takes seconds, and Stripe's first retries minutes.
GRACE: Final = timedelta(minutes=5)
# How far back Stripe is asked at most: as far as it lists events. The worker may have stood still for days.
LONGEST_SPAN: Final = timedelta(days=30)
# Before the first webhook: older events may be from before there was a portal.
FIRST_SPAN: Final = timedelta(days=1)
# How many events of one question are read, newest first.
MOST_READ: Final = 100


def check() -> datetime | None:
    """Since when webhooks are known to be missing, or None; a second call asks again and changes nothing else.

    Asks Stripe only when none has arrived for longer than the settings allow. Raises the gateway's errors when Stripe does not answer.
    """
    now = clock.now()
    with db.reading() as session:
        last, known = queries.last_delivered(session), queries.missing_since(session)
    missing = None
    quiet = timedelta(minutes=config.current().webhook_silence_minutes)
    if last is None or now - last.received_at > quiet:
        missing = _first_missing(last, now)
    if known is not None and (last is None or last.received_at <= known):
        missing = known  # nothing has arrived since, whatever Stripe still lists
    _keep(missing, now)
    return missing


def missing_seconds(session: Session) -> float:
    """For how long webhooks are known to be missing; 0 while all arrive."""
    missing = queries.missing_since(session)
    return (clock.now() - missing).total_seconds() if missing else 0


def last_arrival(session: Session) -> float:
    """When the last webhook arrived, in seconds since 1970; not a number before the first."""
    last = queries.last_delivered(session)
    return last.received_at.timestamp() if last else nan


def _first_missing(last: StripeEvent | None, now: datetime) -> datetime | None:
    """When the oldest event happened that should have come since, of those that are read; None when there is none."""
    since = max(now - LONGEST_SPAN, last.created_at) if last else now - FIRST_SPAN
    listed = gateway.current().list_events(created_from=since, created_to=now - GRACE, most=MOST_READ)
    ours = {event_id: at for event_id, kind, at in listed if kind in HANDLERS}
    if not ours:
        return None
    with db.reading() as session:
        came = set(
            session.scalars(select(StripeEvent.id).where(StripeEvent.id.in_(ours.keys()), StripeEvent.delivered))
        )
    return min((at for event_id, at in ours.items() if event_id not in came), default=None)


def _keep(missing: datetime | None, now: datetime) -> None:
    """Write down what was found; the change, its audit event and the mail about it in one transaction."""
    with db.transaction() as session:
        row = session.get(WebhookSilence, 1, with_for_update=True)
        before = row.missing_since if row else None
        if row is None:
            row = WebhookSilence(id=1)
            session.add(row)
        row.checked_at = now
        if (missing is None) == (before is None):
            return  # an outage keeps its first moment
        row.missing_since = missing
        if missing is not None:
            audit.record(session, "webhooks.missing", "webhooks", {"since": missing.isoformat()})
            since = int(missing.timestamp())
            jobs.mail_missing_webhooks.enqueue(session, since=since)
            log.error("webhooks_missing", since=missing.isoformat())
        elif before is not None:
            audit.record(session, "webhooks.arrive", "webhooks", {"since": before.isoformat()})
            log.info("webhooks_arrive", since=before.isoformat())
