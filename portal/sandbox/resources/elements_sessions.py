"""What the Payment Element asks when it loads: which payment methods it may offer, for an intent or for one still to come,
and which saved ones, for the customer of a customer session.

Source: the calls of Stripe's browser and mobile SDKs to `/v1/elements/sessions`; Stripe documents no more of it than Stripe.js shows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from portal.sandbox import money
from portal.sandbox.errors import invalid, missing_parameter, no_such
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Row
from portal.sandbox.params import Choice, Hash, Integer, Parameters, Reference, Text
from portal.sandbox.resources import customer_sessions, offered_types, payment_method_configurations
from portal.sandbox.resources.intents import TYPES_ALLOWED, TYPES_EXCLUDED, for_browser
from portal.sandbox.resources.payment_intents import PAYMENT_INTENT
from portal.sandbox.resources.payment_method_types import TYPES
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
                "allowed_payment_method_types": TYPES_ALLOWED,
                "excluded_payment_method_types": TYPES_EXCLUDED,
                "payment_method_configuration": Reference(),
            },
            required=("mode",),
        ),
    }
)


def retrieve(call: Call) -> Row:
    """An intent is known by its client secret; an intent to come by its mode, amount and currency."""
    params: dict[str, Any] = call.params
    preference: Row = {"object": "payment_method_preference", "country_code": call.settings.country}
    if params.get("client_secret") is not None:
        intent = _intent(call, params["client_secret"])
        preference |= {"type": intent["object"], intent["object"]: call.shown(intent)}
        types, customer = intent["payment_method_types"], intent["customer"]
    elif "deferred_intent" in params:
        deferred = _deferred(params["deferred_intent"])
        preference |= {"type": "deferred_intent", "deferred_intent": deferred}
        types, customer = _types_of_deferred(call, deferred), None
    else:
        raise missing_parameter("client_secret")
    secret = params.get("customer_session_client_secret")
    if secret is not None:
        customer = customer_sessions.opened(call, secret)["customer"]
    preference["country_code"] = country = _country(call, customer)
    ordered = [name for name in types if _is_shown(name, country)]
    preference["ordered_payment_method_types"] = ordered
    return {
        "object": "elements_session",
        "business_name": call.settings.business_name,
        "customer": None if secret is None else customer_sessions.for_element(call, secret, ordered),
        "merchant_country": call.settings.country,
        "merchant_currency": "eur",
        "ordered_payment_method_types_and_wallets": _with_wallets(call, preference),
        "payment_method_preference": preference,
        "session_id": new_id("elements_session"),
    }


_LOCATION = re.compile(r"\+location_([A-Z]{2})@")


def _country(call: Call, customer_id: str | None) -> str:
    """Where the customer is taken to be: as a test email says (`jenny+location_NL@…`), else by their address, else with the merchant.

    Source: Stripe, "Test dynamic payment methods by location". Stripe goes by the browser's address where there is no such email.
    """
    customer = call.session.find(call.kinds["customer"], customer_id or "") or {}
    located = _LOCATION.search(customer.get("email") or "")
    known = located[1] if located else (customer.get("address") or {}).get("country")
    return known or call.settings.browser_country or call.settings.country


def _with_wallets(call: Call, preference: Row) -> list[str]:
    """The types with the wallets that the intent's configuration turns on behind the card; without a configuration the account's own."""
    ordered: list[str] = preference["ordered_payment_method_types"]
    if "card" not in ordered:
        return ordered
    intent = preference[preference["type"]]
    details = intent.get("payment_method_configuration_details") or {}
    named = intent.get("payment_method_configuration") or details.get("id")
    wallets = payment_method_configurations.wallets_on(payment_method_configurations.chosen(call, named))
    behind = ordered.index("card") + 1
    return [*ordered[:behind], *wallets, *ordered[behind:]]


def _is_shown(name: str, country: str) -> bool:
    countries = TYPES[name].countries if name in TYPES else None
    return countries is None or country in countries


def _types_of_deferred(call: Call, deferred: Row) -> list[str]:
    """What an intent that is still to come will be payable with."""
    configuration = payment_method_configurations.chosen(call, deferred.get("payment_method_configuration"))
    use = deferred.get("setup_future_usage")
    to_come: Row = {
        "object": "setup_intent" if deferred["mode"] == "setup" else "payment_intent",
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "always"},
        "excluded_payment_method_types": deferred.get("excluded_payment_method_types"),
        "amount": deferred.get("amount"),
        "currency": (deferred.get("currency") or "").lower(),
        "capture_method": deferred.get("capture_method", "automatic"),
        "setup_future_usage": None if use == "none" else use,
    }
    candidates = deferred.get("allowed_payment_method_types") or payment_method_configurations.turned_on(configuration)
    return [name for name in candidates if (name == "card" or name in TYPES) and offered_types.fits(to_come, name)]


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
