"""Paying a payment intent by any method but a card: a debit that takes days, or a page on which the customer approves.

What differs between the methods stands in `payment_method_types`. Source: Stripe's page on each method, and "Payment status updates".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import StripeError, wrong_state
from portal.sandbox.events import emit
from portal.sandbox.kinds import Kind, Row, copied, public
from portal.sandbox.resources import (
    balance_transactions,
    charges,
    fees,
    mandates,
    method_details,
    microdeposits,
    offered_types,
    redirects,
    saved_debits,
)
from portal.sandbox.resources.bank_accounts import behaviour_of
from portal.sandbox.resources.intents import as_error, authentication_failed, move
from portal.sandbox.resources.payment_method_types import TYPES, PaymentMethodType
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD, keep_for, spend
from portal.sandbox.resources.payment_states import STATES
from portal.sandbox.resources.testaccounts import DELAY_SECONDS, Failure

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

HOLD_SECONDS = 7 * 24 * 3600
MANDATE_REFUSED = Failure("debit_not_authorized", "The customer's bank has refused the mandate.", ends_mandate=True)
CANCELED = Failure("payment_canceled", "The payment was canceled before the bank was asked for it.")


def confirm(call: Call, kind: Kind, intent: Row, method: Row) -> Row:
    """Try to be paid: the intent moves on to `processing`, `requires_action` or `succeeded`, and is returned."""
    facts = offered_types.check_confirmable(intent, method)
    mandate = _mandate(call, intent, method, facts)
    off_session = bool(call.params.get("off_session"))
    intent["_mandate"] = mandate["id"] if mandate else None
    if facts.name == "us_bank_account" and microdeposits.needed(method):
        _ask(call, kind, intent, microdeposits.begin(call, intent, method))
        return intent
    if facts.redirects and not (mandate and method["customer"]):
        if off_session:
            raise wrong_state(
                f"A PaymentMethod of type {facts.name} needs the customer's approval, so it cannot be confirmed off session.",
                intent,
            )
        if call.params.get("error_on_requires_action"):
            raise as_error(authentication_failed(intent, method), intent)
        _ask(call, kind, intent, redirects.open_redirect(call, intent, method))
        return intent
    pay(call, kind, intent, method)
    return intent


def _ask(call: Call, kind: Kind, intent: Row, next_action: Row) -> None:
    intent["next_action"] = next_action
    move(intent, "requires_action", STATES)
    call.session.save(kind, intent)
    emit(call, "payment_intent.requires_action", intent)


def future_use(intent: Row, method: str) -> str | None:
    """For what the method is to be kept: as its own options say, else as the intent does."""
    own = (intent["payment_method_options"].get(method) or {}).get("setup_future_usage")
    use: str | None = intent["setup_future_usage"] if own is None else own
    return None if use == "none" else use


def _mandate(call: Call, intent: Row, method: Row, facts: PaymentMethodType) -> Row | None:
    """The permission this payment rests on: a new one, one the request names, or one the customer gave before.

    Methods that redirect get theirs once the customer has approved; some need none unless they are saved.
    """
    if "mandate" in call.params:
        return named_mandate(call, method, call.params["mandate"])
    use = future_use(intent, facts.name)
    accepted = mandates.acceptance(call)
    standing = mandates.standing(call, method)
    unneeded = standing is None and (facts.redirects or (facts.mandate == "when_saved" and not use))
    if facts.mandate == "never" or unneeded:
        if use and facts.mandate == "when_saved" and accepted is None:
            raise _acceptance_missing(intent, facts, use)
        intent["_accepted"] = accepted
        return None
    if accepted is not None and not facts.redirects:
        return mandates.make(call, method, accepted, intent, many=bool(use) or method["customer"] is not None)
    if standing is not None:
        return standing
    if use:
        raise _acceptance_missing(intent, facts, use)
    raise wrong_state(
        "This PaymentIntent requires a mandate, but no existing mandate was found. Collect mandate acceptance from the customer and try "
        "again, providing acceptance data in the mandate_data parameter.",
        intent,
    )


def named_mandate(call: Call, method: Row, mandate_id: str) -> Row:
    """The mandate with this id; raises for one of another method, and for one that has ended."""
    mandate = call.need(mandates.MANDATE, mandate_id, "mandate")
    if mandate["payment_method"] != method["id"] or mandate["status"] == "inactive":
        raise StripeError(
            "The provided mandate is invalid and can not be used for the payment intent.",
            code="payment_intent_mandate_invalid",
            param="mandate",
        )
    return mandate


def _acceptance_missing(intent: Row, facts: PaymentMethodType, use: str) -> StripeError:
    return StripeError(
        f"When confirming a PaymentIntent with a `{facts.name}` PaymentMethod and `setup_future_usage` value of `{use}`, `mandate_data` is "
        "required.",
        param="mandate_data",
        payment_intent=intent,
    )


def pay(call: Call, kind: Kind, intent: Row, method: Row) -> None:
    """Charge a method that nothing stands in the way of any more."""
    facts = TYPES[method["type"]]
    mandate = call.session.find(mandates.MANDATE, intent.get("_mandate") or "")
    intent |= {"next_action": None, "last_payment_error": None}
    if facts.processing_days:
        _begin_debit(call, kind, intent, method, facts, mandate)
    else:
        _pay_at_once(call, kind, intent, method, facts, mandate)


def _begin_debit(
    call: Call, kind: Kind, intent: Row, method: Row, facts: PaymentMethodType, mandate: Row | None
) -> None:
    """The bank is asked for the money, and answers days later. The payment already stands in the balance, as pending."""
    charge = charges.blank(call, intent, method)
    charge |= {
        "amount_captured": intent["amount"],
        "captured": True,
        "outcome": _outcome(None),
        "payment_method_details": method_details.of_charge(call, intent, method, mandate),
        "_refund": "pends",
    }
    charge["balance_transaction"] = charges.settlement(call, charge)["id"]
    call.session.insert(charges.CHARGE, charge)
    intent["latest_charge"] = charge["id"]
    move(intent, "processing", STATES)
    _keep(call, intent, method, facts)
    call.session.save(kind, intent)
    emit(call, "charge.pending", charge)
    emit(call, "payment_intent.processing", intent)
    behaviour = behaviour_of(method)
    if behaviour.never_answers:
        return
    is_new = mandate is not None and mandate["status"] == "pending"
    days = facts.first_processing_days if is_new and facts.first_processing_days else facts.processing_days
    delay = days * call.settings.bank_day_seconds + (DELAY_SECONDS if behaviour.delayed else 0)
    call.later("debit.answer", delay, intent=intent["id"], charge=charge["id"])


def answer(call: Call, body: dict[str, Any]) -> None:
    """The bank's answer to a debit."""
    kind = call.kinds["payment_intent"]
    intent, charge = call.need(kind, body["intent"]), call.need(charges.CHARGE, body["charge"])
    if intent["status"] != "processing" or charge["status"] != "pending":
        return
    method = call.need(PAYMENT_METHOD, charge["payment_method"])
    behaviour = behaviour_of(method)
    if behaviour.failure is not None or behaviour.refuses_mandate:
        failure = behaviour.failure or MANDATE_REFUSED
        fail_debit(call, charge, failure)
        move(intent, "requires_payment_method", STATES)
        intent |= {"last_payment_error": _error(charge, method, failure), "payment_method": None}
        call.session.save(kind, intent)
        emit(call, "payment_intent.payment_failed", intent)
        return
    charge |= {"paid": True, "status": "succeeded", "receipt_url": charges.receipt_url(call, charge)}
    method_details.succeeded(charge)
    call.session.save(charges.CHARGE, charge)
    _end_single_use(call, charge)
    move(intent, "succeeded", STATES)
    intent["amount_received"] = intent["amount"]
    call.session.save(kind, intent)
    emit(call, "charge.succeeded", charge)
    emit(call, "payment_intent.succeeded", intent)
    if behaviour.disputed:
        rules = TYPES[method["type"]].dispute
        reason = rules.reason if rules else "general"
        call.later("dispute.open", call.settings.dispute_delay_seconds, charge=charge["id"], reason=reason)


def fail_debit(call: Call, charge: Row, failure: Failure) -> None:
    """A debit the bank refused, or that was called off: what the balance had been promised is taken back."""
    kind = charge["payment_method_details"]["type"]
    paid = fees.of_charge(call, kind, charge["amount"], charge["currency"])
    taken_back = balance_transactions.record(
        call,
        kind="payment_failure_refund",
        amount=-charge["amount"],
        currency=charge["currency"],
        source=charge["id"],
        fee=(0 if failure is CANCELED else fees.of_failure(call, kind, charge["currency"])) - paid,
        description=f"Payment failure refund for {charge['id']}",
    )
    charge |= {
        "amount_captured": 0,
        "captured": False,
        "failure_balance_transaction": taken_back["id"],
        "failure_code": failure.code,
        "failure_message": failure.message,
        "outcome": _outcome(failure),
        "paid": False,
        "status": "failed",
    }
    call.session.save(charges.CHARGE, charge)
    if failure.ends_mandate:
        mandates.end_of_charge(call, charge, failure.code)
    _end_single_use(call, charge)
    emit(call, "charge.failed", charge)


def _end_single_use(call: Call, charge: Row) -> None:
    details = charge["payment_method_details"][charge["payment_method_details"]["type"]]
    mandate = call.session.find(mandates.MANDATE, details.get("mandate") or "")
    if mandate is not None and mandate["type"] == "single_use" and mandate["status"] != "inactive":
        mandates.end(call, mandate)


def _pay_at_once(
    call: Call, kind: Kind, intent: Row, method: Row, facts: PaymentMethodType, mandate: Row | None
) -> None:
    """A method that pays on the spot: the customer has just approved, or did so when they saved it."""
    held = _is_held(intent, facts)
    charge = charges.blank(call, intent, method)
    charge |= {
        "amount_captured": 0 if held else intent["amount"],
        "captured": not held,
        "outcome": _outcome(None),
        "paid": True,
        "payment_method_details": method_details.of_charge(call, intent, method, mandate),
        "receipt_url": charges.receipt_url(call, charge),
        "status": "succeeded",
        "_refund": "pends" if facts.refund_days else "succeeds",
    }
    intent["latest_charge"] = charge["id"]
    saved_debits.keep_from_payment(call, intent, method, charge, future_use(intent, facts.name))
    if not held:
        charge["balance_transaction"] = charges.settlement(call, charge)["id"]
    call.session.insert(charges.CHARGE, charge)
    emit(call, "charge.succeeded", charge)
    _keep(call, intent, method, facts)
    if held:
        move(intent, "requires_capture", STATES)
        intent["amount_capturable"] = intent["amount"]
        call.session.save(kind, intent)
        emit(call, "payment_intent.amount_capturable_updated", intent)
        call.later("payment_intent.expire_hold", HOLD_SECONDS, intent=intent["id"])
        return
    move(intent, "succeeded", STATES)
    intent["amount_received"] = intent["amount"]
    call.session.save(kind, intent)
    emit(call, "payment_intent.succeeded", intent)


def _is_held(intent: Row, facts: PaymentMethodType) -> bool:
    own = (intent["payment_method_options"].get(facts.name) or {}).get("capture_method")
    return facts.holds and "manual" in (own, intent["capture_method"])


def _keep(call: Call, intent: Row, method: Row, facts: PaymentMethodType) -> None:
    """Save the method with its customer, or spend it."""
    use = future_use(intent, facts.name)
    if intent["customer"] and use and facts.saved_as == facts.name:
        keep_for(call, method, intent["customer"], set_up=use == "off_session")
    else:
        spend(call, method)


def approved(call: Call, kind: Kind, intent: Row, method: Row, *, succeeded: bool) -> None:
    """The customer is back from the method's page, and has approved or not."""
    if succeeded:
        saved_debits.identify(method)
        use, accepted = future_use(intent, method["type"]), intent.get("_accepted")
        if use and accepted and TYPES[method["type"]].saved_as == method["type"]:
            intent["_mandate"] = mandates.make(call, method, accepted, intent, many=True)["id"]
        pay(call, kind, intent, method)
        return
    charge = charges.blank(call, intent, method)
    error = authentication_failed(intent, method)
    charge |= {
        "failure_code": error["code"],
        "failure_message": error["message"],
        "outcome": _outcome(None) | {"network_status": "declined_by_network", "type": "issuer_declined"},
        "payment_method_details": method_details.of_charge(call, intent, method, None),
        "status": "failed",
    }
    call.session.insert(charges.CHARGE, charge)
    emit(call, "charge.failed", charge)
    move(intent, "requires_payment_method", STATES)
    intent |= {
        "last_payment_error": {**error, "charge": charge["id"]},
        "latest_charge": charge["id"],
        "next_action": None,
        "payment_method": None,
    }
    spend(call, method)
    call.session.save(kind, intent)
    emit(call, "payment_intent.payment_failed", intent)


def verified(call: Call, kind: Kind, intent: Row, problem: str | None) -> None:
    """The holder has told what was paid in: charge the account, or, with a `problem`, ask for another one."""
    method = call.need(PAYMENT_METHOD, intent["payment_method"])
    if problem is None:
        microdeposits.mark_verified(call, method)
        pay(call, kind, intent, method)
        return
    move(intent, "requires_payment_method", STATES)
    error = microdeposits.error(problem, method)
    intent |= {"last_payment_error": error, "next_action": None, "payment_method": None}
    call.session.save(kind, intent)
    emit(call, "payment_intent.payment_failed", intent)


def give_up(call: Call, charge: Row) -> None:
    """Its intent was canceled while the bank had not answered."""
    fail_debit(call, charge, CANCELED)


def _outcome(failure: Failure | None) -> Row:
    answer: Row = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "not_assessed",
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    if failure is None:
        return answer
    return answer | {
        "network_decline_code": failure.network_code,
        "network_status": "declined_by_network",
        "reason": failure.code,
        "seller_message": failure.message,
        "type": "issuer_declined",
    }


def _error(charge: Row, method: Row, failure: Failure) -> Row:
    code = failure.error_code or failure.code
    error: Row = {
        "charge": charge["id"],
        "code": code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": failure.message,
        "payment_method": public(copied(method)),
        "type": "invalid_request_error",
    }
    return error | ({"network_decline_code": failure.network_code} if failure.network_code else {})


EFFECTS = {"debit.answer": answer}
