"""Tokens: of a card's security code, typed anew for a saved card and good for one confirmation; and of a card, good for one payment method.

Of the code nothing is kept; that a token is there says that one was typed in full.
Source: Stripe's API reference, "Create a CVC update token", "Create a card token", and `payment_method_options[card][cvc_token]` of a
confirmation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import card_error, invalid, missing_parameter
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row, public
from portal.sandbox.params import Hash, Parameters, Text, unsupported
from portal.sandbox.resources.cards import CARD_DETAILS, read_card, spend_token
from portal.sandbox.routes import get, post

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

TOKEN = Kind(object="token", table="tokens", prefix="cvctok", other_prefixes=("tok",), url="/v1/tokens")

_ADDRESS = ("address_city", "address_country", "address_line1", "address_line2", "address_state", "address_zip")

CREATE = Parameters(
    {
        "card": Hash(
            {**CARD_DETAILS, **dict.fromkeys((*_ADDRESS, "currency", "name"), Text())},
            unsupported=unsupported("networks"),
        ),
        "cvc_update": Hash({"cvc": Text(5000, clearable=False)}, required=("cvc",)),
    },
    unsupported=unsupported("account bank_account customer person pii"),
)
LENGTHS = (3, 4)
"""American Express has four digits. Whose card it is for is not known here."""

_BRANDS = {
    "amex": "American Express",
    "diners": "Diners Club",
    "discover": "Discover",
    "jcb": "JCB",
    "mastercard": "MasterCard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}
"""How a token's card calls its brand, unlike a payment method's."""

_PLACE = "payment_method_options[card][cvc_token]"


def create(call: Call) -> Row:
    if "card" in call.params:
        return _of_card(call, call.params["card"])
    given = call.params.get("cvc_update")
    if given is None:
        raise missing_parameter("cvc_update")
    cvc: str = given["cvc"]
    if not (cvc.isascii() and cvc.isdigit() and len(cvc) in LENGTHS):
        raise card_error("Your card's security code is invalid.", "invalid_cvc", param="cvc_update[cvc]")
    token = _new(call, "cvctok", "cvc_update")
    call.session.insert(TOKEN, token)
    return token


def _new(call: Call, prefix: str, kind: str) -> Row:
    return {
        "id": new_id(prefix),
        "object": "token",
        "client_ip": None,
        "created": call.now,
        "livemode": False,
        "type": kind,
        "used": False,
    }


def _of_card(call: Call, given: dict[str, Any]) -> Row:
    """Raises the 402 of a card that is wrong in itself, as a payment method of it would."""
    details, behaviour = read_card(call, given, "card")
    token = _new(call, "tok", "card") | {"_details": details, "_behaviour": behaviour}
    shown = ("country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "networks", "regulated_status")
    token["card"] = {
        "id": new_id("card"),
        "object": "card",
        **{name: given.get(name) for name in (*_ADDRESS, "name")},
        **{name: details[name] for name in shown},
        "address_line1_check": "unchecked" if given.get("address_line1") else None,
        "address_zip_check": "unchecked" if given.get("address_zip") else None,
        "brand": _BRANDS.get(details["brand"], "Unknown"),
        "cvc_check": details["checks"]["cvc_check"],
        "dynamic_last4": None,
        "metadata": {},
        "tokenization_method": None,
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
    spend_token(call, TOKEN, token_id, _PLACE)
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
