"""Events: what happened, as it was when it happened, and who is to be told.

Source: Stripe's API reference, "Events", and "Types of events".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.settings import API_VERSION
from portal.sandbox.wire import changed_from

if TYPE_CHECKING:
    from portal.sandbox.calls import Call
    from portal.sandbox.store import Session


def _with_pending_webhooks(call: Call, row: Row) -> Row:
    """Deliveries that have not succeeded yet, counted when the event is looked at."""
    return {**row, "pending_webhooks": undelivered(call.session, row["id"])}


EVENT = Kind(
    object="event",
    table="events",
    prefix="evt",
    url="/v1/events",
    columns=("type",),
    view=_with_pending_webhooks,
)
ENDPOINT = Kind(
    object="webhook_endpoint",
    table="webhook_endpoints",
    prefix="we",
    url="/v1/webhook_endpoints",
    noun="webhook endpoint",
)


def emit(call: Call, event_type: str, row: Row, before: Row | None = None) -> None:
    """Record an event and queue its deliveries, in the transaction of the change it tells of.

    `before` is the object as it was; with it the event says what changed, and nothing is recorded when nothing did.
    """
    data: Row = {"object": call.shown(row)}
    if before is not None:
        changes = changed_from(before, row)
        if not changes:
            return
        data["previous_attributes"] = changes
    if call.endpoints is None:
        call.endpoints = call.session.all(ENDPOINT)
    endpoints = [endpoint for endpoint in call.endpoints if wants(endpoint, event_type)]
    event = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": call.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": len(endpoints),
        "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
        "type": event_type,
    }
    call.session.insert(EVENT, event)
    now = call.sandbox.clock.now()
    for endpoint in endpoints:
        for plan in call.sandbox.disturbances.plan(call.session, now):
            call.session.run(
                "INSERT INTO deliveries (event, endpoint, due, state, note) VALUES (?, ?, ?, ?, ?)",
                (event["id"], endpoint["id"], plan.due, plan.state, plan.note),
            )
        call.queued = True


def wants(endpoint: Row, event_type: str) -> bool:
    """Whether an endpoint is to be told of this type of event."""
    if endpoint["status"] != "enabled":
        return False
    return any(
        pattern in ("*", event_type) or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
        for pattern in endpoint["enabled_events"]
    )


def undelivered(session: Session, event_id: str) -> int:
    found = session.run(
        "SELECT count(*) FROM deliveries WHERE event = ? AND state IN ('waiting', 'sending')", (event_id,)
    ).fetchone()
    return int(found[0])


def failed(session: Session) -> list[str]:
    """The events that did not reach every endpoint that was to be told: not yet, or not at all."""
    found = session.run("SELECT DISTINCT event FROM deliveries WHERE state <> 'delivered'").fetchall()
    return [event for (event,) in found]
