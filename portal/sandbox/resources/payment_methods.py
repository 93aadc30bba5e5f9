"""Payment methods: cards, from the browser or by the names of Stripe's test cards; attached, detached, and then never used again.

Source: Stripe's API reference, "PaymentMethods", and "Testing" for `pm_card_…`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import StripeError, card_error, invalid, missing_parameter, no_such
from portal.sandbox.events import emit
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row, copied
from portal.sandbox.lists import list_of
from portal.sandbox.params import EMPTY_ADDRESS, merge_metadata
from portal.sandbox.resources import bank_accounts, mandates
from portal.sandbox.resources.cards import behaviour_of, card_from_name, note_checks, read_card, unchecked
from portal.sandbox.resources.payment_method_parameters import ATTACH, CREATE, LIST, LIST_OF_CUSTOMER, UPDATE
from portal.sandbox.resources.payment_method_types import TYPES
from portal.sandbox.routes import get, post

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

PAYMENT_METHOD = Kind(
    object="payment_method",
    table="payment_methods",
    prefix="pm",
    url="/v1/payment_methods",
    columns=("customer", "type"),
    expandable={"card.generated_from.setup_attempt": "setup_attempt", "customer": "customer"},
    noun="PaymentMethod",
)

_TEST_HOLDER: Row = {
    "address": {"line1": "123 Main Street", "city": "Berlin", "postal_code": "10115", "country": "DE"},
    "email": "jenny.rosen@example.com",
    "name": "Jenny Rosen",
}
"""Whose the accounts are that are known by their names."""

SPENT = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a "
    "connected account without "
    "Customer attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod multiple "
    "times, you must attach "
    "it to a Customer first."
)


def new_method(call: Call, details: Row, behaviour: str, data: dict[str, Any]) -> Row:
    """A payment method as it stands before it is kept; without a `type` in its data it is a card."""
    billing = data.get("billing_details") or {}
    address = {**EMPTY_ADDRESS, **(billing.get("address") or {})}
    kind = data.get("type", "card")
    if kind == "card":
        details = details | {"checks": unchecked(details, address)}
    elif kind == "link":
        details = details | {"email": billing.get("email")}
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": data.get("allow_redisplay", "unspecified"),
        "billing_details": {
            "address": address,
            "email": billing.get("email"),
            "name": billing.get("name"),
            "phone": billing.get("phone"),
            "tax_id": billing.get("tax_id"),
        },
        kind: details,
        "created": call.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": merge_metadata({}, data.get("metadata")),
        "type": kind,
        "_behaviour": behaviour,
        "_set_up": False,
        "_spent": False,
    }


def from_data(call: Call, data: dict[str, Any], place: str = "payment_method_data") -> Row:
    """A new payment method from its details; `place` is empty when they are the call's own parameters."""
    method = made_of(call, data, place)
    call.session.insert(PAYMENT_METHOD, method)
    return method


def made_of(call: Call, data: dict[str, Any], place: str) -> Row:
    """The same, and not kept yet."""
    if "type" not in data:
        raise missing_parameter(f"{place}[type]" if place else "type")
    kind = data["type"]
    inside = f"{place}[{kind}]" if place else kind
    if kind != "card" and kind not in TYPES:
        where = f"{place}[type]" if place else "type"
        raise invalid(f"The sandbox knows no payment method {kind}.", where)
    if kind == "card":
        if not data.get("card"):
            raise missing_parameter(inside)
        return new_method(call, *read_card(call, data["card"], inside), data)
    return new_method(call, *bank_accounts.read_details(call, kind, data.get(kind) or {}, inside), data)


def find_or_make(call: Call, method_id: str, param: str, *, in_path: bool = False) -> Row:
    """The payment method with this id; the names of Stripe's test cards (`pm_card_visa`) make a new one each time."""
    account = bank_accounts.account_for_name(method_id.removeprefix("pm_"))
    if account is not None:
        details = bank_accounts.details_of(call, account)
        method = new_method(call, details, account.behaviour, {"type": account.type, "billing_details": _TEST_HOLDER})
        call.session.insert(PAYMENT_METHOD, method)
        return method
    if method_id.startswith("pm_card_"):
        found = card_from_name(call, method_id.removeprefix("pm_card_"))
        if found is None:
            raise no_such(PAYMENT_METHOD, method_id, param, in_path=in_path)
        method = new_method(call, *found, {})
        call.session.insert(PAYMENT_METHOD, method)
        return method
    return call.need(PAYMENT_METHOD, method_id, param, in_path=in_path)


def check_usable(method: Row, intent: Row) -> None:
    """Raises when an intent may not use the payment method. Messages as recorded at 2026-08-26.dahlia."""
    if method["_spent"]:
        raise StripeError(SPENT, began=False)
    owner, customer = method["customer"], intent["customer"]
    name = "PaymentIntent" if intent["object"] == "payment_intent" else "SetupIntent"
    if owner is not None and customer is None:
        raise invalid(
            f"The payment method supplied ({method['id']}) belongs to the Customer {owner}. Please include the Customer in the `customer` "
            f"parameter on the {name}.",
            "payment_method",
        )
    if owner is not None and owner != customer:
        raise invalid(
            f"The PaymentMethod {method['id']} does not belong to the Customer you supplied {customer}. Please use this PaymentMethod with "
            "the Customer that it belongs to instead.",
            "payment_method",
        )


def keep_for(call: Call, method: Row, customer: str, *, set_up: bool) -> None:
    """Attach a method that a payment or a set-up has just proved. `set_up` marks it as good for payments off session."""
    method["_set_up"] = method["_set_up"] or set_up
    if method["customer"] is None:
        method["customer"] = customer
        if method["type"] == "card":
            note_checks(method)
        call.session.save(PAYMENT_METHOD, method)
        emit(call, "payment_method.attached", method)
    else:
        call.session.save(PAYMENT_METHOD, method)


def create(call: Call) -> Row:
    return from_data(call, call.params, "")


def retrieve(call: Call, method_id: str) -> Row:
    return find_or_make(call, method_id, "payment_method", in_path=True)


def update(call: Call, method_id: str) -> Row:
    method = call.need(PAYMENT_METHOD, method_id, "payment_method", in_path=True)
    if method["customer"] is None:
        raise StripeError("You must save this PaymentMethod to a customer before you can update it.")
    before = copied(method)
    params = call.params
    if "billing_details" in params:
        given = params["billing_details"]
        address = {**method["billing_details"]["address"], **(given.get("address") or {})}
        method["billing_details"] = {**method["billing_details"], **given, "address": address}
    for kind in ("card", "us_bank_account"):
        if kind in params:
            if kind != method["type"]:
                raise invalid(f"You passed {kind}, but this PaymentMethod is of type {method['type']}.", kind)
            method[kind] |= params[kind]
    if "allow_redisplay" in params:
        method["allow_redisplay"] = params["allow_redisplay"]
    if "metadata" in params:
        method["metadata"] = merge_metadata(method["metadata"], params["metadata"])
    call.session.save(PAYMENT_METHOD, method)
    emit(call, "payment_method.updated", method, before)
    return method


def attach(call: Call, method_id: str) -> Row:
    customer = call.need(call.kinds["customer"], call.params["customer"], "customer")
    method = find_or_make(call, method_id, "payment_method", in_path=True)
    if method["customer"] == customer["id"]:
        return method
    if method["customer"] is not None:
        raise StripeError("The payment method you provided has already been attached to a customer.")
    if method["_spent"]:
        raise StripeError(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and may not be "
            "used again."
        )
    if method["type"] == "card":
        _check_with_bank(method)
    elif TYPES[method["type"]].saved_as != method["type"]:
        raise invalid(f"Payment methods of type {method['type']} cannot be saved to customers.", "payment_method")
    method["customer"] = customer["id"]
    call.session.save(PAYMENT_METHOD, method)
    emit(call, "payment_method.attached", method)
    return method


def _check_with_bank(method: Row) -> None:
    """A card is asked about before it is saved: raises the 402 of one that its bank declines."""
    behaviour = behaviour_of(method)
    if behaviour.decline is not None and behaviour.declines_set_up:
        decline = behaviour.decline
        # Recorded at 2025-10-29.clover: where no detail is at fault, `param` is there and empty; the method itself is not shown.
        raise card_error(decline.message, decline.code, param=decline.param or "", **decline.codes)
    note_checks(method)


def detach(call: Call, method_id: str) -> Row:
    method = call.need(PAYMENT_METHOD, method_id, "payment_method", in_path=True)
    if method["customer"] is None:
        raise StripeError(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
        )
    detach_from_customer(call, method)
    return method


def detach_from_customer(call: Call, method: Row) -> None:
    """Take a method away from its customer, for good: it is spent, and no longer the customer's default."""
    before = copied(method)
    _forget_default(call, method)
    permission = mandates.standing(call, method)
    if permission is not None:
        mandates.end(call, permission)
    method |= {"customer": None, "_spent": True}
    call.session.save(PAYMENT_METHOD, method)
    emit(call, "payment_method.detached", method, before)


def _forget_default(call: Call, method: Row) -> None:
    """A method that leaves its customer is no longer the customer's default."""
    kind = call.kinds["customer"]  # by its name: customers know payment methods, and not the other way round
    customer = call.session.find(kind, method["customer"])
    if (
        customer is None
        or customer.get("deleted")
        or customer["invoice_settings"]["default_payment_method"] != method["id"]
    ):
        return
    before = copied(customer)
    customer["invoice_settings"]["default_payment_method"] = None
    call.session.save(kind, customer)
    emit(call, "customer.updated", customer, before)


def list_methods(call: Call) -> Row:
    params = call.params
    if "customer" not in params:
        # Without a customer Stripe lists only custom methods made for Treasury and the like; there are none here.
        return list_of(call, PAYMENT_METHOD, ranges=(), fixed={"customer": ""})
    return _of_customer(call, params["customer"], PAYMENT_METHOD.url)


def list_of_customer(call: Call, customer_id: str) -> Row:
    return _of_customer(call, customer_id, f"/v1/customers/{customer_id}/payment_methods")


def retrieve_of_customer(call: Call, customer_id: str, method_id: str) -> Row:
    method = call.need(PAYMENT_METHOD, method_id, "payment_method", in_path=True)
    if method["customer"] != customer_id:
        raise no_such(PAYMENT_METHOD, method_id, "payment_method", in_path=True)
    return method


def _of_customer(call: Call, customer_id: str, url: str) -> Row:
    customer = call.need(call.kinds["customer"], customer_id, "customer", in_path=url != PAYMENT_METHOD.url)
    shown = list_of(call, PAYMENT_METHOD, equal=("type",), fixed={"customer": customer["id"]}, ranges=(), url=url)
    wanted = call.params.get("allow_redisplay")
    if wanted is not None:
        shown["data"] = [method for method in shown["data"] if method["allow_redisplay"] == wanted]
    return shown


def for_browser(call: Call, shown: Row) -> Row:
    """What a publishable key sees of a payment method: no fingerprint, no metadata."""
    del call
    kind = shown["type"]
    details = {name: value for name, value in shown[kind].items() if name != "fingerprint"}
    return {name: value for name, value in shown.items() if name != "metadata"} | {kind: details}


def spend(call: Call, method: Row) -> None:
    """A method that belongs to no customer serves one attempt, whether the bank takes it or not."""
    if method["customer"] is None:
        method["_spent"] = True
        call.session.save(PAYMENT_METHOD, method)


ROUTES = (
    post("/v1/payment_methods", create, CREATE, publishable=for_browser),
    get("/v1/payment_methods", list_methods, LIST),
    get("/v1/payment_methods/<method_id>", retrieve, makes=True),
    post("/v1/payment_methods/<method_id>", update, UPDATE),
    post("/v1/payment_methods/<method_id>/attach", attach, ATTACH),
    post("/v1/payment_methods/<method_id>/detach", detach),
    get("/v1/customers/<customer_id>/payment_methods", list_of_customer, LIST_OF_CUSTOMER),
    get("/v1/customers/<customer_id>/payment_methods/<method_id>", retrieve_of_customer),
)
