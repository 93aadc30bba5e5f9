"""The worker's part: one try to deliver, and what comes of it for the delivery and for its endpoint.

Tries and their waits are the outbox's, but counted on the delivery: a customer's system that is down is no fault of ours, so staff
get no mail about a dead job, and the endpoint's owner is told instead.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.core import audit, clock, db, metrics
from portal.core.db import new_id
from portal.core.errors import Invalid, NotFound
from portal.jobs import outbox
from portal.webhook_endpoints import addresses, jobs, queries, signing
from portal.webhook_endpoints.addresses import Unreachable
from portal.webhook_endpoints.models import (
    LONGEST_ANSWER,
    Delivery,
    DeliveryStatus,
    DisabledReason,
    WebhookEndpoint,
    WebhookEvent,
)
from portal.webhook_endpoints.service import locked

if TYPE_CHECKING:
    from portal.webhook_endpoints.posting import Answer

log = structlog.get_logger(__name__)

# An endpoint that takes nothing for so long is switched off when the next delivery is given up.
FAILS_AT_MOST: Final = timedelta(days=3)
KEEP: Final = timedelta(days=30)
GONE_STATUS: Final = 410


def deliver(delivery_id: str, replay: int) -> None:
    """Make one try. A second call, or one for an earlier beginning than `replay`, sends nothing once it is delivered or failed.

    The receiver may get an event twice, under the same webhook-id, when we die before its answer is recorded. Raises outbox.Reschedule
    when the try failed and is to be made again.
    """
    with db.reading() as session:
        try:
            delivery = queries.delivery(session, delivery_id)
        except NotFound:  # forgotten
            return
        endpoint, event = delivery.endpoint, delivery.event
    if delivery.status != DeliveryStatus.PENDING or delivery.replays != replay:
        return
    answer: Answer | None = None
    try:
        if not endpoint.is_live:
            raise Unreachable("the endpoint is switched off")
        answer = _send(endpoint, event)
        said = answer.text
    except Unreachable as error:
        said = str(error)[:LONGEST_ANSWER]
    _conclude(delivery_id, replay, answer, said)


def _send(endpoint: WebhookEndpoint, event: WebhookEvent) -> Answer:
    try:
        target = addresses.parse(endpoint.url)  # the settings may have changed since it was registered
    except Invalid as error:
        raise Unreachable(error.text()) from error
    now = clock.now()
    signature = signing.signature(endpoint, event.id, int(now.timestamp()), event.body, now)
    from portal.webhook_endpoints import posting  # and urllib3 with it, which web servers never need

    return posting.post(target, {**event.headers(now), "webhook-signature": signature}, event.body)


def _conclude(delivery_id: str, replay: int, answer: Answer | None, said: str) -> None:
    """Record what came of a try, unless the delivery was begun anew meanwhile. Raises outbox.Reschedule before the last try."""
    with db.transaction() as session:
        delivery = locked(session, delivery_id)
        if delivery.status != DeliveryStatus.PENDING or delivery.replays != replay:
            return
        wait = _record(session, delivery, answer, said)
        outcome = "later" if wait is not None else str(delivery.status)
    metrics.DELIVERIES.labels(outcome).inc()
    if wait is not None:
        raise outbox.Reschedule(wait)


def _record(session: Session, delivery: Delivery, answer: Answer | None, said: str) -> float | None:
    """Returns the seconds until the next try, if there is to be one."""
    now = clock.now()
    endpoint = session.scalars(
        queries.locking(select(WebhookEndpoint).where(WebhookEndpoint.id == delivery.endpoint_id))
    ).one()
    delivery.attempts += 1
    delivery.last_attempt_at, delivery.next_attempt_at = now, None
    delivery.status_code = answer.status if answer is not None else None
    delivery.answer = said
    if answer is not None and answer.is_success:
        delivery.status, delivery.delivered_at = DeliveryStatus.DELIVERED, now
        endpoint.failing_since = None
        return None
    endpoint.failing_since = endpoint.failing_since or now
    is_gone = answer is not None and answer.status == GONE_STATUS
    if not is_gone and endpoint.is_live and delivery.attempts < outbox.MOST_ATTEMPTS:
        wait = outbox.wait_after(delivery.attempts)
        delivery.next_attempt_at = now + timedelta(seconds=wait)
        return wait
    delivery.status = DeliveryStatus.FAILED
    log.warning("delivery_failed", delivery_id=delivery.id, endpoint_id=endpoint.id, attempts=delivery.attempts)
    session.flush()
    facts = {
        "event": delivery.event_id,
        "type": delivery.type,
        "attempts": delivery.attempts,
        "status": delivery.status_code,
    }
    audit.record(session, "delivery.failed", delivery.id, facts, customer_id=delivery.customer_id)
    if endpoint.is_live and (is_gone or now - endpoint.failing_since >= FAILS_AT_MOST):
        _disable(session, endpoint, DisabledReason.GONE if is_gone else DisabledReason.FAILING, now)
    return None


def _disable(session: Session, endpoint: WebhookEndpoint, reason: DisabledReason, now: datetime) -> None:
    """Send nothing there any more, and have the customer's owners told."""
    endpoint.disabled_at, endpoint.disabled_reason = now, reason
    session.flush()
    facts = {"url": endpoint.url, "reason": reason}
    audit.record(session, "endpoint.disabled", endpoint.id, facts, customer_id=endpoint.customer_id)
    occasion = new_id("off")
    for owner in accounts.owners(session, endpoint.customer_id):
        jobs.mail_disabled.enqueue(
            session,
            endpoint_id=endpoint.id,
            owner_id=owner.id,
            reason=reason,
            occasion=f"{occasion}:{owner.id}",
        )


def forget_old() -> None:
    """Forget events after their time, with their deliveries, and removed endpoints that no delivery names any more."""
    with db.transaction() as session:
        oldest = clock.now() - KEEP
        old = select(WebhookEvent.id).where(WebhookEvent.created_at < oldest)
        session.execute(delete(Delivery).where(Delivery.event_id.in_(old)))
        session.execute(delete(WebhookEvent).where(WebhookEvent.created_at < oldest))
        named = select(Delivery.id).where(Delivery.endpoint_id == WebhookEndpoint.id)
        # An event that was announced at the moment of the removal has its delivery by then.
        session.execute(delete(WebhookEndpoint).where(WebhookEndpoint.removed_at < oldest, ~named.exists()))
