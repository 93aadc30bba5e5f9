"""Setup intents: a card is checked and saved for later, without taking money.

Source: Stripe's API reference, "SetupIntents", and "The SetupIntents lifecycle" for the states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import invalid, wrong_state
from portal.sandbox.events import emit
from portal.sandbox.ids import new_id, new_secret
from portal.sandbox.kinds import Kind, Row, copied
from portal.sandbox.lists import list_of
from portal.sandbox.params import Parameters, merge_metadata
from portal.sandbox.resources import (
    declines,
    mandates,
    microdeposits,
    offered_types,
    other_method_setups,
    setup_attempts,
    three_d_secure,
)
from portal.sandbox.resources.cards import behaviour_of, note_checks
from portal.sandbox.resources.customers import CUSTOMER
from portal.sandbox.resources.declines import Decline
from portal.sandbox.resources.intents import (
    CLIENT_FIELDS,
    as_error,
    asks_authentication,
    authentication_failed,
    automatic_methods,
    check_return_url,
    check_status,
    find,
    for_browser,
    given_method,
    how_authenticated,
    last_error,
    move,
    whole_mandate_options,
)
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD, check_usable, keep_for
from portal.sandbox.resources.setup_intent_parameters import CANCEL, CONFIRM, CREATE, LIST, UPDATE
from portal.sandbox.resources.setup_states import STATES
from portal.sandbox.routes import get, post

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

SETUP_INTENT = Kind(
    object="setup_intent",
    table="setup_intents",
    prefix="seti",
    url="/v1/setup_intents",
    columns=("customer", "payment_method"),
    expandable={
        "application": "application",
        "customer": "customer",
        "latest_attempt": "setup_attempt",
        "mandate": "mandate",
        "on_behalf_of": "account",
        "payment_method": "payment_method",
        "single_use_mandate": "mandate",
    },
    noun="setupintent",
)

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = CONFIRMABLE


def create(call: Call) -> Row:
    params: dict[str, Any] = call.params
    if params.get("customer") is not None:
        call.need(CUSTOMER, params["customer"], "customer")
    intent_id = new_id("seti")
    intent: Row = {
        "id": intent_id,
        "object": "setup_intent",
        "allowed_payment_method_types": None,
        "application": None,
        "automatic_payment_methods": automatic_methods(call),
        "cancellation_reason": None,
        "client_secret": new_secret(intent_id),
        "created": call.now,
        "customer": params.get("customer"),
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": params.get("flow_directions"),
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": params.get("usage", "off_session"),
    }
    _apply(call, intent)
    offered_types.settle(call, intent)
    if not params.get("confirm"):
        for name in ("return_url", "mandate_data", "confirmation_token"):
            if name in params:
                raise invalid(f"`{name}` can only be used when `confirm` is set to true.", name)
        _use_method(call, intent)
    call.session.insert(SETUP_INTENT, intent)
    emit(call, "setup_intent.created", intent)
    if params.get("confirm"):
        _confirm(call, intent)
    return intent


def _apply(call: Call, intent: Row) -> None:
    params = call.params
    intent |= {
        name: params[name]
        for name in ("allowed_payment_method_types", "description", "excluded_payment_method_types", "flow_directions")
        if name in params
    }
    if "metadata" in params:
        intent["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    for kind, options in (params.get("payment_method_options") or {}).items():
        kept = intent["payment_method_options"].get(kind, {})
        # The currency of klarna's options says how it shows itself, and is not kept.
        left_out = ("currency", "moto") if kind == "klarna" else ("moto",)
        given = whole_mandate_options({name: value for name, value in options.items() if name not in left_out})
        intent["payment_method_options"][kind] = kept | given


def _use_method(call: Call, intent: Row) -> None:
    method = given_method(call, intent)
    if method is None:
        return
    check_usable(method, intent)
    offered_types.check_allowed(intent, method)
    intent["payment_method"] = method["id"]
    if intent["status"] == "requires_payment_method":
        move(intent, "requires_confirmation", STATES)


def retrieve(call: Call, intent_id: str) -> Row:
    return find(call, SETUP_INTENT, intent_id)


def update(call: Call, intent_id: str) -> Row:
    intent = find(call, SETUP_INTENT, intent_id)
    if intent["status"] not in CONFIRMABLE and set(call.params) - {"description", "metadata", "expand"}:
        happened = {"succeeded": "already succeeded", "canceled": "been canceled"}.get(intent["status"], "begun")
        raise wrong_state(f"You cannot update this SetupIntent because it has {happened}.", intent)
    before = copied(intent)
    if "customer" in call.params:
        call.need(CUSTOMER, call.params["customer"], "customer")
        intent["customer"] = call.params["customer"]
    _apply(call, intent)
    if intent["status"] in CONFIRMABLE:
        offered_types.settle(call, intent)
    _use_method(call, intent)
    if intent != before:
        call.session.save(SETUP_INTENT, intent)
    return intent


def confirm(call: Call, intent_id: str) -> Row:
    intent = find(call, SETUP_INTENT, intent_id)
    check_status(intent, "confirm", CONFIRMABLE)
    _apply(call, intent)
    return _confirm(call, intent)


def _confirm(call: Call, intent: Row) -> Row:
    method = given_method(call, intent, intent["payment_method"])
    if method is None:
        raise wrong_state(
            "You cannot confirm this SetupIntent because it's missing a payment method. You can either update the SetupIntent with a "
            "payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
            intent,
        )
    if call.params.get("return_url") is not None:
        intent["_return_url"] = call.params["return_url"]
    check_usable(method, intent)
    offered_types.check_allowed(intent, method)
    check_return_url(call, intent)
    intent |= {"payment_method": method["id"], "last_setup_error": None, "next_action": None}
    if method["type"] != "card":
        return other_method_setups.confirm(call, SETUP_INTENT, intent, method)
    behaviour = behaviour_of(method)
    if not asks_authentication(intent, method, off_session=False):
        return _finish(call, intent, method, how_authenticated(method), behaviour.decline)
    if behaviour.authentication_error:
        return _finish(call, intent, method, None, declines.GENERIC)
    intent["next_action"] = three_d_secure.open_challenge(call, intent, method)
    intent["latest_attempt"] = setup_attempts.begin(call, intent, method)["id"]
    move(intent, "requires_action", STATES)
    call.session.save(SETUP_INTENT, intent)
    emit(call, "setup_intent.requires_action", intent)
    return intent


def _finish(call: Call, intent: Row, method: Row, authenticated_how: str | None, decline: Decline | None) -> Row:
    _attempted(call, intent, method, authenticated_how, decline)
    if intent["last_setup_error"] is not None:
        raise as_error(intent["last_setup_error"], intent)
    return intent


def _attempted(call: Call, intent: Row, method: Row, authenticated_how: str | None, decline: Decline | None) -> None:
    """Ask the bank whether the card is good, and save it when it is."""
    intent["next_action"] = None
    if decline is not None and behaviour_of(method).declines_set_up:
        _failed(call, intent, method, last_error(decline, method, None))
        return
    intent["latest_attempt"] = setup_attempts.finish(call, intent, method, "succeeded", authenticated_how)["id"]
    intent["last_setup_error"] = None
    if (intent["payment_method_options"].get("card") or {}).get("mandate_options"):
        accepted = mandates.acceptance(call) or mandates.made_on_page(call)
        intent["mandate"] = mandates.make(call, method, accepted, intent, many=True)["id"]
    if intent["customer"]:
        keep_for(call, method, intent["customer"], set_up=intent["usage"] == "off_session")
    else:
        method |= {"_set_up": True}
        note_checks(method)
        call.session.save(PAYMENT_METHOD, method)
    move(intent, "succeeded", STATES)
    call.session.save(SETUP_INTENT, intent)
    emit(call, "setup_intent.succeeded", intent)


def _failed(call: Call, intent: Row, method: Row, error: Row) -> None:
    intent["latest_attempt"] = setup_attempts.finish(call, intent, method, "failed", None, error)["id"]
    move(intent, "requires_payment_method", STATES)
    intent |= {"last_setup_error": error, "payment_method": None, "next_action": None}
    call.session.save(SETUP_INTENT, intent)
    emit(call, "setup_intent.setup_failed", intent)


def authenticated(call: Call, intent: Row, method: Row, *, succeeded: bool) -> None:
    """The holder has answered the challenge."""
    if succeeded:
        _attempted(call, intent, method, "challenge", behaviour_of(method).decline)
    else:
        _failed(call, intent, method, authentication_failed(intent, method))


def cancel(call: Call, intent_id: str) -> Row:
    intent = find(call, SETUP_INTENT, intent_id)
    check_status(intent, "cancel", CANCELABLE)
    setup_attempts.abandon(call, intent)
    move(intent, "canceled", STATES)
    intent |= {"cancellation_reason": call.params.get("cancellation_reason"), "next_action": None}
    call.session.save(SETUP_INTENT, intent)
    emit(call, "setup_intent.canceled", intent)
    return intent


def verify_microdeposits(call: Call, intent_id: str) -> Row:
    intent = find(call, SETUP_INTENT, intent_id)
    problem = microdeposits.check(call, SETUP_INTENT, intent)
    other_method_setups.verified(call, SETUP_INTENT, intent, problem)
    return intent


def list_intents(call: Call) -> Row:
    return list_of(call, SETUP_INTENT, equal=("customer", "payment_method"))


ROUTES = (
    post("/v1/setup_intents", create, CREATE),
    get("/v1/setup_intents", list_intents, LIST),
    get("/v1/setup_intents/<intent_id>", retrieve, Parameters(CLIENT_FIELDS), publishable=for_browser),
    post("/v1/setup_intents/<intent_id>", update, UPDATE),
    post("/v1/setup_intents/<intent_id>/confirm", confirm, CONFIRM, publishable=for_browser),
    post(
        "/v1/setup_intents/<intent_id>/verify_microdeposits",
        verify_microdeposits,
        microdeposits.PARAMETERS,
        publishable=for_browser,
    ),
    post("/v1/setup_intents/<intent_id>/cancel", cancel, CANCEL),
)
