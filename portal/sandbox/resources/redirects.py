"""Redirects: the page of a payment method, such as a bank's, to which a customer is sent to approve and from which they come back.

An intent in `requires_action` points to it by `next_action.redirect_to_url`. The page is `portal.sandbox.redirect_page`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.errors import StripeError
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

REDIRECT = Kind(object="redirect", table="redirects", prefix="redirect", url="/redirect/authorize")

PAGE = "/redirect/authorize"


def open_redirect(call: Call, intent: Row, method: Row) -> Row:
    """Send the customer away: returns the intent's `next_action`. Raises when there is nowhere to come back to."""
    return_url = intent.get("_return_url")
    if not return_url:
        raise StripeError(
            f"You must provide a `return_url` when confirming using a PaymentMethod of type `{method['type']}`, because it redirects the "
            "customer.",
            param="return_url",
            began=False,
        )
    redirect: Row = {
        "id": new_id("redirect"),
        "object": REDIRECT.object,
        "created": call.now,
        "intent": intent["id"],
        "payment_method": method["id"],
        "return_url": return_url,
        "outcome": None,
    }
    call.session.insert(REDIRECT, redirect)
    intent["_challenge"] = redirect["id"]
    url = f"{call.base_url}{PAGE}/{redirect['id']}"
    return {"redirect_to_url": {"return_url": return_url, "url": url}, "type": "redirect_to_url"}
