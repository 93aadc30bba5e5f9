"""The statuses of a dispute, which are Stripe's own, and which may follow which.

Source: Stripe, "How disputes work" and the API reference, "The Dispute object".

    warning_needs_response → warning_under_review → warning_closed      an inquiry: the bank asks, and takes no money
                                          ↘ needs_response              it became a dispute
    needs_response → under_review → won | lost                          a dispute: the money is gone until it is won
    lost → appeal_needs_response → appeal_under_review → won | lost     where the bank hears us once more
    prevented                                                           settled before it became a dispute
"""

from typing import Final

WARNING_NEEDS_RESPONSE: Final = "warning_needs_response"
WARNING_UNDER_REVIEW: Final = "warning_under_review"
WARNING_CLOSED: Final = "warning_closed"
NEEDS_RESPONSE: Final = "needs_response"
UNDER_REVIEW: Final = "under_review"
APPEAL_NEEDS_RESPONSE: Final = "appeal_needs_response"
APPEAL_UNDER_REVIEW: Final = "appeal_under_review"
WON: Final = "won"
LOST: Final = "lost"
PREVENTED: Final = "prevented"

# Over. A status that nobody knows yet is not among them: it is stored, reported and followed like an open one.
FINAL: Final = frozenset({WON, LOST, WARNING_CLOSED, PREVENTED})
# The bank waits for our evidence.
ANSWERABLE: Final = frozenset({WARNING_NEEDS_RESPONSE, NEEDS_RESPONSE, APPEAL_NEEDS_RESPONSE})
# The bank only asks; no money was taken.
INQUIRY: Final = frozenset({WARNING_NEEDS_RESPONSE, WARNING_UNDER_REVIEW, WARNING_CLOSED})
APPEAL: Final = frozenset({APPEAL_NEEDS_RESPONSE, APPEAL_UNDER_REVIEW})
KNOWN: Final = FINAL | ANSWERABLE | INQUIRY | APPEAL | {UNDER_REVIEW}


def may_follow(before: str, after: str) -> bool:
    """Whether Stripe's `after` may replace our `before`.

    Anything may follow an open status, for what lay between may have been missed. Final ones absorb, but for a lost dispute: an
    appeal may reopen it, or has won it before we heard of the appeal.
    """
    if before == LOST:
        return after in APPEAL | {LOST, WON}
    return before not in FINAL or after == before
