"""What tells others how to call: the OpenAPI document, the page made from it, and the keys that access tokens are signed with."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, jsonify

from portal.api import bodies, document, reference, refusals, schemas, tokens
from portal.core import config
from portal.core.permissions import STAFF_ROLES, Role
from portal.identity import policy
from portal.identity.models import CustomerRole
from portal.web import pages

bp = Blueprint("api_docs", __name__)

MAY_BE_KEPT_SECONDS: Final = 3_600


@bp.get(pages.API_DOCS)
@pages.limiter.limit("60/minute")
def page() -> Response:
    """The same document for people, with how to sign in, what may go wrong, and commands to copy."""
    return pages.page(
        "api/docs.html",
        reference=reference.read(document.openapi()),
        refusals=refusals.every(),
        who_may=_who_may(),
        anchor=reference.anchor,
        largest_body=bodies.LARGEST_BODY_BYTES,
        deepest_json=bodies.DEEPEST_JSON,
        most_on_a_page=schemas.MOST_ON_A_PAGE,
        minutes=int(tokens.LIFETIME.total_seconds() // 60),
        base_url=config.current().base_url,
    )


def _who_may() -> dict[str, frozenset[str]]:
    """Scope → the roles whose apps may have it."""
    roles: dict[str, frozenset[str]] = {
        "owner": policy.scopes_of(Role.CUSTOMER, CustomerRole.OWNER),
        "payer": policy.scopes_of(Role.CUSTOMER, CustomerRole.PAYER),
        "viewer": policy.scopes_of(Role.CUSTOMER, CustomerRole.VIEWER),
        **{role: policy.scopes_of(role, None) for role in STAFF_ROLES},
        "api_client": policy.API_CLIENT_SCOPES,
    }
    return {scope: frozenset(role for role, scopes in roles.items() if scope in scopes) for scope in policy.SCOPES}


@bp.get("/api/openapi.json")
@pages.limiter.limit("60/minute")
def openapi() -> Response:
    """The document of all operations (OpenAPI 3.1)."""
    return jsonify(document.openapi())


@bp.get("/.well-known/jwks.json")
@pages.limiter.exempt
def keys() -> Response:
    """The public keys of our access tokens, for whoever checks them elsewhere. Source: RFC 7517."""
    response = jsonify(keys=tokens.public_keys())
    response.cache_control.public = True
    response.cache_control.max_age = MAY_BE_KEPT_SECONDS
    return response
