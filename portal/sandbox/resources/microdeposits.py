"""Microdeposits: a US bank account typed in by hand is verified by what Stripe pays into it and its holder reads off the statement.

Source: Stripe, "Verify bank accounts with microdeposits", and "Testing" for the amounts and codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.errors import StripeError, invalid, wrong_state
from portal.sandbox.kinds import Kind, Row, copied, public
from portal.sandbox.params import Integer, ListOf, Parameters, Text
from portal.sandbox.resources.bank_accounts import behaviour_of
from portal.sandbox.resources.intents import CLIENT_FIELDS
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD
from portal.sandbox.resources.testaccounts import DESCRIPTOR_CODE, MICRODEPOSIT_AMOUNTS, TIMED_OUT, TOO_MANY_ATTEMPTS

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

MOST_ATTEMPTS = 10
PARAMETERS = Parameters(
    {"amounts": ListOf(Integer(), most=2), "descriptor_code": Text(clearable=False), **CLIENT_FIELDS}
)


def needed(method: Row) -> bool:
    """Whether an account still has to be verified; one that was linked in the bank's own window is from the start."""
    return not (method.get("_verified") or method["us_bank_account"]["financial_connections_account"])


def mark_verified(call: Call, method: Row) -> None:
    method["_verified"] = True
    call.session.save(PAYMENT_METHOD, method)


def error(code: str, method: Row) -> Row:
    """The intent's error after a verification that is over."""
    return {
        "code": code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": "The bank account could not be verified. Please provide a new payment method.",
        "payment_method": public(copied(method)),
        "type": "invalid_request_error",
    }


def begin(call: Call, intent: Row, method: Row) -> Row:
    """Send the deposit: the intent's `next_action`. Raises where the request wants an account verified at once."""
    options = intent["payment_method_options"].get("us_bank_account") or {}
    if options.get("verification_method") == "instant":
        raise wrong_state(
            "The bank account must be verified instantly, but its details were typed in by hand. Use "
            "`verification_method` `automatic` or `microdeposits` to verify it with microdeposits.",
            intent,
        )
    if behaviour_of(method).microdeposits_fail:
        raise StripeError(
            "Microdeposit verification failed: the deposits could not be sent to this account.",
            code="payment_method_microdeposit_failed",
        )
    intent["_attempts"] = 0
    return {
        "type": "verify_with_microdeposits",
        "verify_with_microdeposits": {
            "arrival_date": int(call.now + call.settings.bank_day_seconds),
            "hosted_verification_url": f"{call.base_url or 'http://127.0.0.1'}/_sandbox/objects/{intent['id']}",
            "microdeposit_type": "descriptor_code",
        },
    }


def check(call: Call, kind: Kind, intent: Row) -> str | None:
    """What the holder read: None when it is right, else the code of an error that ends the verification.

    Raises for values that are merely wrong, of which ten are borne.
    """
    action = intent["next_action"]
    if intent["status"] != "requires_action" or not action or action["type"] != "verify_with_microdeposits":
        raise wrong_state(
            f"This intent cannot be verified with microdeposits because it has a status of {intent['status']}.", intent
        )
    amounts, code = call.params.get("amounts"), call.params.get("descriptor_code")
    if (amounts is None) == (code is None):
        raise invalid("You must provide either `amounts` or `descriptor_code`.", "amounts")
    given = tuple(sorted(amounts)) if amounts is not None else str(code).upper()
    if given in (MICRODEPOSIT_AMOUNTS, DESCRIPTOR_CODE):
        return None
    intent["_attempts"] += 1
    call.session.save(kind, intent)
    if given in TOO_MANY_ATTEMPTS or intent["_attempts"] >= MOST_ATTEMPTS:
        return "payment_method_microdeposit_verification_attempts_exceeded"
    if given in TIMED_OUT:
        return "payment_method_microdeposit_verification_timeout"
    wrong = "amounts" if amounts is not None else "descriptor_code"
    mismatch = "amounts_mismatch" if amounts is not None else "descriptor_code_mismatch"
    raise StripeError(
        "The microdeposit values provided do not match what was sent to the bank account.",
        code=f"payment_method_microdeposit_verification_{mismatch}",
        param=wrong,
        effects_stay=True,
    )
