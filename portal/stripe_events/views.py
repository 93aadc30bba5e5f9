"""Where Stripe delivers its events."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, jsonify, request

from portal.stripe_events import service
from portal.stripe_events.endpoint import PATH
from portal.web import pages
from portal.web.light_routes import LightRoute

bp = Blueprint("stripe_events", __name__)


def _receive(body: bytes, signature: str) -> dict[str, bool]:
    return {"received": True, "new": service.receive(body, signature)}


LIGHT: Final = LightRoute(PATH, "HTTP_STRIPE_SIGNATURE", service.LARGEST_BODY_BYTES, _receive)


@bp.post(PATH)
@pages.csrf.exempt
@pages.limiter.exempt
def receive() -> Response:
    """Answers 200 once the event is durable, 400 for what is no event of ours, and nothing else on purpose.

    What `LIGHT` could not answer comes here: mostly what is refused.
    """
    request.max_content_length = service.LARGEST_BODY_BYTES
    return jsonify(_receive(request.get_data(cache=False), request.headers.get("Stripe-Signature", "")))
