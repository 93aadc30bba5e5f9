"""The statuses of a dispute, which are Stripe's own, and which may follow which.

Source: Stripe, "How disputes work" and the API reference, "The Dispute object".

    warning_needs_response → warning_under_review → warning_closed      an inquiry: the bank asks, and takes no money
                                          ↘ needs_response              it became a dispute
    needs_response → under_review → won | lost                          a dispute: the money is gone until it is won
    lost → appeal_needs_response → appeal_under_review → won | lost     where the bank hears us once more
    prevented                                                           settled before it became a dispute
"""

from enum import StrEnum
from typing import Final, assert_never

from portal.core.enums import Unknown


class DisputeStatus(StrEnum):
    WARNING_NEEDS_RESPONSE = "warning_needs_response"
    WARNING_UNDER_REVIEW = "warning_under_review"
    WARNING_CLOSED = "warning_closed"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    APPEAL_NEEDS_RESPONSE = "appeal_needs_response"
    APPEAL_UNDER_REVIEW = "appeal_under_review"
    WON = "won"
    LOST = "lost"
    PREVENTED = "prevented"


# Over. A status that nobody knows yet is not among them: it is stored, reported and followed like an open one.
FINAL: Final = frozenset({DisputeStatus.WON, DisputeStatus.LOST, DisputeStatus.WARNING_CLOSED, DisputeStatus.PREVENTED})
# The bank waits for our evidence.
ANSWERABLE: Final = frozenset(
    {DisputeStatus.WARNING_NEEDS_RESPONSE, DisputeStatus.NEEDS_RESPONSE, DisputeStatus.APPEAL_NEEDS_RESPONSE}
)
# The bank only asks; no money was taken.
INQUIRY: Final = frozenset(
    {DisputeStatus.WARNING_NEEDS_RESPONSE, DisputeStatus.WARNING_UNDER_REVIEW, DisputeStatus.WARNING_CLOSED}
)
APPEAL: Final = frozenset({DisputeStatus.APPEAL_NEEDS_RESPONSE, DisputeStatus.APPEAL_UNDER_REVIEW})


def may_follow(before: DisputeStatus | Unknown, after: DisputeStatus | Unknown) -> bool:
    """Whether Stripe's `after` may replace our `before`.

    Anything may follow an open status, for what lay between may have been missed. Final ones absorb, but for a lost dispute: an
    appeal may reopen it, or has won it before we heard of the appeal.
    """
    match before:
        case Unknown():
            return True
        case DisputeStatus.LOST:
            return after in APPEAL | {DisputeStatus.LOST, DisputeStatus.WON}
        case DisputeStatus.WON | DisputeStatus.WARNING_CLOSED | DisputeStatus.PREVENTED:
            return after == before
        case (
            DisputeStatus.WARNING_NEEDS_RESPONSE
            | DisputeStatus.WARNING_UNDER_REVIEW
            | DisputeStatus.NEEDS_RESPONSE
            | DisputeStatus.UNDER_REVIEW
            | DisputeStatus.APPEAL_NEEDS_RESPONSE
            | DisputeStatus.APPEAL_UNDER_REVIEW
        ):
            return True
        case _:
            assert_never(before)
