"""What the Payment Element asks when it loads: which payment methods it may offer, for an intent or for one still to come,
and which saved ones, for the customer of a customer session.

Source: the calls of Stripe's browser and mobile SDKs to `/v1/elements/sessions`; Stripe documents no more of it than Stripe.js shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.sandbox import money
from portal.sandbox.errors import invalid, missing_parameter, no_such
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Row
from portal.sandbox.params import Choice, Hash, Integer, ListOf, Parameters, Reference, Text
from portal.sandbox.resources import customer_sessions
from portal.sandbox.resources.intents import for_browser
from portal.sandbox.resources.payment_intents import PAYMENT_INTENT
from portal.sandbox.resources.setup_intents import SETUP_INTENT
from portal.sandbox.routes import get

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

RETRIEVE = Parameters(
    {
        "type": Choice(("payment_intent", "setup_intent", "deferred_intent")),
        "client_secret": Text(clearable=False),
        "customer_session_client_secret": Reference(),
        "locale": Text(),
        "deferred_intent": Hash(
            {
                "mode": Choice(("payment", "setup", "subscription")),
                "amount": Integer(0),
                "currency": Text(3),
                "setup_future_usage": Choice(("off_session", "on_session", "none")),
                "capture_method": Choice(("automatic", "automatic_async", "manual")),
                "payment_method_types": ListOf(Text()),
            },
            required=("mode",),
        ),
    }
)


def retrieve(call: Call) -> Row:
    """An intent is known by its client secret; an intent to come by its mode, amount and currency."""
    params: dict[str, Any] = call.params
    preference: Row = {
        "object": "payment_method_preference",
        "country_code": call.settings.country,
        "ordered_payment_method_types": ["card"],
    }
    if params.get("client_secret") is not None:
        intent = _intent(call, params["client_secret"])
        preference |= {"type": intent["object"], intent["object"]: call.shown(intent)}
    elif "deferred_intent" in params:
        preference |= {"type": "deferred_intent", "deferred_intent": _deferred(params["deferred_intent"])}
    else:
        raise missing_parameter("client_secret")
    secret = params.get("customer_session_client_secret")
    return {
        "object": "elements_session",
        "business_name": call.settings.business_name,
        "customer": None if secret is None else customer_sessions.for_element(call, secret),
        "merchant_country": call.settings.country,
        "merchant_currency": "eur",
        "ordered_payment_method_types_and_wallets": ["card"],
        "payment_method_preference": preference,
        "session_id": new_id("elements_session"),
    }


def _intent(call: Call, client_secret: str) -> Row:
    intent_id = client_secret.split("_secret_", maxsplit=1)[0]
    kind = SETUP_INTENT if intent_id.startswith("seti_") else PAYMENT_INTENT
    intent = call.session.find(kind, intent_id)
    if intent is None or intent["client_secret"] != client_secret:
        raise no_such(kind, intent_id, "client_secret", in_path=False)
    return intent


def _deferred(given: dict[str, Any]) -> Row:
    if given["mode"] == "payment":
        for name in ("amount", "currency"):
            if given.get(name) is None:
                raise missing_parameter(f"deferred_intent[{name}]")
        money.check_charge_amount(given["amount"], money.known_currency(given["currency"]))
    elif given.get("amount") is not None and given["mode"] == "setup":
        raise invalid("amount cannot be given for a setup.", "deferred_intent[amount]")
    return given


def _for_browser(call: Call, shown: Row) -> Row:
    preference = shown["payment_method_preference"]
    name = preference["type"]
    if name == "deferred_intent":
        return shown
    return shown | {"payment_method_preference": preference | {name: for_browser(call, preference[name])}}


ROUTES = (get("/v1/elements/sessions", retrieve, RETRIEVE, publishable=_for_browser),)
