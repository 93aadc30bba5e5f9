"""Tokens of a card's security code: typed anew for a saved card, good for one confirmation.

Of the code nothing is kept; that a token is there says that one was typed in full.
Source: Stripe's API reference, "Create a CVC update token" and `payment_method_options[card][cvc_token]` of a confirmation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.errors import card_error, invalid, missing_parameter
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row, public
from portal.sandbox.params import Hash, Parameters, Text, unsupported
from portal.sandbox.routes import get, post

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

TOKEN = Kind(object="token", table="tokens", prefix="cvctok", url="/v1/tokens")

CREATE = Parameters(
    {"cvc_update": Hash({"cvc": Text(5000, clearable=False)}, required=("cvc",))},
    unsupported=unsupported("account bank_account card customer person pii"),
)
LENGTHS = (3, 4)
"""American Express has four digits. Whose card it is for is not known here."""

_PLACE = "payment_method_options[card][cvc_token]"


def create(call: Call) -> Row:
    given = call.params.get("cvc_update")
    if given is None:
        raise missing_parameter("cvc_update")
    cvc: str = given["cvc"]
    if not (cvc.isascii() and cvc.isdigit() and len(cvc) in LENGTHS):
        raise card_error("Your card's security code is invalid.", "invalid_cvc", param="cvc_update[cvc]")
    token: Row = {
        "id": new_id("cvctok"),
        "object": "token",
        "client_ip": None,
        "created": call.now,
        "livemode": False,
        "type": "cvc_update",
        "used": False,
    }
    call.session.insert(TOKEN, token)
    return token


def retrieve(call: Call, token_id: str) -> Row:
    return call.need(TOKEN, token_id, "token", in_path=True)


def given_cvc(call: Call) -> str | None:
    """The token among the parameters of a call to a payment intent."""
    options = call.params.get("payment_method_options") or {}
    token_id: str | None = (options.get("card") or {}).get("cvc_token")
    return token_id


def spend(call: Call) -> bool:
    """Use up the token that a confirmation brings; returns whether it brought one. Raises for one that is unknown or spent."""
    token_id = given_cvc(call)
    if token_id is None:
        return False
    token = call.need(TOKEN, token_id, _PLACE)
    if token["used"]:
        raise invalid(f"You cannot use a Stripe token more than once: {token_id}.", _PLACE, "token_already_used")
    token["used"] = True
    call.session.save(TOKEN, token)
    return True


def refuse_too_early(call: Call) -> None:
    """Raises when a call that does not confirm brings a token."""
    if given_cvc(call) is not None:
        raise invalid(f"`{_PLACE}` can only be provided during confirmation.", _PLACE)


def _for_browser(call: Call, shown: Row) -> Row:
    del call
    return public(shown)


ROUTES = (
    post("/v1/tokens", create, CREATE, publishable=_for_browser),
    get("/v1/tokens/<token_id>", retrieve),
)
