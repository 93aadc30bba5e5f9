"""3-D Secure challenges: a question to the card's holder that an intent waits for.

An intent in `requires_action` points to its challenge in `next_action`: to a page to redirect to when the confirmation named a
`return_url`, else to one that Stripe.js shows in a frame (`use_stripe_sdk.stripe_js` is its address). Both are the page in
`portal.sandbox.authentication`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

CHALLENGE = Kind(
    object="three_d_secure_challenge", table="three_d_secure_challenges", prefix="src", url="/v1/3d_secure/authenticate"
)

PAGE = "/v1/3d_secure/authenticate"


def open_challenge(call: Call, intent: Row, method: Row) -> Row:
    """Start a challenge for an intent and return the intent's `next_action`."""
    in_frame = bool(call.params.get("use_stripe_sdk")) or not intent.get("_return_url")
    challenge: Row = {
        "id": new_id("src"),
        "object": CHALLENGE.object,
        "created": call.now,
        "intent": intent["id"],
        "payment_method": method["id"],
        "return_url": None if in_frame else intent["_return_url"],
        "outcome": None,
    }
    call.session.insert(CHALLENGE, challenge)
    intent["_challenge"] = challenge["id"]
    url = f"{call.base_url}{PAGE}/{challenge['id']}"
    if in_frame:
        return {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {
                "source": challenge["id"],
                "stripe_js": url,
                "type": "three_d_secure_redirect",
            },
        }
    return {"redirect_to_url": {"return_url": intent["_return_url"], "url": url}, "type": "redirect_to_url"}


def return_address(return_url: str, intent: Row, *, succeeded: bool) -> str:
    """Where a redirected holder goes afterwards, with what Stripe adds to the address."""
    noun = str(intent["object"])
    parts = urlsplit(return_url)
    added = urlencode(
        {
            noun: intent["id"],
            f"{noun}_client_secret": intent["client_secret"],
            "redirect_status": "succeeded" if succeeded else "failed",
        }
    )
    query = f"{parts.query}&{added}" if parts.query else added
    return urlunsplit(parts._replace(query=query))
