"""What charges, set-up attempts, refunds and disputes say of the payment method, for every type beside the card.

Source: Stripe's API reference, `payment_method_details` of Charges, SetupAttempts and Disputes, and `destination_details` of Refunds.
"""

from __future__ import annotations

import datetime as dt
import secrets
from typing import TYPE_CHECKING

from portal.sandbox.kinds import Row
from portal.sandbox.resources.payment_method_types import TYPES

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

_OF_THE_METHOD = {
    "sepa_debit": ("bank_code", "branch_code", "country", "fingerprint", "last4"),
    "us_bank_account": ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number"),
    "bacs_debit": ("fingerprint", "last4", "sort_code"),
    "ideal": ("bank", "bic"),
    "eps": ("bank",),
    "p24": ("bank",),
}
_OF_A_TRANSFER: Row = {
    "generated_sepa_debit": None,
    "generated_sepa_debit_mandate": None,
    "iban_last4": "3000",
    "verified_name": "Jenny Rosen",
}
_OF_THE_CHARGE: dict[str, Row] = {
    "link": {"country": "US"},
    "us_bank_account": {"payment_reference": None},
    "ideal": {**_OF_A_TRANSFER, "transaction_id": None},
    "bancontact": {**_OF_A_TRANSFER, "bank_code": "VAPE", "bank_name": "VAN DE PUT & CO", "bic": "VAPEBE22"},
    "eps": {"verified_name": "Jenny Rosen"},
    "p24": {"reference": None, "verified_name": "Jenny Rosen"},
    "klarna": {
        "location": None,
        "payer_details": {"address": {"country": "DE"}},
        "payment_method_category": "pay_later",
        "preferred_locale": "en-US",
        "reader": None,
    },
    "paypal": {
        "country": "US",
        "payer_email": "payer@example.com",
        "payer_id": "SANDBOXPAYER",
        "payer_name": "Jenny Rosen",
        "seller_protection": {
            "dispute_categories": ["fraudulent", "product_not_received"],
            "status": "eligible",
        },
        "transaction_id": None,
    },
}
_REFERENCES = {"ideal": "transaction_id", "p24": "reference", "paypal": "transaction_id"}
_DEBITED_ON = frozenset({"sepa_debit", "us_bank_account", "bacs_debit"})
_WITH_MANDATE = _DEBITED_ON | {"twint"}


def of_charge(call: Call, intent: Row, method: Row, mandate: Row | None) -> Row:
    """`payment_method_details` of a charge."""
    kind = method["type"]
    details: Row = {name: method[kind].get(name) for name in _OF_THE_METHOD.get(kind, ())}
    details |= _OF_THE_CHARGE.get(kind, {})
    if kind in _WITH_MANDATE:
        details["mandate"] = mandate["id"] if mandate else None
    if kind in _DEBITED_ON:
        debited = dt.datetime.fromtimestamp(call.now, dt.UTC) + dt.timedelta(days=1)
        details["expected_debit_date"] = debited.date().isoformat()
    if kind in _REFERENCES:
        details[_REFERENCES[kind]] = secrets.token_hex(8).upper()
    if kind == "bancontact":
        details["preferred_language"] = (intent["payment_method_options"].get(kind) or {}).get(
            "preferred_language", "en"
        )
    return {kind: details, "type": kind}


def of_attempt(method: Row) -> Row:
    """`payment_method_details` of a set-up attempt."""
    kind = method["type"]
    details: Row = {}
    if TYPES[kind].saved_as == "sepa_debit" and TYPES[kind].redirects:
        details = {**_OF_A_TRANSFER, "bic": method[kind].get("bic")}
        details |= {"bank": method[kind].get("bank")} if kind == "ideal" else _BANCONTACT_BANK
    return {kind: details, "type": kind}


_BANCONTACT_BANK = {"bank_code": "VAPE", "bank_name": "VAN DE PUT & CO", "bic": "VAPEBE22", "preferred_language": "en"}


def of_refund(kind: str) -> Row | None:
    """`destination_details` of a refund: how the money goes back, and the reference that comes once it has gone. Link names none."""
    way = TYPES[kind].refunded_by
    if not way:
        return None
    referenced = way not in ("eps", "twint")
    return {way: {"reference": None, "reference_status": "pending"} if referenced else {}, "type": way}


def refund_arrived(refund: Row) -> Row:
    """What changes in a refund that has gone out: it has a reference by which the customer's bank finds it."""
    way = refund.get("destination_details")
    if way is None or way["type"] == "card" or "reference_status" not in way[way["type"]]:
        return {}
    reference = {"reference": secrets.token_hex(8).upper(), "reference_status": "available"}
    return {"destination_details": {**way, way["type"]: {**way[way["type"]], **reference}}}


def of_dispute(kind: str) -> Row | None:
    """`payment_method_details` of a dispute; bank debits have none."""
    details: dict[str, Row] = {
        "klarna": {"chargeback_loss_reason_code": None, "reason_code": "goods_not_received"},
        "paypal": {
            "case_id": f"PP-R-{secrets.token_hex(5).upper()}",
            "reason_code": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
        },
    }
    return {kind: details[kind], "type": kind} if kind in details else None


def succeeded(charge: Row) -> None:
    """What a charge learns when its bank has paid."""
    ach = charge["payment_method_details"].get("us_bank_account")
    if ach is not None:
        ach["payment_reference"] = f"0910000{secrets.randbelow(10**8):08d}"
