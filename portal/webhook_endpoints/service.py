"""Registering customers' endpoints, and announcing to them what happened. Sending is the worker's: portal.webhook_endpoints.sending."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.core import audit, clock, db, idempotency, texts
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.webhook_endpoints import addresses, jobs, queries, signing
from portal.webhook_endpoints.models import (
    LONGEST_DESCRIPTION,
    PING,
    Delivery,
    DeliveryStatus,
    DisabledReason,
    EventType,
    WebhookEndpoint,
    WebhookEvent,
)

# Each event goes to every endpoint that asked for it; nobody needs more.
MOST_ENDPOINTS: Final = 10


# Announcing


def emit(session: Session, customer_id: str, event_type: str, facts: Mapping[str, Any]) -> None:
    """Tell the customer's systems what happened, in the transaction in which it does: an event and a job for each endpoint.

    `facts` are JSON that the customer may see: ids, states, amounts in minor units; never Stripe's secrets or what staff write. Costs
    one read by an index when there is no endpoint. Each call is an event of its own, so it stands where something has really changed.
    Every endpoint gets it at least once, and in no certain order.
    """
    live = [one for one in queries.endpoints(session, customer_id) if one.is_live and event_type in one.events]
    if live:
        _leave(session, live, customer_id, event_type, facts)


def _leave(
    session: Session, endpoints: Sequence[WebhookEndpoint], customer_id: str, event_type: str, facts: Mapping[str, Any]
) -> list[Delivery]:
    now = clock.now()
    event = WebhookEvent(
        id=new_id("evt"),
        customer_id=customer_id,
        type=event_type,
        created_at=now,
        payload={"type": event_type, "timestamp": now.isoformat().replace("+00:00", "Z"), "data": dict(facts)},
    )
    session.add(event)
    session.flush()
    deliveries = [
        Delivery(
            id=new_id("dlv"),
            event_id=event.id,
            endpoint_id=endpoint.id,
            customer_id=customer_id,
            type=event_type,
            status=DeliveryStatus.PENDING,
            replays=0,
            created_at=now,
            next_attempt_at=now,
        )
        for endpoint in endpoints
    ]
    session.add_all(deliveries)
    session.flush()
    for delivery in deliveries:
        jobs.deliver.enqueue(session, delivery_id=delivery.id, replay=delivery.replays)
    return deliveries


# Endpoints


class MadeAlready(Conflict):
    """The form was sent before: its endpoint exists, and the secret was shown then."""

    code = "made_already"
    message = N_("This endpoint was added already, and its secret was shown. Change the secret if you have lost it.")


def add_endpoint(
    customer_id: str,
    url: str,
    events: Sequence[str],
    description: str,
    created_by: str,
    *,
    client_key: str | None = None,
) -> tuple[WebhookEndpoint, str]:
    """Register an address and what it wants to hear of; returns the endpoint and its signing secret, which is shown this once.

    `created_by` is the id of a user, or the name of an app. A second call registers a second endpoint, unless it has the same
    `client_key`: then it raises MadeAlready. Raises Invalid (fields "url", "events", "description"), NotFound for an unknown customer, and
    Conflict when there are MOST_ENDPOINTS already.
    """
    endpoint_id = new_id("wep")
    if client_key is not None:
        idempotency.check_client_key(client_key)
        endpoint_id = f"wep_{hashlib.sha256(f'{customer_id} {client_key}'.encode()).hexdigest()[:26]}"
    url = url.strip()
    texts.refuse_card_number(url, field="url")
    addresses.parse(url)
    wanted = _checked(events)
    description = texts.one_line(description, field="description", longest=LONGEST_DESCRIPTION)
    with db.transaction() as session:
        accounts.customer(session, customer_id, lock=True)  # so that two at once are counted one after the other
        if session.get(WebhookEndpoint, endpoint_id) is not None:
            raise MadeAlready
        if len(queries.endpoints(session, customer_id)) >= MOST_ENDPOINTS:
            raise Conflict(
                N_("There are %(most)s endpoints already. Remove one first."),
                code="too_many_endpoints",
                most=MOST_ENDPOINTS,
            )
        endpoint = WebhookEndpoint(
            id=endpoint_id,
            customer_id=customer_id,
            url=url,
            description=description,
            events=wanted,
            secret_number=1,
            created_at=clock.now(),
            created_by=created_by,
        )
        session.add(endpoint)
        session.flush()
        _record(session, "endpoint.added", endpoint, {"events": wanted, "by": created_by})
        return endpoint, signing.secret(endpoint)


def _checked(events: Sequence[str]) -> list[str]:
    """Each once, in the order of EventType."""
    if isinstance(events, str) or not events:
        raise Invalid(N_("Say which events are wanted."), field="events")
    for name in events:
        if name not in list(EventType):
            raise Invalid(N_("There is no event %(name)s."), field="events", name=str(name)[:40])
    return [name for name in EventType if name in events]


def remove_endpoint(customer_id: str, endpoint_id: str) -> None:
    """Nothing is sent there any more, nor what is on its way. A second call changes nothing. Raises NotFound."""
    with db.transaction() as session:
        own = (WebhookEndpoint.id == endpoint_id) & (WebhookEndpoint.customer_id == customer_id)
        endpoint = session.scalar(queries.locking(select(WebhookEndpoint).where(own)))
        if endpoint is None:
            raise NotFound
        if endpoint.removed_at is None:
            endpoint.removed_at = clock.now()
            _record(session, "endpoint.removed", endpoint)


def rotate_secret(customer_id: str, endpoint_id: str) -> str:
    """The new signing secret, shown this once. Until a day has passed the old one signs as well; the one before it, no longer.

    A second call makes yet another. Raises NotFound.
    """
    with db.transaction() as session:
        endpoint = queries.endpoint(session, customer_id, endpoint_id, lock=True)
        endpoint.secret_number += 1
        endpoint.old_secret_until = clock.now() + signing.OLD_SECRET_LASTS
        _record(session, "endpoint.secret_rotated", endpoint)
        return signing.secret(endpoint)


def disable_endpoint(customer_id: str, endpoint_id: str) -> WebhookEndpoint:
    """Send nothing there until it is turned on again; what is on its way is given up at its next try. A second call changes nothing.

    Raises NotFound.
    """
    with db.transaction() as session:
        endpoint = queries.endpoint(session, customer_id, endpoint_id, lock=True)
        if endpoint.disabled_at is None:
            endpoint.disabled_at, endpoint.disabled_reason = clock.now(), DisabledReason.OWNER
            _record(session, "endpoint.turned_off", endpoint)
        return endpoint


def enable_endpoint(customer_id: str, endpoint_id: str) -> WebhookEndpoint:
    """Send events there again, from now on: those of the time between are not made up for. A second call changes nothing.

    Raises NotFound.
    """
    with db.transaction() as session:
        endpoint = queries.endpoint(session, customer_id, endpoint_id, lock=True)
        if endpoint.disabled_at is not None:
            reason = endpoint.disabled_reason
            endpoint.disabled_at = endpoint.disabled_reason = endpoint.failing_since = None
            _record(session, "endpoint.enabled", endpoint, {"was": reason})
        return endpoint


def send_test(customer_id: str, endpoint_id: str) -> str:
    """Have an event of type "ping" sent to this endpoint alone; returns the id of its delivery. A second call sends a second one.

    Raises NotFound, and Conflict for an endpoint that is disabled.
    """
    with db.transaction() as session:
        endpoint = queries.endpoint(session, customer_id, endpoint_id, lock=True)
        _refuse_disabled(endpoint)
        (delivery,) = _leave(session, [endpoint], customer_id, PING, {"endpoint_id": endpoint.id})
        _record(session, "endpoint.tested", endpoint, {"delivery": delivery.id})
        return delivery.id


def _refuse_disabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_live:
        raise Conflict(N_("This endpoint is turned off."), code="endpoint_disabled")


def _record(session: Session, action: str, endpoint: WebhookEndpoint, facts: Mapping[str, Any] | None = None) -> None:
    session.flush()
    told = {"url": endpoint.url, **(facts or {})}
    audit.record(session, action, endpoint.id, told, customer_id=endpoint.customer_id)


# Deliveries


def send_again(delivery_id: str, *, customer_id: str | None = None) -> None:
    """Have an event sent to its endpoint once more, from the first try on, under the same webhook-id: for staff, or for an owner of
    the customer whose id is given.

    What is on its way already is begun anew, so each call sends it once. Raises NotFound, also for another customer's, and Conflict
    when the endpoint is disabled or removed.
    """
    with db.transaction() as session:
        delivery = locked(session, delivery_id)
        if customer_id not in (None, delivery.customer_id):
            raise NotFound
        _refuse_disabled(session.get_one(WebhookEndpoint, delivery.endpoint_id))
        before = delivery.status
        delivery.status, delivery.attempts, delivery.next_attempt_at = DeliveryStatus.PENDING, 0, clock.now()
        delivery.replays += 1
        session.flush()
        jobs.deliver.enqueue(session, delivery_id=delivery.id, replay=delivery.replays)
        facts = {"event": delivery.event_id, "type": delivery.type, "status": [before, DeliveryStatus.PENDING]}
        audit.record(session, "delivery.sent_again", delivery.id, facts, customer_id=delivery.customer_id)


def locked(session: Session, delivery_id: str) -> Delivery:
    """The row as it is now, and nobody else's until the transaction ends. Raises NotFound."""
    found = session.scalar(
        select(Delivery).where(Delivery.id == delivery_id).with_for_update().execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    return found
