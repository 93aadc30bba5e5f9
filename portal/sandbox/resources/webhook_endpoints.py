"""Webhook endpoints: who is told of events, and with which secret they are signed.

Source: Stripe's API reference, "Webhook endpoints". The secret is shown when the endpoint is made and never again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portal.sandbox.errors import invalid
from portal.sandbox.event_types import EVENT_TYPES
from portal.sandbox.events import ENDPOINT
from portal.sandbox.ids import new_id, new_webhook_secret
from portal.sandbox.kinds import Row, public
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import Boolean, ListOf, Metadata, Parameters, Text, Url, merge_metadata, unsupported
from portal.sandbox.routes import delete, get, post

if TYPE_CHECKING:
    from portal.sandbox.calls import Call
    from portal.sandbox.store import Session

MOST_ENDPOINTS = 16
"""Source: Stripe, "Webhooks": up to 16 endpoints an account."""

CREATE = Parameters(
    {
        "api_version": Text(40, clearable=False),
        "description": Text(),
        "enabled_events": ListOf(Text(clearable=False)),
        "metadata": Metadata(),
        "url": Url(clearable=False),
    },
    required=("enabled_events", "url"),
    unsupported=unsupported("connect"),
)
_VERSION = re.compile(r"20\d\d-[01]\d-[0-3]\d(\.[a-z]+)?")
"""An endpoint may ask for events of another version. They carry its name, and have the shape of the version the sandbox speaks."""

UPDATE = Parameters(
    {
        "description": Text(),
        "disabled": Boolean(),
        "enabled_events": ListOf(Text(clearable=False)),
        "metadata": Metadata(),
        "url": Url(clearable=False),
    }
)


def _check_events(patterns: list[str]) -> list[str]:
    if not patterns:
        raise invalid("You must enable at least one event.", "enabled_events")
    for pattern in patterns:
        if pattern != "*" and pattern not in EVENT_TYPES:
            raise invalid(
                f"{pattern} is not a valid event. If it is a new one, check the version of the API.", "enabled_events"
            )
    if "*" in patterns and len(patterns) > 1:
        raise invalid("You cannot mix `*` with other events.", "enabled_events")
    return patterns


def new_endpoint(url: str, enabled_events: list[str], secret: str, now: int) -> Row:
    return {
        "id": new_id("we"),
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": now,
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secret": secret,
        "_old_secrets": [],
    }


def create(call: Call) -> Row:
    params = call.params
    if call.session.count(ENDPOINT) >= MOST_ENDPOINTS:
        raise invalid(f"You have reached the maximum of {MOST_ENDPOINTS} test webhook endpoints.")
    version = params.get("api_version")
    if version is not None and not _VERSION.fullmatch(version):
        raise invalid(f"Invalid API version: {version}.", "api_version")
    endpoint = new_endpoint(params["url"], _check_events(params["enabled_events"]), new_webhook_secret(), call.now)
    endpoint |= {"api_version": version, "description": params.get("description")}
    endpoint["metadata"] = merge_metadata({}, params.get("metadata", {}))
    call.session.insert(ENDPOINT, endpoint)
    return {**public(endpoint), "secret": endpoint["_secret"]}


def ensure(session: Session, url: str, secret: str, now: int) -> Row:
    """The endpoint that a start of the sandbox asks for: made once, and given exactly this secret each time."""
    for endpoint in session.all(ENDPOINT):
        if endpoint["url"] == url and endpoint.get("_from_start"):
            endpoint |= {"_secret": secret, "status": "enabled"}
            session.save(ENDPOINT, endpoint)
            return endpoint
    endpoint = new_endpoint(url, ["*"], secret, now) | {
        "description": "Made when the sandbox started",
        "_from_start": True,
    }
    session.insert(ENDPOINT, endpoint)
    return endpoint


def retrieve(call: Call, endpoint_id: str) -> Row:
    return call.need(ENDPOINT, endpoint_id, "webhook_endpoint", in_path=True)


def update(call: Call, endpoint_id: str) -> Row:
    endpoint = call.need(ENDPOINT, endpoint_id, "webhook_endpoint", in_path=True)
    params = call.params
    endpoint |= {name: params[name] for name in ("description", "url") if name in params}
    if "enabled_events" in params:
        endpoint["enabled_events"] = _check_events(params["enabled_events"])
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    if "metadata" in params:
        endpoint["metadata"] = merge_metadata(endpoint["metadata"], params["metadata"])
    call.session.save(ENDPOINT, endpoint)
    return endpoint


def remove(call: Call, endpoint_id: str) -> Row:
    call.need(ENDPOINT, endpoint_id, "webhook_endpoint", in_path=True)
    call.session.run("DELETE FROM webhook_endpoints WHERE id = ?", (endpoint_id,))
    call.session.run(
        "UPDATE deliveries SET state = 'given_up', note = 'the endpoint was deleted' WHERE endpoint = ? AND state = 'waiting'",
        (endpoint_id,),
    )
    return {"id": endpoint_id, "object": "webhook_endpoint", "deleted": True}


def list_endpoints(call: Call) -> Row:
    return list_of(call, ENDPOINT, ranges=())


ROUTES = (
    post("/v1/webhook_endpoints", create, CREATE),
    get("/v1/webhook_endpoints", list_endpoints, list_parameters(created=False)),
    get("/v1/webhook_endpoints/<endpoint_id>", retrieve),
    post("/v1/webhook_endpoints/<endpoint_id>", update, UPDATE),
    delete("/v1/webhook_endpoints/<endpoint_id>", remove),
)
