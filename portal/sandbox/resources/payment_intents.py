"""Payment intents: one wish to be paid, from its amount to its money.

Source: Stripe's API reference, "PaymentIntents", and "How PaymentIntents work" for the states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.sandbox import money, search
from portal.sandbox.errors import StripeError, invalid, wrong_state
from portal.sandbox.events import emit
from portal.sandbox.ids import new_id, new_secret
from portal.sandbox.kinds import Kind, Row, copied
from portal.sandbox.lists import list_of
from portal.sandbox.params import merge_metadata, whole_shipping
from portal.sandbox.resources import (
    charges,
    microdeposits,
    offered_types,
    other_method_payments,
    payment_confirmation,
    tokens,
)
from portal.sandbox.resources.bank_answers import may_grow
from portal.sandbox.resources.customers import CUSTOMER
from portal.sandbox.resources.intents import (
    automatic_methods,
    check_status,
    find,
    for_browser,
    given_method,
    move,
    whole_mandate_options,
)
from portal.sandbox.resources.payment_intent_parameters import (
    CANCEL,
    CAPTURE,
    CONFIRM,
    CREATE,
    INCREMENT,
    LIST,
    RETRIEVE,
    UPDATE,
)
from portal.sandbox.resources.payment_method_types import TYPES
from portal.sandbox.resources.payment_methods import check_usable
from portal.sandbox.resources.payment_states import CANCELABLE, CAPTURABLE, CHANGEABLE, CONFIRMABLE, STATES
from portal.sandbox.routes import get, post

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

PAYMENT_INTENT = Kind(
    object="payment_intent",
    table="payment_intents",
    prefix="pi",
    url="/v1/payment_intents",
    columns=("customer", "status"),
    expandable={
        "application": "application",
        "customer": "customer",
        "latest_charge": "charge",
        "on_behalf_of": "account",
        "payment_method": "payment_method",
        "payment_record": "payment_record",
        "review": "review",
        "source": "source",
        "transfer_data.destination": "account",
    },
)

_PLAIN = (
    "allowed_payment_method_types",
    "description",
    "excluded_payment_method_types",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)


def create(call: Call) -> Row:
    params: dict[str, Any] = call.params
    currency = money.known_currency(params["currency"])
    money.check_charge_amount(params["amount"], currency)
    if params.get("customer") is not None:
        call.need(CUSTOMER, params["customer"], "customer")
    intent_id = new_id("pi")
    intent: Row = {
        "id": intent_id,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic_methods(call),
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": new_secret(intent_id),
        "confirmation_method": params.get("confirmation_method", "automatic"),
        "created": call.now,
        "currency": currency,
        "customer": params.get("customer"),
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    apply(call, intent)
    offered_types.settle(call, intent)
    if not params.get("confirm"):
        for name in (
            "mandate",
            "off_session",
            "return_url",
            "mandate_data",
            "confirmation_token",
            "error_on_requires_action",
        ):
            # As recorded: what is switched off needs no confirmation.
            if params.get(name, False) is not False:
                raise invalid(f"`{name}` can only be used when `confirm` is set to true.", name)
        use_method(call, intent)
    call.session.insert(PAYMENT_INTENT, intent)
    emit(call, "payment_intent.created", intent)
    if params.get("confirm"):
        payment_confirmation.confirm(call, PAYMENT_INTENT, intent)
    return intent


def apply(call: Call, intent: Row) -> None:
    """Set the plain fields that the parameters name."""
    params = call.params
    intent |= {name: params[name] for name in _PLAIN if name in params}
    if "metadata" in params:
        intent["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    if "shipping" in params:
        intent["shipping"] = whole_shipping(params["shipping"])
    if "payment_details" in params:
        intent["payment_details"] = params["payment_details"]
    for kind, options in (params.get("payment_method_options") or {}).items():
        kept = intent["payment_method_options"].get(kind, {})
        given = whole_mandate_options(
            {name: value for name, value in options.items() if name not in {"moto", "cvc_token"}}
        )
        intent["payment_method_options"][kind] = kept | given


def use_method(call: Call, intent: Row) -> None:
    """Take up the payment method the parameters name, without confirming."""
    tokens.refuse_too_early(call)
    method = given_method(call, intent)
    if method is None:
        return
    check_usable(method, intent)
    offered_types.check_allowed(intent, method)
    intent["payment_method"] = method["id"]
    if intent["status"] == "requires_payment_method":
        move(intent, "requires_confirmation", STATES)


def retrieve(call: Call, intent_id: str) -> Row:
    return find(call, PAYMENT_INTENT, intent_id)


def update(call: Call, intent_id: str) -> Row:
    intent = find(call, PAYMENT_INTENT, intent_id)
    params = call.params
    fixed = set(params) - {"description", "metadata", "receipt_email", "expand", "client_secret", "payment_details"}
    if intent["status"] not in CHANGEABLE and fixed:
        name = min(fixed)
        raise wrong_state(
            f"This PaymentIntent's {name} could not be updated because it has a status of {intent['status']}. You may "
            f"only update the {name} "
            f"of a PaymentIntent with one of the following statuses: {', '.join(CHANGEABLE)}.",
            intent,
        )
    if "customer" in params:
        call.need(CUSTOMER, params["customer"], "customer")
        intent["customer"] = params["customer"]
    currency = money.known_currency(params.get("currency", intent["currency"]))
    kept: int = intent["amount"]
    amount: int = params.get("amount", kept)
    money.check_charge_amount(amount, currency)
    intent |= {
        "amount": amount,
        "currency": currency,
        "capture_method": params.get("capture_method", intent["capture_method"]),
    }
    apply(call, intent)
    if intent["status"] in CHANGEABLE:
        offered_types.settle(call, intent)
    use_method(call, intent)
    if intent["status"] == "requires_action" and {"amount", "currency", "payment_method"} & set(params):
        # What the holder was asked to approve has changed, so it has to be confirmed and asked again.
        move(intent, "requires_confirmation", STATES)
        intent["next_action"] = None
    call.session.save(PAYMENT_INTENT, intent)
    return intent


def confirm(call: Call, intent_id: str) -> Row:
    intent = find(call, PAYMENT_INTENT, intent_id)
    check_status(intent, "confirm", CONFIRMABLE)
    if intent["confirmation_method"] == "manual" and call.publishable:
        raise StripeError(
            "This PaymentIntent was created with confirmation_method=manual and can only be confirmed on the server with a secret key.",
            code="payment_intent_invalid_parameter",
        )
    expected = call.params.get("amount_to_confirm")
    if expected is not None and expected != intent["amount"]:
        raise invalid(
            f"amount_to_confirm ({expected}) does not match the amount of the PaymentIntent ({intent['amount']}).",
            "amount_to_confirm",
        )
    if "capture_method" in call.params:
        intent["capture_method"] = call.params["capture_method"]
    apply(call, intent)
    return payment_confirmation.confirm(call, PAYMENT_INTENT, intent)


def cancel(call: Call, intent_id: str) -> Row:
    intent = find(call, PAYMENT_INTENT, intent_id)
    check_status(intent, "cancel", CANCELABLE)
    held = intent["status"] == "requires_capture"
    latest = call.session.find(charges.CHARGE, intent["latest_charge"] or "")
    asked = latest if intent["status"] == "processing" and latest and latest["status"] == "pending" else None
    if asked and not TYPES[asked["payment_method_details"]["type"]].cancelable_while_processing:
        check_status(intent, "cancel", [status for status in CANCELABLE if status != "processing"])
    move(intent, "canceled", STATES)
    intent |= {
        "canceled_at": call.now,
        "cancellation_reason": call.params.get("cancellation_reason"),
        "next_action": None,
        "amount_capturable": 0,
    }
    if held:
        charges.release(call, call.need(charges.CHARGE, intent["latest_charge"]))
    if asked:
        other_method_payments.give_up(call, asked)
    call.session.save(PAYMENT_INTENT, intent)
    emit(call, "payment_intent.canceled", intent)
    return intent


def capture(call: Call, intent_id: str) -> Row:
    intent = find(call, PAYMENT_INTENT, intent_id)
    check_status(intent, "capture", CAPTURABLE)
    held: int = intent["amount_capturable"]
    amount: int = call.params.get("amount_to_capture", held)
    if amount > intent["amount_capturable"]:
        raise invalid(
            f"The payment intent amount_capturable {money.shown(intent['amount_capturable'], intent['currency'])} is "
            "less than the amount to "
            f"capture {money.shown(amount, intent['currency'])}.",
            "amount_to_capture",
            "amount_too_large",
        )
    apply(call, intent)
    charges.capture(call, call.need(charges.CHARGE, intent["latest_charge"]), amount, asynchronously=True)
    move(intent, "succeeded", STATES)
    intent |= {"amount_capturable": 0, "amount_received": amount}
    call.session.save(PAYMENT_INTENT, intent)
    emit(call, "payment_intent.succeeded", intent)
    return intent


def increment(call: Call, intent_id: str) -> Row:
    """Raise the amount of a hold that was asked for as one that may grow. Source: Stripe, "Increment an authorization"."""
    intent = find(call, PAYMENT_INTENT, intent_id)
    check_status(intent, "increment", CAPTURABLE)
    held = call.need(charges.CHARGE, intent["latest_charge"])
    if "card" not in held["payment_method_details"] or not may_grow(intent):
        raise wrong_state("This PaymentIntent's payment method does not support incremental authorizations.", intent)
    amount = call.params["amount"]
    if amount <= intent["amount"]:
        raise invalid(
            f"The amount must be greater than the currently authorized amount of {intent['amount']}.", "amount"
        )
    money.check_charge_amount(amount, intent["currency"])
    before = copied(intent)
    intent |= {"amount": amount, "amount_capturable": amount}
    apply(call, intent)
    charges.raise_amount(call, held, amount)
    call.session.save(PAYMENT_INTENT, intent)
    emit(call, "payment_intent.amount_capturable_updated", intent, before)
    return intent


def verify_microdeposits(call: Call, intent_id: str) -> Row:
    intent = find(call, PAYMENT_INTENT, intent_id)
    problem = microdeposits.check(call, PAYMENT_INTENT, intent)
    other_method_payments.verified(call, PAYMENT_INTENT, intent, problem)
    return intent


def list_intents(call: Call) -> Row:
    return list_of(call, PAYMENT_INTENT, equal=("customer",))


SEARCHED = {
    "amount": "number",
    "created": "number",
    "currency": "token",
    "customer": "token",
    "metadata": "token",
    "status": "token",
}


def search_intents(call: Call) -> Row:
    return search.search(call, PAYMENT_INTENT, SEARCHED, "/v1/payment_intents/search")


ROUTES = (
    get("/v1/payment_intents/search", search_intents, search.PARAMETERS),
    post("/v1/payment_intents", create, CREATE),
    get("/v1/payment_intents", list_intents, LIST),
    get("/v1/payment_intents/<intent_id>", retrieve, RETRIEVE, publishable=for_browser),
    post("/v1/payment_intents/<intent_id>", update, UPDATE),
    post("/v1/payment_intents/<intent_id>/confirm", confirm, CONFIRM, publishable=for_browser),
    post(
        "/v1/payment_intents/<intent_id>/verify_microdeposits",
        verify_microdeposits,
        microdeposits.PARAMETERS,
        publishable=for_browser,
    ),
    post("/v1/payment_intents/<intent_id>/cancel", cancel, CANCEL),
    post("/v1/payment_intents/<intent_id>/capture", capture, CAPTURE),
    post("/v1/payment_intents/<intent_id>/increment_authorization", increment, INCREMENT),
)
