"""Saving any payment method but a card by a setup intent: with a mandate, and where its type asks for it the customer's approval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.errors import StripeError
from portal.sandbox.events import emit
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.resources import mandates, microdeposits, offered_types, redirects, saved_debits, setup_attempts
from portal.sandbox.resources.intents import authentication_failed, move
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD, keep_for
from portal.sandbox.resources.setup_states import STATES

if TYPE_CHECKING:
    from portal.sandbox.calls import Call


def confirm(call: Call, kind: Kind, intent: Row, method: Row) -> Row:
    """Save a method, or ask for what has to come first; the intent is returned in `succeeded` or `requires_action`."""
    facts = offered_types.check_confirmable(intent, method)
    intent["_accepted"] = mandates.acceptance(call)
    if intent["_accepted"] is None:
        raise StripeError(
            f"When confirming a SetupIntent with a `{facts.name}` PaymentMethod, `mandate_data` is required.",
            param="mandate_data",
            setup_intent=intent,
        )
    if facts.name == "us_bank_account" and microdeposits.needed(method):
        return _ask(call, kind, intent, method, microdeposits.begin(call, intent, method))
    if facts.redirects:
        return _ask(call, kind, intent, method, redirects.open_redirect(call, intent, method))
    save(call, kind, intent, method)
    return intent


def _ask(call: Call, kind: Kind, intent: Row, method: Row, next_action: Row) -> Row:
    intent["next_action"] = next_action
    intent["latest_attempt"] = setup_attempts.begin(call, intent, method)["id"]
    move(intent, "requires_action", STATES)
    call.session.save(kind, intent)
    emit(call, "setup_intent.requires_action", intent)
    return intent


def save(call: Call, kind: Kind, intent: Row, method: Row) -> None:
    """Keep a method that nothing stands in the way of any more, or the debit that comes of it."""
    saved_debits.identify(method)
    attempt = setup_attempts.finish(call, intent, method, "succeeded", None)
    if saved_debits.leaves_debit(method):
        mandate = saved_debits.keep_from_set_up(call, intent, method, attempt)
        call.session.save(setup_attempts.SETUP_ATTEMPT, attempt)
        call.session.save(PAYMENT_METHOD, method)
    else:
        mandate = mandates.make(call, method, intent["_accepted"], intent, many=True)
        method["_set_up"] = True
        if intent["customer"]:
            keep_for(call, method, intent["customer"], set_up=intent["usage"] == "off_session")
        else:
            call.session.save(PAYMENT_METHOD, method)
    intent |= {
        "last_setup_error": None,
        "latest_attempt": attempt["id"],
        "mandate": mandate["id"] if mandate else None,
        "next_action": None,
    }
    move(intent, "succeeded", STATES)
    call.session.save(kind, intent)
    emit(call, "setup_intent.succeeded", intent)


def approved(call: Call, kind: Kind, intent: Row, method: Row, *, succeeded: bool) -> None:
    """The customer is back from the method's page, and has approved or not."""
    if succeeded:
        save(call, kind, intent, method)
    else:
        fail(call, kind, intent, method, authentication_failed(intent, method))


def verified(call: Call, kind: Kind, intent: Row, problem: str | None) -> None:
    """The holder has told what was paid in: save the account, or, with a `problem`, ask for another one."""
    method = call.need(PAYMENT_METHOD, intent["payment_method"])
    if problem is None:
        microdeposits.mark_verified(call, method)
        save(call, kind, intent, method)
    else:
        fail(call, kind, intent, method, microdeposits.error(problem, method))


def fail(call: Call, kind: Kind, intent: Row, method: Row, error: Row) -> None:
    intent["latest_attempt"] = setup_attempts.finish(call, intent, method, "failed", None, error)["id"]
    move(intent, "requires_payment_method", STATES)
    intent |= {"last_setup_error": error, "payment_method": None, "next_action": None}
    call.session.save(kind, intent)
    emit(call, "setup_intent.setup_failed", intent)
