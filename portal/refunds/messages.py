"""Why a refund did not go through, in words: for its customer, and for staff with what they can do.

Stripe's reasons and our own, by the code that stands in the row. Source: Stripe's API reference, "The Refund object", failure_reason.
"""

from __future__ import annotations

from typing import Final

from portal.content.language import date_text, translate
from portal.core.errors import N_
from portal.refunds import statuses
from portal.refunds.models import Refund, Resolution
from portal.refunds.statuses import RefundStatus

_CARD_IS_GONE: Final = N_("Your bank sent the money back, because the card is no longer valid.")
_DISPUTED: Final = N_(
    "This payment was disputed at the bank, so the money comes back to you that way if the bank decides so."
)
_WINDOW_OVER: Final = N_("The time within which payments by this method can be refunded is over.")
_SENT_BACK: Final = N_("The money could not be sent back to your payment method, or your bank returned it.")

FOR_CUSTOMERS: Final[dict[str, str]] = {
    "lost_or_stolen_card": _CARD_IS_GONE,
    "expired_or_canceled_card": _CARD_IS_GONE,
    "charge_disputed": _DISPUTED,
    "charge_for_pending_refund_disputed": _DISPUTED,
    "charge_already_refunded": N_("The payment had been refunded already."),
    "refund_window_of_method_over": _WINDOW_OVER,
}

# What is not here, a reason that Stripe has added since, is told as one that nobody gave.
FOR_STAFF: Final[dict[str, str]] = {
    "refund_window_of_method_over": _WINDOW_OVER,
    "lost_or_stolen_card": N_(
        "The card was reported lost or stolen, so the bank returned the money. Pay the customer another way."
    ),
    "expired_or_canceled_card": N_(
        "The card has expired or was canceled, so the bank returned the money. Pay the customer another way."
    ),
    "insufficient_funds": N_(
        "The balance at Stripe was too low. Send the refund again once there is enough money in it."
    ),
    "declined": N_(
        "The customer’s bank declined the refund. Send it again, or pay the customer another way if it fails again."
    ),
    "merchant_request": N_(
        "The refund was stopped at our own request. Send it again if the customer is to get the money."
    ),
    "charge_disputed": N_(
        "The payment is disputed, so it was not refunded: the customer would get the money twice. Wait for the dispute to be decided."
    ),
    "charge_for_pending_refund_disputed": N_(
        "The payment was disputed while the refund was pending. Wait for the dispute to be decided."
    ),
    "charge_already_refunded": N_(
        "The payment had been refunded in Stripe’s dashboard. Check whether anything is still owed."
    ),
    "charge_not_refundable": N_("Stripe no longer refunds this payment. Pay the customer another way."),
    "payment_not_succeeded": N_("The payment has not succeeded at Stripe, so there was nothing to refund."),
    "not_sent": N_("Staff found that the refund was never sent. Send it again if the customer is to get the money."),
    "canceled": N_("The refund was canceled at Stripe. Send it again if the customer is to get the money."),
}
_WITHOUT_REASON: Final = N_(
    "The bank returned the money and gave no reason. Send it again, or pay the customer another way if it fails again."
)
_BEING_CHECKED: Final = N_(
    "Our payment provider has not confirmed this refund. We are checking whether it was made and "
    "will e-mail you. You don’t need to do anything."
)


_PAID_OUTSIDE: Final = N_(
    "The money could not be refunded to your payment method, so we paid you another way on %(day)s. It may "
    "take some days to arrive."
)
_SENT_AGAIN: Final = N_("The money did not reach you. We are sending it again, as a new refund.")


def for_customer(refund: Refund, locale: str) -> str:
    """Why it did not go through, or why it takes long, in this language; empty where all is well."""
    if refund.status == RefundStatus.UNKNOWN:
        return translate(_BEING_CHECKED, locale)
    if refund.resolution == Resolution.PAID_OUTSIDE and refund.paid_outside_on is not None:
        return translate(_PAID_OUTSIDE, locale, day=date_text(refund.paid_outside_on, locale))
    if refund.resolution == Resolution.SENT_AGAIN:
        return translate(_SENT_AGAIN, locale)
    if refund.status in statuses.GONE_WRONG:
        return translate(FOR_CUSTOMERS.get(refund.failure_reason, _SENT_BACK), locale)
    return ""


def for_staff(refund: Refund, locale: str) -> str:
    """Why it failed and what to do, likewise; empty for one that has not failed."""
    if refund.status not in statuses.GONE_WRONG:
        return ""
    return translate(FOR_STAFF.get(refund.failure_reason, _WITHOUT_REASON), locale)
