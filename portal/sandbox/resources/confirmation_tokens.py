"""Confirmation tokens: payment details a browser has gathered, for a server to confirm with, once, within twelve hours.

Source: Stripe's API reference, "ConfirmationToken".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import StripeError, invalid, missing_parameter
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row, copied, public
from portal.sandbox.params import (
    SHIPPING,
    Boolean,
    Choice,
    Hash,
    Parameters,
    Reference,
    Text,
    Url,
    unsupported,
    whole_shipping,
)
from portal.sandbox.resources.payment_method_parameters import PAYMENT_METHOD_DATA
from portal.sandbox.resources.payment_method_types import TYPES
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD, find_or_make, for_browser, made_of
from portal.sandbox.routes import get, only, post

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

LIFE_SECONDS = 12 * 3600

CONFIRMATION_TOKEN = Kind(
    object="confirmation_token", table="confirmation_tokens", prefix="ctoken", url="/v1/confirmation_tokens"
)

CREATE = Parameters(
    {
        "payment_method": Reference(),
        "payment_method_data": PAYMENT_METHOD_DATA,
        "payment_method_options": Hash({"card": Hash({}, unsupported=unsupported("installments"))}),
        "return_url": Url(),
        "setup_future_usage": Choice(("off_session", "on_session")),
        "shipping": SHIPPING,
        "use_stripe_sdk": Boolean(),
        "client_secret": Text(),
    }
)


def create(call: Call) -> Row:
    """Made by Stripe.js with a publishable key, or on a server through Stripe's test helper."""
    params: dict[str, Any] = call.params
    method = _method(call, params)
    token: Row = {
        "id": new_id("ctoken"),
        "object": "confirmation_token",
        "created": call.now,
        "expires_at": call.now + LIFE_SECONDS,
        "livemode": False,
        "mandate_data": _acceptance(call, method),
        "payment_intent": None,
        "payment_method_options": None,
        "payment_method_preview": only(
            copied(method), frozenset(("allow_redisplay", "billing_details", "customer", "type", method["type"]))
        ),
        "return_url": params.get("return_url"),
        "setup_future_usage": params.get("setup_future_usage"),
        "setup_intent": None,
        "shipping": whole_shipping(params.get("shipping")),
        "use_stripe_sdk": params.get("use_stripe_sdk", call.publishable),
        "_method": method,
    }
    call.session.insert(CONFIRMATION_TOKEN, token)
    return token


def _acceptance(call: Call, method: Row) -> Row | None:
    """In a browser the customer accepts a mandate by going on, and the token carries that to the server."""
    if not call.publishable or method["type"] == "card" or TYPES[method["type"]].mandate == "never":
        return None
    online = {"ip_address": "127.0.0.1", "user_agent": "Mozilla/5.0"}
    return {"customer_acceptance": {"online": online, "type": "online"}}


def _method(call: Call, params: dict[str, Any]) -> Row:
    """The payment method to be: an existing one, or one made when the token is used."""
    if params.get("payment_method") is not None:
        return find_or_make(call, params["payment_method"], "payment_method")
    data = params.get("payment_method_data")
    if data is None:
        raise missing_parameter("payment_method_data")
    return made_of(call, data, "payment_method_data")


def use(call: Call, token_id: str, intent: Row) -> Row:
    """Spend a token on an intent: returns its payment method and hands over what else it brought."""
    token = call.need(CONFIRMATION_TOKEN, token_id, "confirmation_token")
    if token["payment_intent"] or token["setup_intent"]:
        raise invalid(
            f"This ConfirmationToken has already been used to confirm a previous intent: {token_id}.",
            "confirmation_token",
        )
    if token["expires_at"] is None or token["expires_at"] <= call.now:
        raise invalid("This ConfirmationToken has expired. Please create a new one.", "confirmation_token")
    token |= {str(intent["object"]): intent["id"], "expires_at": None}
    call.session.save(CONFIRMATION_TOKEN, token)
    params = call.params
    if token["return_url"]:
        params.setdefault("return_url", token["return_url"])
    if token["setup_future_usage"] and intent["object"] == "payment_intent":
        already = params.get("setup_future_usage", intent["setup_future_usage"])
        if already is not None and already != token["setup_future_usage"]:
            raise StripeError(
                "The setup_future_usage of the ConfirmationToken does not match that of the PaymentIntent.",
                param="confirmation_token",
                began=False,
            )
        params["setup_future_usage"] = token["setup_future_usage"]
    if token["shipping"] and intent["object"] == "payment_intent":
        params.setdefault("shipping", token["shipping"])
    if token["mandate_data"]:
        params.setdefault("mandate_data", token["mandate_data"])
    params.setdefault("use_stripe_sdk", token["use_stripe_sdk"])
    method: Row = token["_method"]
    existing = call.session.find(PAYMENT_METHOD, method["id"])
    if existing is not None:
        return existing
    call.session.insert(PAYMENT_METHOD, method)
    return method


def retrieve(call: Call, token_id: str) -> Row:
    return call.need(CONFIRMATION_TOKEN, token_id, "confirmation_token", in_path=True)


def _for_browser(call: Call, shown: Row) -> Row:
    preview = shown["payment_method_preview"]
    return public(shown) | {"payment_method_preview": for_browser(call, preview)}


ROUTES = (
    post("/v1/confirmation_tokens", create, CREATE, publishable=_for_browser),
    post("/v1/test_helpers/confirmation_tokens", create, CREATE),
    get("/v1/confirmation_tokens/<token_id>", retrieve),
)
