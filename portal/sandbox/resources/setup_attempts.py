"""Setup attempts: one try to save a card. It exists from the confirmation on, and its outcome is written down under the same id.

Source: Stripe's API reference, "SetupAttempts".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import Reference
from portal.sandbox.resources import method_details
from portal.sandbox.resources.bank_answers import three_d_secure_result
from portal.sandbox.resources.cards import checked
from portal.sandbox.routes import get

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

SETUP_ATTEMPT = Kind(
    object="setup_attempt",
    table="setup_attempts",
    prefix="setatt",
    url="/v1/setup_attempts",
    columns=("setup_intent",),
    expandable={
        "application": "application",
        "customer": "customer",
        "on_behalf_of": "account",
        "payment_method": "payment_method",
        "setup_intent": "setup_intent",
    },
)
LIST = list_parameters({"setup_intent": Reference()}, required=("setup_intent",))


OPEN = "requires_action"
"""The status of an attempt whose card's holder is being asked."""


def begin(call: Call, intent: Row, method: Row) -> Row:
    """The attempt of a confirmation that waits for the card's holder; one that waited before is given up."""
    abandon(call, intent)
    return _record(call, intent, method, OPEN, None, None)


def finish(
    call: Call, intent: Row, method: Row, status: str, authenticated: str | None, error: Row | None = None
) -> Row:
    """Write the outcome down: of the attempt that waits for its holder, or of one that the bank has answered at once."""
    attempt = _open(call, intent)
    if attempt is None or attempt["payment_method"] != method["id"]:
        return _record(call, intent, method, status, authenticated, error)
    attempt |= {"status": status, "setup_error": error}
    if method["type"] == "card":
        attempt["payment_method_details"]["card"]["three_d_secure"] = _three_d_secure(authenticated)
    call.session.save(SETUP_ATTEMPT, attempt)
    return attempt


def abandon(call: Call, intent: Row) -> None:
    """Nobody waits for the holder's answer any more. Without such an attempt nothing changes."""
    attempt = _open(call, intent)
    if attempt is not None:
        attempt["status"] = "abandoned"
        call.session.save(SETUP_ATTEMPT, attempt)


def _open(call: Call, intent: Row) -> Row | None:
    if intent["latest_attempt"] is None:
        return None
    attempt = call.need(SETUP_ATTEMPT, intent["latest_attempt"], "setup_attempt")
    return attempt if attempt["status"] == OPEN else None


def _three_d_secure(authenticated: str | None) -> Row | None:
    result = three_d_secure_result(authenticated)
    return result and {name: value for name, value in result.items() if not name.startswith("exemption")}


def _record(call: Call, intent: Row, method: Row, status: str, authenticated: str | None, error: Row | None) -> Row:
    attempt: Row = {
        "id": new_id("setatt"),
        "object": "setup_attempt",
        "application": None,
        "created": call.now,
        "customer": intent["customer"],
        "customer_account": None,
        "flow_directions": intent["flow_directions"],
        "livemode": False,
        "on_behalf_of": None,
        "payment_method": method["id"],
        "payment_method_details": _details(method, authenticated),
        "setup_error": error,
        "setup_intent": intent["id"],
        "status": status,
        "usage": intent["usage"],
    }
    call.session.insert(SETUP_ATTEMPT, attempt)
    return attempt


def _details(method: Row, authenticated: str | None) -> Row:
    if method["type"] != "card":
        return method_details.of_attempt(method)
    card = method["card"]
    return {
        "card": {
            "brand": card["brand"],
            "checks": checked(method),
            "country": card["country"],
            "exp_month": card["exp_month"],
            "exp_year": card["exp_year"],
            "fingerprint": card["fingerprint"],
            "funding": card["funding"],
            "last4": card["last4"],
            "network": card["brand"],
            "three_d_secure": _three_d_secure(authenticated),
            "wallet": card["wallet"] and {name: card["wallet"][name] for name in ("type", card["wallet"]["type"])},
        },
        "type": "card",
    }


def list_attempts(call: Call) -> Row:
    return list_of(call, SETUP_ATTEMPT, equal=("setup_intent",))


ROUTES = (get("/v1/setup_attempts", list_attempts, LIST),)
