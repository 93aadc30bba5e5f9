"""Confirming a payment intent: from a payment method to authentication, to a charge, to success or a decline."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from portal.sandbox import slowness
from portal.sandbox.errors import StripeError, wrong_state
from portal.sandbox.events import emit
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.resources import charges, declines, offered_types, other_method_payments, three_d_secure, tokens
from portal.sandbox.resources.bank_answers import CAPTURE_WINDOW_SECONDS
from portal.sandbox.resources.cards import answer_of_bank, behaviour_of, note_checks
from portal.sandbox.resources.declines import Decline
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
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD, check_usable, keep_for, spend
from portal.sandbox.resources.payment_states import STATES

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
    check_usable(method, intent)
    offered_types.check_allowed(intent, method)
    check_return_url(call, intent)
    off_session = bool(params.get("off_session"))
    if off_session and intent["setup_future_usage"]:
        raise StripeError(
            "You cannot confirm with `off_session=true` when `setup_future_usage` is also set on the PaymentIntent. The customer needs to "
            "be on-session to perform the steps which may be required to set up the PaymentMethod for future usage.",
            param="off_session",
            began=False,
        )
    intent |= {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    if method["type"] != "card":
        return other_method_payments.confirm(call, kind, intent, method)
    return _confirm_card(call, kind, intent, method, off_session=off_session)


def _confirm_card(call: Call, kind: Kind, intent: Row, method: Row, *, off_session: bool) -> Row:
    params = call.params
    if "mandate" in params:
        intent["_mandate"] = other_method_payments.named_mandate(call, method, params["mandate"])["id"]
    intent["_cvc_given"] = tokens.spend(call)
    if not asks_authentication(intent, method, off_session=off_session):
        decline = answer_of_bank(call, method, cvc_given=intent["_cvc_given"], off_session=off_session)
        if decline is declines.MANDATE_CANCELED:
            return _refuse(call, kind, intent, method, decline)
        if off_session and behaviour_of(method).notice_seconds:
            return _give_notice(call, kind, intent, method, decline)
        return _charge(call, kind, intent, method, decline, how_authenticated(method))
    if off_session:
        return _charge(call, kind, intent, method, declines.AUTHENTICATION_REQUIRED, None)
    if behaviour_of(method).authentication_error:
        return _charge(call, kind, intent, method, declines.GENERIC, None)
    if params.get("error_on_requires_action"):
        return _charge(call, kind, intent, method, declines.AUTHENTICATION_REQUIRED, None)
    intent["next_action"] = three_d_secure.open_challenge(call, intent, method)
    move(intent, "requires_action", STATES)
    call.session.save(kind, intent)
    emit(call, "payment_intent.requires_action", intent)
    return intent


def _charge(
    call: Call, kind: Kind, intent: Row, method: Row, decline: Decline | None, authenticated: str | None
) -> Row:
    seconds = slowness.take(call.session)
    if seconds is not None:
        return _process(call, kind, intent, method, decline, authenticated, seconds, {})
    attempted(call, kind, intent, method, decline, authenticated)
    if intent["last_payment_error"] is not None:
        raise as_error(intent["last_payment_error"], intent)
    return intent


def _refuse(call: Call, kind: Kind, intent: Row, method: Row, decline: Decline) -> Row:
    """A refusal before the bank is asked, so without a charge. As recorded at 2023-10-16."""
    move(intent, "requires_payment_method", STATES)
    intent |= {"last_payment_error": last_error(decline, method, None), "payment_method": None}
    call.session.save(kind, intent)
    emit(call, "payment_intent.payment_failed", intent)
    raise as_error(intent["last_payment_error"], intent)


def _give_notice(call: Call, kind: Kind, intent: Row, method: Row, decline: Decline | None) -> Row:
    """The holder's bank tells them a day before what it will pay. Source: Stripe, "India recurring payments"."""
    seconds = behaviour_of(method).notice_seconds
    notice = {"approval_requested": False, "completes_at": call.now + seconds}
    return _process(call, kind, intent, method, decline, None, seconds, {"customer_notification": notice})


def _process(
    call: Call,
    kind: Kind,
    intent: Row,
    method: Row,
    decline: Decline | None,
    authenticated: str | None,
    seconds: float,
    known: Row,
) -> Row:
    """The bank takes its time; `finish` brings its answer. `known` is what `processing` says of the card."""
    move(intent, "processing", STATES)
    intent["processing"] = {"card": known, "type": "card"}
    call.session.save(kind, intent)
    emit(call, "payment_intent.processing", intent)
    call.later(
        "payment_intent.finish",
        seconds,
        intent=intent["id"],
        method=method["id"],
        decline=asdict(decline) if decline else None,
        authenticated=authenticated,
    )
    return intent


def finish(call: Call, body: dict[str, Any]) -> None:
    """The bank's late answer to a payment that was processing."""
    kind = call.kinds["payment_intent"]
    intent = call.need(kind, body["intent"])
    if intent["status"] != "processing":
        return
    intent["processing"] = None
    decline = declines.read(body["decline"])
    attempted(call, kind, intent, call.need(PAYMENT_METHOD, body["method"]), decline, body["authenticated"])


def expire_hold(call: Call, body: dict[str, Any]) -> None:
    """Nobody captured a hold in time: it is let go. Source: Stripe, "Place a hold on a payment method"."""
    kind = call.kinds["payment_intent"]
    intent = call.need(kind, body["intent"])
    if intent["status"] != "requires_capture":
        return
    charges.release(call, call.need(charges.CHARGE, intent["latest_charge"]), "charge.expired")
    move(intent, "canceled", STATES)
    intent |= {"canceled_at": call.now, "cancellation_reason": "expired", "amount_capturable": 0}
    call.session.save(kind, intent)
    emit(call, "payment_intent.canceled", intent)


def attempted(
    call: Call, kind: Kind, intent: Row, method: Row, decline: Decline | None, authenticated: str | None
) -> None:
    """Charge the card and put the intent where the bank's answer leads; a decline is recorded and not raised."""
    attempt = charges.attempt(call, intent, method, decline=decline, authenticated=authenticated)
    intent |= {"latest_charge": attempt.charge["id"], "next_action": None}
    newly_checked = note_checks(method, cvc_given=intent.get("_cvc_given", False))
    if attempt.decline is not None:
        move(intent, "requires_payment_method", STATES)
        intent |= {"last_payment_error": last_error(attempt.decline, method, attempt.charge), "payment_method": None}
        _keep(call, method, newly_checked=newly_checked)
        call.session.save(kind, intent)
        emit(call, "payment_intent.payment_failed", intent)
        return
    intent["last_payment_error"] = None
    if intent["customer"] and intent["setup_future_usage"]:
        keep_for(call, method, intent["customer"], set_up=intent["setup_future_usage"] == "off_session")
    else:
        _keep(call, method, newly_checked=newly_checked)
    if intent["capture_method"] == "manual":
        move(intent, "requires_capture", STATES)
        intent["amount_capturable"] = intent["amount"]
        call.session.save(kind, intent)
        emit(call, "payment_intent.amount_capturable_updated", intent)
        call.later("payment_intent.expire_hold", CAPTURE_WINDOW_SECONDS, intent=intent["id"])
        return
    move(intent, "succeeded", STATES)
    intent["amount_received"] = intent["amount"]
    call.session.save(kind, intent)
    emit(call, "payment_intent.succeeded", intent)


def _keep(call: Call, method: Row, *, newly_checked: bool) -> None:
    """Save a method after an attempt. One that belongs to no customer serves one, whether the bank takes it or not."""
    if method["customer"] is None:
        spend(call, method)
    elif newly_checked:
        call.session.save(PAYMENT_METHOD, method)


def authenticated(call: Call, kind: Kind, intent: Row, method: Row, *, succeeded: bool) -> None:
    """The holder has answered the challenge: charge the card, or ask for another one."""
    if succeeded:
        decline = answer_of_bank(call, method, cvc_given=intent.get("_cvc_given", False))
        attempted(call, kind, intent, method, decline, "challenge")
        return
    move(intent, "requires_payment_method", STATES)
    intent |= {"last_payment_error": authentication_failed(intent, method), "payment_method": None, "next_action": None}
    call.session.save(kind, intent)
    emit(call, "payment_intent.payment_failed", intent)


EFFECTS = {**other_method_payments.EFFECTS, "payment_intent.expire_hold": expire_hold, "payment_intent.finish": finish}
