"""Every way in which a card is refused: what the bank, the network or Stripe says, as one table.

Sources: Stripe, "Decline codes", "Card declines" (advice codes) and "Error codes". The codes of the network are as Stripe's test
mode answers them (recorded at API version 2026-06-24.dahlia): its documentation names none for its test cards. Where the two
differ, what was recorded stands: an error in the card's data repeats its code as decline code, and a generic decline may be tried
again later.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True)
class Decline:
    """One refusal. `param` names the detail of the card that is wrong, where one is.

    `stopped_by` is the issuer, a rule of the account that stops a payment after the bank approved it, or Stripe before the bank is asked.
    """

    code: str
    message: str
    decline_code: str | None = None
    advice_code: Literal["try_again_later", "do_not_try_again", "confirm_card_data"] | None = None
    network_decline_code: str | None = None
    network_advice_code: str | None = None
    param: str | None = None
    stopped_by: Literal["issuer", "rule", "stripe"] = "issuer"

    @property
    def codes(self) -> dict[str, str]:
        """What an error says beside its code and its message; what nobody said is left out."""
        names = ("decline_code", "advice_code", "network_decline_code", "network_advice_code")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


DECLINED = "Your card was declined."

GENERIC = Decline("card_declined", DECLINED, "generic_decline", "try_again_later", "01")
INSUFFICIENT_FUNDS = Decline(
    "card_declined", "Your card has insufficient funds.", "insufficient_funds", "try_again_later", "51", "02"
)
LOST_CARD = Decline("card_declined", DECLINED, "lost_card", "do_not_try_again", "41", "01")
STOLEN_CARD = Decline("card_declined", DECLINED, "stolen_card", "do_not_try_again", "43", "01")
EXPIRED_CARD = Decline(
    "expired_card", "Your card has expired.", "expired_card", "confirm_card_data", "54", "03", "exp_month"
)
INCORRECT_CVC = Decline(
    "incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc", "confirm_card_data", "N7", "03", "cvc"
)
PROCESSING_ERROR = Decline(
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    "processing_error",
    "try_again_later",
    "06",
)
VELOCITY_EXCEEDED = Decline(
    "card_declined",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
    "card_velocity_exceeded",
    "try_again_later",
    "61",
    "02",
)
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)
MANDATE_CANCELED = Decline(
    "india_recurring_payment_mandate_canceled",
    "The provided mandate has been canceled by the card holder.",
)
"""Source: Stripe, "India recurring payments", and its error code of this name. The bank is not asked: there is no charge."""

FRAUDULENT = Decline("card_declined", DECLINED, "fraudulent", stopped_by="stripe")
LIVE_CARD_IN_TEST_MODE = Decline(
    "card_declined",
    "Your card was declined. Your request was in test mode, but used a non test (live) card. For a list of valid test cards, visit: "
    "https://stripe.com/docs/testing.",
    "test_mode_live_card",
    stopped_by="stripe",
)
FAILED_CVC_CHECK = Decline(
    "incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc", param="cvc", stopped_by="rule"
)
"""The account's rule "Block if CVC verification fails". Source: Stripe, "Radar rules", built-in rules."""
FAILED_POSTAL_CODE_CHECK = Decline(
    "incorrect_zip",
    "Your card could not be authorized using the postal code provided. Please update the postal code, or contact your card issuer for "
    "further details.",
    "incorrect_zip",
    param="address_zip",
    stopped_by="rule",
)
"""Likewise "Block if postal code verification fails"."""


def read(kept: dict[str, Any] | None) -> Decline | None:
    """The decline that `asdict` has made plain, so that it could wait in the store."""
    return (
        None if kept is None else Decline(**{one.name: kept[one.name] for one in fields(Decline) if one.name in kept})
    )
