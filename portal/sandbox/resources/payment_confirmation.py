"""Confirming a payment intent: from a payment method to authentication, to a charge, to success or a decline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.errors import StripeError, wrong_state
from portal.sandbox.events import emit
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.resources import charges, three_d_secure
from portal.sandbox.resources.cards import behaviour_of
from portal.sandbox.resources.intents import (
    as_error,
    asks_authentication,
    authentication_failed,
    check_return_url,
    given_method,
    how_authenticated,
    last_error,
    move,
)
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD, check_usable, keep_for
from portal.sandbox.resources.payment_states import STATES
from portal.sandbox.testcards import AUTHENTICATION_REQUIRED, BEHAVIOURS, Decline

if TYPE_CHECKING:
    from portal.sandbox.calls import Call


def confirm(call: Call, kind: Kind, intent: Row) -> Row:
    """Try to be paid. Raises the 402 of a declined card after recording it; else the intent has moved on and is returned."""
    params = call.params
    method = given_method(call, intent, intent["payment_method"])
    if method is None:
        raise wrong_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a "
            "payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
            intent,
        )
    if params.get("return_url") is not None:
        intent["_return_url"] = params["return_url"]
    if "setup_future_usage" in params:
        intent["setup_future_usage"] = params["setup_future_usage"]
    check_usable(method, intent["customer"])
    check_return_url(call, intent)
    off_session = bool(params.get("off_session"))
    if off_session and intent["customer"] is None:
        raise StripeError(
            "You cannot confirm with `off_session=true` when `customer` is not set.", param="off_session", began=False
        )
    intent |= {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    if not asks_authentication(intent, method, off_session=off_session):
        return _charge(call, kind, intent, method, behaviour_of(method).decline, how_authenticated(method))
    if off_session:
        return _charge(call, kind, intent, method, AUTHENTICATION_REQUIRED, None)
    if behaviour_of(method).authentication_error:
        return _charge(call, kind, intent, method, BEHAVIOURS["declined"].decline, None)
    if params.get("error_on_requires_action"):
        return _charge(call, kind, intent, method, AUTHENTICATION_REQUIRED, None)
    intent["next_action"] = three_d_secure.open_challenge(call, intent, method)
    move(intent, "requires_action", STATES)
    call.session.save(kind, intent)
    emit(call, "payment_intent.requires_action", intent)
    return intent


def _charge(
    call: Call, kind: Kind, intent: Row, method: Row, decline: Decline | None, authenticated: str | None
) -> Row:
    attempted(call, kind, intent, method, decline, authenticated)
    if intent["last_payment_error"] is not None:
        raise as_error(intent["last_payment_error"], intent)
    return intent


def attempted(
    call: Call, kind: Kind, intent: Row, method: Row, decline: Decline | None, authenticated: str | None
) -> None:
    """Charge the card and put the intent where the bank's answer leads; a decline is recorded and not raised."""
    attempt = charges.attempt(call, intent, method, decline=decline, authenticated=authenticated)
    intent |= {"latest_charge": attempt.charge["id"], "next_action": None}
    if attempt.decline is not None:
        move(intent, "requires_payment_method", STATES)
        intent |= {"last_payment_error": last_error(attempt.decline, method, attempt.charge), "payment_method": None}
        _spend(call, method)
        call.session.save(kind, intent)
        emit(call, "payment_intent.payment_failed", intent)
        return
    intent["last_payment_error"] = None
    if intent["customer"] and intent["setup_future_usage"]:
        keep_for(call, method, intent["customer"], set_up=intent["setup_future_usage"] == "off_session")
    else:
        _spend(call, method)
    if intent["capture_method"] == "manual":
        move(intent, "requires_capture", STATES)
        intent["amount_capturable"] = intent["amount"]
        call.session.save(kind, intent)
        emit(call, "payment_intent.amount_capturable_updated", intent)
        return
    move(intent, "succeeded", STATES)
    intent["amount_received"] = intent["amount"]
    call.session.save(kind, intent)
    emit(call, "payment_intent.succeeded", intent)


def _spend(call: Call, method: Row) -> None:
    """A method that belongs to no customer serves one attempt, whether the bank takes it or not."""
    if method["customer"] is None:
        method["_spent"] = True
        call.session.save(PAYMENT_METHOD, method)


def authenticated(call: Call, kind: Kind, intent: Row, method: Row, *, succeeded: bool) -> None:
    """The holder has answered the challenge: charge the card, or ask for another one."""
    if succeeded:
        attempted(call, kind, intent, method, behaviour_of(method).decline, "challenge")
        return
    move(intent, "requires_payment_method", STATES)
    intent |= {"last_payment_error": authentication_failed(intent, method), "payment_method": None, "next_action": None}
    call.session.save(kind, intent)
    emit(call, "payment_intent.payment_failed", intent)
