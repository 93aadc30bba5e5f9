"""What tells others how to call: the OpenAPI document, the page made from it, and the keys that access tokens are signed with."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, jsonify

from portal import pages
from portal.api import document, tokens

bp = Blueprint("api_docs", __name__)

MAY_BE_KEPT_SECONDS: Final = 3_600


@bp.get("/api/openapi.json")
@pages.limiter.exempt
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
