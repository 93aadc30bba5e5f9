"""Where Stripe delivers its events."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from portal.stripe_events import service
from portal.web import pages

bp = Blueprint("stripe_events", __name__)


@bp.post("/api/webhooks/stripe")
@pages.csrf.exempt
@pages.limiter.exempt
def receive() -> Response:
    """Answers 200 once the event is durable, 400 for what is no event of ours, and nothing else on purpose."""
    request.max_content_length = service.LARGEST_BODY_BYTES
    new = service.receive(request.get_data(cache=False), request.headers.get("Stripe-Signature", ""))
    return jsonify(received=True, new=new)
