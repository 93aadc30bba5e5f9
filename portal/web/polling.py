"""A page that waits for Stripe's word asks for itself again until it is there; now and then the portal asks Stripe meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import request

from portal.core.errors import PortalError
from portal.web.pages import within

# A page that has asked so often stops, and says where to look later.
MOST_POLLS: Final = 60
# Which of its questions go to Stripe; the others look at the row alone, which the webhook changes.
ASK_STRIPE_EVERY: Final = 5
# What is asked of Stripe for one customer while pages wait: beyond it they show what is known, and the webhook tells the rest.
ASK_STRIPE_AT_MOST: Final = "20/minute"


def number() -> int:
    """How often the page has asked before this request, at most MOST_POLLS."""
    return min(request.args.get("poll", 0, type=int), MOST_POLLS)


def asks_stripe(poll: int) -> bool:
    return poll % ASK_STRIPE_EVERY == 0


def ask_stripe(customer_id: str, ask: Callable[[], object]) -> bool:
    """Call `ask` unless too much was asked for this customer; whether Stripe has answered."""
    if not within(ASK_STRIPE_AT_MOST, "ask stripe", customer_id):
        return False
    try:
        ask()
    except PortalError:
        return False
    return True
