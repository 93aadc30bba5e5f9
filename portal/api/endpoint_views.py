"""The endpoints at which a customer's own systems are told what happened."""

from __future__ import annotations

from portal.api import endpoint_schemas, representations, schemas
from portal.api.callers import Caller
from portal.api.operations import blueprint, operation
from portal.core import db
from portal.webhook_endpoints import queries, service
from portal.webhook_endpoints.models import WebhookEndpoint

bp = blueprint("endpoints")


def _represented(row: WebhookEndpoint, secret: str | None = None) -> endpoint_schemas.Endpoint:
    return endpoint_schemas.Endpoint.model_validate(
        {
            "id": row.id,
            "url": row.url,
            "description": row.description,
            "events": row.events,
            "created_at": row.created_at,
            "disabled_at": row.disabled_at,
            "disabled_reason": row.disabled_reason,
            "signing_secret": secret,
        }
    )


def _shown(caller: Caller, endpoint_id: str) -> endpoint_schemas.Endpoint:
    with db.reading() as session:
        return _represented(queries.endpoint(session, caller.customer(), endpoint_id))


@bp.get("/endpoints")
@operation("endpoints:read", tag="Webhooks", answer=schemas.Page[endpoint_schemas.Endpoint])
def list_endpoints(caller: Caller) -> schemas.Page[endpoint_schemas.Endpoint]:
    """List the endpoints that are told of events."""
    with db.reading() as session:
        return representations.whole([_represented(row) for row in queries.endpoints(session, caller.customer())])


@bp.post("/endpoints")
@operation(
    "endpoints:write",
    tag="Webhooks",
    answer=endpoint_schemas.Endpoint,
    status=201,
    body=endpoint_schemas.NewEndpoint,
    again=_shown,
    limit="changes",
)
def add_endpoint(caller: Caller, body: endpoint_schemas.NewEndpoint) -> endpoint_schemas.Endpoint:
    """Register an endpoint.

    Each event is sent there as a POST, signed as Standard Webhooks has it, and again for about eight hours until it is answered with 2xx.
    The signing secret is shown this once. The address must be https and public. The sign-in must be ten minutes old at most.
    """
    caller.require_recent_proof()
    row, secret = service.add_endpoint(caller.customer(), body.url, body.events, body.description, caller.key)
    return _represented(row, secret)


@bp.delete("/endpoints/<endpoint_id>")
@operation("endpoints:write", tag="Webhooks", answer=schemas.Deleted, refusals=(404,), limit="changes")
def remove_endpoint(caller: Caller, endpoint_id: str) -> schemas.Deleted:
    """Remove an endpoint. A second call gets the same answer."""
    service.remove_endpoint(caller.customer(), endpoint_id)
    return schemas.Deleted()


@bp.post("/endpoints/<endpoint_id>/secret")
@operation(
    "endpoints:write", tag="Webhooks", answer=endpoint_schemas.Endpoint, refusals=(404,), again=_shown, limit="changes"
)
def rotate_secret(caller: Caller, endpoint_id: str) -> endpoint_schemas.Endpoint:
    """Change an endpoint's signing secret.

    The new one is shown this once. For a day the old one signs as well, so that nothing is lost meanwhile. The sign-in must be ten minutes
    old at most.
    """
    caller.require_recent_proof()
    secret = service.rotate_secret(caller.customer(), endpoint_id)
    return _shown(caller, endpoint_id).model_copy(update={"signing_secret": secret})


@bp.post("/endpoints/<endpoint_id>/activation")
@operation("endpoints:write", tag="Webhooks", answer=endpoint_schemas.Endpoint, refusals=(404,), limit="changes")
def enable_endpoint(caller: Caller, endpoint_id: str) -> endpoint_schemas.Endpoint:
    """Switch an endpoint on again that was switched off because nothing arrived there. A second call changes nothing."""
    return _represented(service.enable_endpoint(caller.customer(), endpoint_id))


@bp.post("/endpoints/<endpoint_id>/test")
@operation("endpoints:write", tag="Webhooks", answer=schemas.Queued, status=202, refusals=(404, 409), limit="changes")
def test_endpoint(caller: Caller, endpoint_id: str) -> schemas.Queued:
    """Have an event of type “ping” sent to an endpoint. A second call sends a second one."""
    service.send_test(caller.customer(), endpoint_id)
    return schemas.Queued()
