"""Wallets: what the customer's Apple Pay, Google Pay or Link holds, and how they answer its sheet.

A sandbox has one customer with one wallet; a control says what is in it, and whether its sheet waits for a person. Sources: Stripe, "Apple
Pay", "Google Pay" and "Express Checkout Element". Stripe.js and the wallets talk of this by calls that Stripe does not document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import invalid
from portal.sandbox.kinds import Row
from portal.sandbox.params import Choice, Parameters
from portal.sandbox.resources.cards import card_in_wallet
from portal.sandbox.resources.payment_method_configurations import CARD_WALLETS
from portal.sandbox.resources.payment_method_parameters import REDISPLAY
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD, for_browser, made_of, new_method
from portal.sandbox.resources.testcards import BY_NUMBER
from portal.sandbox.routes import get, post
from portal.sandbox.store import Session

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

BUTTONS = (*CARD_WALLETS, "link", "paypal", "klarna")
"""What the Express Checkout Element can show."""
ANSWERS = ("asks", "pays", "cancels", "fails")
"""How a sheet is answered: by a person, or by itself."""

_FACT = "wallet"
_HOLDER: Mapping[str, str] = {
    "answers": "asks",
    "card": "4242424242424242",
    "name": "Jenny Rosen",
    "email": "jenny.rosen@example.com",
    "phone": "+4930123456",
    "line1": "123 Main Street",
    "line2": "",
    "city": "Berlin",
    "state": "",
    "postal_code": "10115",
    "country": "DE",
}
FIELDS = tuple(_HOLDER)
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")

CREATE = Parameters({"wallet": Choice(BUTTONS), "allow_redisplay": REDISPLAY}, required=("wallet",))


def holder(session: Session) -> dict[str, str]:
    """What is in the wallet, by the names in `FIELDS`."""
    return {**_HOLDER, **json.loads(session.fact(_FACT) or "{}")}


def fill(session: Session, given: Mapping[str, str]) -> dict[str, str]:
    """Change what is named in `given`; returns all of it. Raises for an unknown name, card or answer."""
    for name in given:
        if name not in FIELDS:
            raise invalid(f"Unknown field: {name}. Known are {', '.join(FIELDS)}.", name)
    changed = {**holder(session), **given}
    changed["card"] = "".join(changed["card"].split())
    if changed["card"] not in BY_NUMBER:
        raise invalid("This is none of Stripe's test cards.", "card")
    if changed["answers"] not in ANSWERS:
        raise invalid(f"answers must be one of {', '.join(ANSWERS)}.", "answers")
    session.keep_fact(_FACT, json.dumps(changed))
    return changed


def retrieve(call: Call) -> Row:
    """What a wallet's sheet shows its holder."""
    held = holder(call.session)
    card = BY_NUMBER[held["card"]]
    return {
        "object": "wallet",
        "answers": held["answers"],
        "billing_details": _billing_details(held),
        "card": {"brand": card.brand, "last4": card.number[-4:]},
    }


def create_payment_method(call: Call) -> Row:
    """The holder pays out of the wallet: the payment method that Stripe.js is handed."""
    held = holder(call.session)
    wallet: str = call.params["wallet"]
    data: dict[str, Any] = {
        "billing_details": _billing_details(held),
        "allow_redisplay": call.params.get("allow_redisplay", "unspecified"),
    }
    if wallet in CARD_WALLETS:
        method = new_method(call, *card_in_wallet(call, held["card"], wallet), data)
    else:
        method = made_of(call, {**data, "type": wallet}, "")
    call.session.insert(PAYMENT_METHOD, method)
    return method


def _billing_details(held: Mapping[str, str]) -> Row:
    address = {name: held[name] or None for name in _ADDRESS}
    return {"address": address, "email": held["email"], "name": held["name"], "phone": held["phone"]}


ROUTES = (
    get("/v1/elements/wallet", retrieve, publishable=lambda call, shown: shown),  # noqa: ARG005 - nothing is hidden
    post("/v1/elements/wallet_payment_methods", create_payment_method, CREATE, publishable=for_browser),
)
