"""Setup attempts: one try to save a card, kept with its outcome.

Source: Stripe's API reference, "SetupAttempts".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import Reference
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
    expandable={"customer": "customer", "payment_method": "payment_method", "setup_intent": "setup_intent"},
)
LIST = list_parameters({"setup_intent": Reference()}, required=("setup_intent",))


def record(
    call: Call, intent: Row, method: Row, status: str, authenticated: str | None, error: Row | None = None
) -> Row:
    card = method["card"]
    three_d_secure = three_d_secure_result(authenticated)
    if three_d_secure is not None:
        three_d_secure = {name: value for name, value in three_d_secure.items() if not name.startswith("exemption")}
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
        "payment_method_details": {
            "card": {
                "brand": card["brand"],
                "checks": checked(method, method["billing_details"]["address"]),
                "country": card["country"],
                "exp_month": card["exp_month"],
                "exp_year": card["exp_year"],
                "fingerprint": card["fingerprint"],
                "funding": card["funding"],
                "last4": card["last4"],
                "network": card["brand"],
                "three_d_secure": three_d_secure,
                "wallet": None,
            },
            "type": "card",
        },
        "setup_error": error,
        "setup_intent": intent["id"],
        "status": status,
        "usage": intent["usage"],
    }
    call.session.insert(SETUP_ATTEMPT, attempt)
    return attempt


def list_attempts(call: Call) -> Row:
    return list_of(call, SETUP_ATTEMPT, equal=("setup_intent",))


ROUTES = (get("/v1/setup_attempts", list_attempts, LIST),)
