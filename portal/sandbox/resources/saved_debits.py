"""What a payment or a set-up with iDEAL or Bancontact leaves behind: a SEPA debit of the same account, with its mandate.

Source: Stripe, "Save details for future payments with iDEAL", and the same of Bancontact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.kinds import Row
from portal.sandbox.resources import bank_accounts, mandates
from portal.sandbox.resources.payment_method_type_parameters import IDEAL_BANKS
from portal.sandbox.resources.payment_method_types import TYPES
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD, keep_for, new_method
from portal.sandbox.resources.testaccounts import BY_NUMBER, TestAccount

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

_ACCOUNT: TestAccount = BY_NUMBER["sepa_debit", "DE89370400440532013000"]


def identify(method: Row) -> None:
    """What a method knows of its holder once they have approved."""
    if method["type"] == "ideal":
        bank = method["ideal"]["bank"] or "ing"
        method["ideal"] = {"bank": bank, "bic": IDEAL_BANKS[bank]}
    if method["type"] == "paypal":
        method["paypal"] = {"country": "US", "payer_email": "payer@example.com", "payer_id": "SANDBOXPAYER"}


def keep_from_payment(call: Call, intent: Row, method: Row, charge: Row, use: str | None) -> None:
    """Leave the debit behind that the charge names as `generated_sepa_debit`, where one is to be kept."""
    if use is None or not intent["customer"] or not leaves_debit(method):
        return
    made = _keep(call, intent, method, {"charge": charge["id"], "setup_attempt": None})
    if made is not None:
        debit, mandate = made
        details = charge["payment_method_details"][method["type"]]
        details |= {"generated_sepa_debit": debit["id"], "generated_sepa_debit_mandate": mandate["id"]}


def keep_from_set_up(call: Call, intent: Row, method: Row, attempt: Row) -> Row | None:
    """The same for a set-up; returns the mandate."""
    made = _keep(call, intent, method, {"charge": None, "setup_attempt": attempt["id"]})
    if made is None:
        return None
    debit, mandate = made
    details = attempt["payment_method_details"][method["type"]]
    details |= {"generated_sepa_debit": debit["id"], "generated_sepa_debit_mandate": mandate["id"]}
    return mandate


def leaves_debit(method: Row) -> bool:
    facts = TYPES[method["type"]]
    return facts.redirects and facts.saved_as == "sepa_debit"


def _keep(call: Call, intent: Row, method: Row, generated_from: Row) -> tuple[Row, Row] | None:
    accepted = intent.get("_accepted")
    if accepted is None:
        return None
    details = bank_accounts.details_of(call, _ACCOUNT) | {"generated_from": generated_from}
    debit = new_method(
        call,
        details,
        _ACCOUNT.behaviour,
        {
            "type": "sepa_debit",
            "billing_details": method["billing_details"],
            "allow_redisplay": method["allow_redisplay"],
        },
    )
    call.session.insert(PAYMENT_METHOD, debit)
    mandate = mandates.make(call, debit, accepted, intent, many=True)
    if intent["customer"]:
        keep_for(call, debit, intent["customer"], set_up=True)
    return debit, mandate
