"""Which types of payment method an intent may be paid with: what its request, the account, its currency and its amount leave.

Source: Stripe, "Dynamic payment methods", and the API reference on `allowed_payment_method_types` and `automatic_payment_methods`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import invalid, wrong_state
from portal.sandbox.kinds import Row
from portal.sandbox.resources import payment_method_configurations
from portal.sandbox.resources.payment_method_type_parameters import PAYMENT_OPTIONS, SETUP_OPTIONS
from portal.sandbox.resources.payment_method_types import TYPES, PaymentMethodType

if TYPE_CHECKING:
    from portal.sandbox.calls import Call


def settle(call: Call, intent: Row) -> None:
    """Write into an intent what it may be paid with, from its parameters as they now are; raises when nothing is left."""
    params: dict[str, Any] = call.params
    if "allowed_payment_method_types" in params:
        intent["allowed_payment_method_types"] = params["allowed_payment_method_types"]
    allowed = intent["allowed_payment_method_types"]
    _refuse_unknown(allowed or [])
    details = intent["payment_method_configuration_details"]
    named = params.get("payment_method_configuration", details["id"] if details else None)
    if intent["automatic_payment_methods"] is not None:
        configuration = payment_method_configurations.chosen(call, named)
        intent["payment_method_configuration_details"] = {"id": configuration["id"], "parent": None}
        candidates = allowed or payment_method_configurations.turned_on(configuration)
    else:
        candidates = allowed or ["card"]
    offered = [name for name in candidates if fits(intent, name)]
    if not offered:
        raise _nothing_left(intent, candidates)
    intent["payment_method_types"] = offered
    options = intent["payment_method_options"]
    known = PAYMENT_OPTIONS if intent["object"] == "payment_intent" else SETUP_OPTIONS
    for name in offered:
        if name in known:
            usual = {} if TYPES[name].redirects and known is SETUP_OPTIONS else TYPES[name].default_options
            options[name] = {**usual, **options.get(name, {})}


def _refuse_unknown(names: list[str]) -> None:
    for name in names:
        if name != "card" and name not in TYPES:
            raise invalid(f"The sandbox knows no payment method {name}.", "allowed_payment_method_types")


def fits(intent: Row, name: str) -> bool:
    """Whether an intent can be paid (or a method saved) with this type."""
    if name in (intent["excluded_payment_method_types"] or []):
        return False
    if name == "card":
        return True
    facts = TYPES[name]
    automatic = intent["automatic_payment_methods"]
    if facts.redirects and automatic is not None and automatic["allow_redirects"] == "never":
        return False
    if intent["object"] == "setup_intent":
        return facts.saved_as is not None
    return (
        fits_amount(facts, intent["currency"], intent["amount"])
        and (facts.saved_as is not None or not intent["setup_future_usage"])
        and (facts.holds or intent["capture_method"] != "manual")
    )


def fits_amount(facts: PaymentMethodType, currency: str, amount: int | None) -> bool:
    """Whether a type takes this currency and, when it is known, this amount."""
    if currency not in facts.currencies:
        return False
    return amount is None or facts.minimums.get(currency, 0) <= amount <= facts.maximums.get(currency, amount)


def _nothing_left(intent: Row, candidates: list[str]) -> Exception:
    others = [TYPES[name] for name in candidates if name in TYPES]
    wrong = [facts for facts in others if intent.get("currency") and intent["currency"] not in facts.currencies]
    if wrong:
        facts = wrong[0]
        return invalid(
            f"The currency provided ({intent['currency']}) is invalid for one or more payment method types on this PaymentIntent. The "
            f"payment method type {facts.name} only supports the following currencies: {', '.join(sorted(facts.currencies))}. Either "
            "correct the provided currency, or use a different PaymentIntent to accept this payment method type.",
            "currency",
        )
    return invalid(
        "No valid payment method types for this intent. Ensure that you have activated payment methods compatible with your chosen "
        "currency, amount and usage in your dashboard, or provide `allowed_payment_method_types`."
    )


def check_allowed(intent: Row, method: Row) -> None:
    """Raises when the type of a payment method is none that the intent may be paid with."""
    kind, offered = method["type"], intent["payment_method_types"]
    if kind in offered:
        return
    name = "PaymentIntent" if intent["object"] == "payment_intent" else "SetupIntent"
    raise invalid(
        f"The PaymentMethod provided ({kind}) is not allowed for this {name}. Please attach a PaymentMethod of one of the following types: "
        f'{", ".join(offered)}. Alternatively, update the allowed payment_method_types for this {name} to include "{kind}".',
        "payment_method",
    )


def check_confirmable(intent: Row, method: Row) -> PaymentMethodType:
    """The facts of a method's type; raises when the method lacks a billing detail that its type needs."""
    facts = TYPES[method["type"]]
    details = method["billing_details"]
    for need in facts.needs:
        given = details["address"]["line1"] if need == "address" else details[need]
        if not given:
            raise wrong_state(
                f"A `billing_details[{need}]` is required to use a PaymentMethod of type {facts.name}. Update the PaymentMethod and try "
                "again.",
                intent,
            )
    return facts
