"""Stripe's failures in our own words, once: exceptions into the tree of portal.core.errors, codes into advice for a customer.

Source: Stripe, "Error codes", "Decline codes" and "Error handling". Codes that hint at fraud (lost_card, stolen_card, fraudulent,
pickup_card …) are told to the customer as a plain decline, as Stripe asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from portal.core.errors import N_, Declined, Invalid, PortalError, RateLimited, Unavailable
from portal.gateway.contract import (
    Busy,
    IdempotencyMisuse,
    KeptFailure,
    KeyInUse,
    Misconfigured,
    MissingAtStripe,
    NotRefundable,
    RefusedParameter,
    UnexpectedState,
)

if TYPE_CHECKING:
    from stripe import StripeError

GENERIC: Final = N_(
    "Your bank declined this card without giving a reason. Please use another card, or ask your bank to allow the payment."
)

# What happened, and what to do next. A decline code is looked up before the error code, being the finer one.
ADVICE: Final[dict[str, str]] = {
    "card_declined": GENERIC,
    "insufficient_funds": N_("There is not enough money on this card. Please use another card, or try again later."),
    "expired_card": N_("This card has expired. Please use another card."),
    "incorrect_cvc": N_(
        "The security code (CVC) is incorrect. Please check the three or four digits on your card and try again."
    ),
    "invalid_cvc": N_(
        "The security code (CVC) is incorrect. Please check the three or four digits on your card and try again."
    ),
    "incorrect_number": N_("The card number is incorrect. Please check it and try again."),
    "invalid_number": N_("The card number is incorrect. Please check it and try again."),
    "invalid_expiry_month": N_("The expiry date is incorrect. Please check it and try again."),
    "invalid_expiry_year": N_("The expiry date is incorrect. Please check it and try again."),
    "incorrect_zip": N_("The postal code does not belong to this card. Please check it and try again."),
    "processing_error": N_(
        "You were not charged. Your bank could not process the payment. Please try again in a few "
        "minutes, or use another card."
    ),
    "payment_intent_authentication_failure": N_(
        "You were not charged. Your bank could not confirm that it is you. Please try again and follow "
        "your bank’s steps, or use another card."
    ),
    "setup_intent_authentication_failure": N_(
        "Your bank could not confirm that it is you. Please try again and follow your bank’s steps, or "
        "use another card."
    ),
    "authentication_required": N_(
        "Your bank asks you to confirm this payment. Please try again and follow your bank’s steps."
    ),
    "card_velocity_exceeded": N_(
        "This card has reached its payment limit. Please use another card, or try again later."
    ),
    "withdrawal_count_limit_exceeded": N_(
        "This card has reached its payment limit. Please use another card, or try again later."
    ),
    "rate_limit": N_("You were not charged. Too many attempts in a short time: please wait a minute and try again."),
    "card_not_supported": N_("This card cannot be used for this kind of payment. Please use another card."),
    "currency_not_supported": N_("This card cannot pay in this currency. Please use another card."),
    "try_again_later": N_(
        "Your bank could not answer just now. Please try again in a few minutes, or use another card."
    ),
    "issuer_not_available": N_(
        "Your bank could not be reached just now. Please try again in a few minutes, or use another card."
    ),
    "testmode_decline": N_("This is a test card. Please use a real one."),
}

GENERIC_OF_DEBITS: Final = N_(
    "The bank did not carry out the direct debit and gave no reason. Please pay in another way, or ask your bank before you try again."
)
_NO_ACCOUNT: Final = N_(
    "The bank account does not exist or is closed. Please use another account, or pay in another way."
)
_NOT_ALLOWED: Final = N_(
    "The bank account does not allow this direct debit. Please ask your bank, use another account, or pay in another way."
)
_TOO_MUCH: Final = N_("The amount is above the limit for direct debits of this account. Please pay in another way.")

# The same of direct debits. Source: Stripe, "Error codes" and its pages on SEPA, ACH and Bacs Direct Debit (failure codes).
OF_DEBITS: Final[dict[str, str]] = {
    "insufficient_funds": N_(
        "There was not enough money in the bank account. Please pay again once there is, or pay in another way."
    ),
    "account_closed": _NO_ACCOUNT,
    "no_account": _NO_ACCOUNT,
    "invalid_account_number": _NO_ACCOUNT,
    "incorrect_account_holder_name": _NO_ACCOUNT,
    "bank_account_restricted": _NOT_ALLOWED,
    "debit_not_authorized": _NOT_ALLOWED,
    "bank_ownership_changed": _NOT_ALLOWED,
    "recipient_deceased": _NOT_ALLOWED,
    "charge_exceeds_source_limit": _TOO_MUCH,
    "charge_exceeds_weekly_limit": _TOO_MUCH,
    "charge_exceeds_transaction_limit": _TOO_MUCH,
    "generic_could_not_process": GENERIC_OF_DEBITS,
    "payment_intent_payment_attempt_failed": GENERIC_OF_DEBITS,
}

# There was not enough money: it may be tried again later.
LACKS_MONEY: Final = "insufficient_funds"

# The bank wants a code, or another one: a saved card can be tried again with it.
CODE_REFUSALS: Final = frozenset({"incorrect_cvc", "invalid_cvc"})


# The bank will say no to this card again, however often it is asked, and asking has its price.
# Source: Stripe, "Automate payment retries" (hard decline codes) and "Decline codes".
FINAL_DECLINES: Final = frozenset(
    {
        "expired_card",
        "highest_risk_level",
        "incorrect_number",
        "invalid_account",
        "lost_card",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "stop_payment_order",
        "transaction_not_allowed",
    }
)


# What a bank, or its network, would have done next. Source: Stripe, "Card declines", advice codes.
DO_NOT_TRY_AGAIN: Final = "do_not_try_again"
CONFIRM_CARD_DATA: Final = "confirm_card_data"


def is_final(code: str, decline_code: str = "", advice_code: str = "") -> bool:
    """Whether a decline is one after which this card need not be tried again."""
    return advice_code == DO_NOT_TRY_AGAIN or bool(FINAL_DECLINES & {code, decline_code})


def wants_card_data(advice_code: str) -> bool:
    """Whether the bank takes the card for wrongly written: as long as its data stays as it is, no try of it succeeds."""
    return advice_code == CONFIRM_CARD_DATA


def advice(code: str, decline_code: str = "", *, debit: bool = False) -> str:
    """What to tell the customer about a failure, of a card or of a direct debit, in English as it stands in the catalogues; never empty."""
    if debit:
        return OF_DEBITS.get(decline_code) or OF_DEBITS.get(code) or GENERIC_OF_DEBITS
    return ADVICE.get(decline_code) or ADVICE.get(code) or GENERIC


def shown_codes(code: str, decline_code: str = "") -> tuple[str, str]:
    """The codes that a customer's app may see: a decline that hints at fraud is the plain one. Source: Stripe, "Decline codes"."""
    known = ADVICE.keys() | OF_DEBITS.keys()
    return code if code in known else "card_declined", decline_code if decline_code in known else ""


def translated(error: StripeError) -> PortalError:
    """Stripe's exception as one of ours; the caller raises it `from` the original, which goes to the log.

    HTTP 409 comes as an APIError, not an IdempotencyError: Stripe is still busy with the same key (KeyInUse). That it is busy with the
    object comes as a RateLimitError, though nobody has asked too often.
    """
    import stripe

    code = error.code or getattr(error.error, "code", None) or ""  # an APIError has it in its body alone
    if isinstance(error, stripe.CardError):
        decline = str(getattr(error.error, "decline_code", "") or "")
        return Declined(advice(code, decline), code=code or "card_declined", decline_code=decline or None)
    if _is_busy(code, error):
        return Busy()
    if isinstance(error, stripe.RateLimitError):
        return RateLimited(ADVICE["rate_limit"], retry_after=5)
    if isinstance(error, stripe.IdempotencyError):
        return IdempotencyMisuse()
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return Misconfigured()
    if isinstance(error, stripe.InvalidRequestError):
        return _refused(code, error)
    if code == "idempotency_key_in_use":
        return KeyInUse()
    if (error.http_status or 0) >= 500 and (error.headers or {}).get("idempotent-replayed") == "true":
        return KeptFailure()
    return Unavailable()


def _is_busy(code: str, error: StripeError) -> bool:
    """Whether another request holds the object at this moment. Source: Stripe, "Rate limits" (object lock timeouts)."""
    asks_to_retry = error.http_status == 429 and (error.headers or {}).get("stripe-should-retry") == "true"
    return code == "lock_timeout" or asks_to_retry


def _refused(code: str, error: StripeError) -> PortalError:
    if code == "resource_missing":
        return MissingAtStripe()
    if code in {"payment_intent_unexpected_state", "setup_intent_unexpected_state", "resource_already_exists"}:
        return UnexpectedState()
    if code in {"charge_disputed", "charge_already_refunded", "charge_not_refundable"}:
        return NotRefundable(code=code)
    if code in {"amount_too_small", "amount_too_large"}:
        return Invalid(N_("This amount cannot be paid by card."), field="amount", code=code)
    if error.http_status == 409:
        return Unavailable()
    parameter = getattr(error, "param", None)
    return RefusedParameter(str(parameter)) if parameter else Misconfigured()
