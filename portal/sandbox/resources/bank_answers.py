"""What the bank and the network said of a charge: its outcome, the card as it was used, and how 3-D Secure went."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from portal.sandbox.kinds import Row, copied
from portal.sandbox.resources.cards import behaviour_of, checked
from portal.sandbox.resources.declines import Decline

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

CAPTURE_WINDOW_SECONDS = 7 * 24 * 3600
"""How long an authorisation holds. Source: Stripe, "Place a hold on a payment method"."""


def statement_descriptor(call: Call) -> str:
    """The account's own words on statements."""
    return call.settings.statement_descriptor or call.settings.business_name.upper()


def descriptor(call: Call, intent: Row) -> str:
    suffix = intent["statement_descriptor_suffix"]
    base = statement_descriptor(call)
    return f"{base}* {suffix}"[:22] if suffix else (intent["statement_descriptor"] or base)[:22]


def outcome(method: Row, decline: Decline | None) -> Row:
    behaviour = behaviour_of(method)
    score = {"normal": 20, "elevated": 66, "highest": 90}[behaviour.risk]
    answer: Row = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": behaviour.risk,
        "risk_score": score,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    if decline is None:
        if behaviour.risk == "elevated":
            answer |= {
                "type": "manual_review",
                "reason": "elevated_risk_level",
                "seller_message": "Stripe evaluated this payment as having elevated risk, and placed it in your manual review queue.",
            }
        return answer
    if decline.stopped_by == "stripe":
        return answer | {
            "network_status": "not_sent_to_network",
            "reason": "highest_risk_level",
            "seller_message": "Stripe blocked this payment as too risky.",
            "type": "blocked",
        }
    if decline.stopped_by == "rule":
        return answer | {
            "network_status": "reversed_after_approval",
            "reason": "rule",
            "seller_message": "A rule of your account blocked this payment.",
            "type": "blocked",
        }
    reason = decline.decline_code or decline.code
    told = reason != "generic_decline"
    return answer | {
        "advice_code": decline.advice_code,
        "network_advice_code": decline.network_advice_code,
        "network_decline_code": decline.network_decline_code,
        "network_status": "declined_by_network",
        "reason": reason,
        "seller_message": f"The bank returned the decline code `{reason}`."
        if told
        else "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }


def may_grow(intent: Row) -> bool:
    """Whether the request asked for a hold that can be raised."""
    card = intent["payment_method_options"].get("card") or {}
    return card.get("request_incremental_authorization") == "if_available"


def card_details(call: Call, intent: Row, method: Row, *, held: bool, declined: bool, authenticated: str | None) -> Row:
    card = method["card"]
    details: Row = {
        "amount_authorized": intent["amount"],
        "authorization_code": "123456",
        "brand": card["brand"],
        "capture_before": call.now + CAPTURE_WINDOW_SECONDS if held else None,
        "checks": checked(method, cvc_given=intent.get("_cvc_given", False)),
        "country": card["country"],
        "exp_month": card["exp_month"],
        "exp_year": card["exp_year"],
        "extended_authorization": {"status": "disabled"},
        "fingerprint": card["fingerprint"],
        "funding": card["funding"],
        "incremental_authorization": {"status": "available" if held and may_grow(intent) else "unavailable"},
        "installments": None,
        "last4": card["last4"],
        "mandate": intent.get("_mandate"),
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        # What the network knows the payment by; a declined one has none.
        # No network's cards begin with a 1: whoever looks for card numbers must not find one here.
        "network_transaction_id": None if declined else f"1{secrets.randbelow(10**14):014}",
        "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
        "regulated_status": card["regulated_status"],
        "three_d_secure": three_d_secure_result(authenticated),
        "wallet": copied(card["wallet"]) if card["wallet"] else None,
    }
    if not held:
        del details["capture_before"]
    return details


def three_d_secure_result(authenticated: str | None) -> Row | None:
    if authenticated is None:
        return None
    return {
        "authentication_flow": authenticated,
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "exemption_indicator_applied": False,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": "00000000-0000-4000-8000-000000000000",
        "version": "2.2.0",
    }
