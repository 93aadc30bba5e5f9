"""The statuses of a refund, and which may follow which.

Ours until Stripe knows of it, then Stripe's own. Source: Stripe, "Refund and cancel payments" and the API reference, "The Refund object".

    requested → approved_once → approved → executing → pending → succeeded
                                                    ↘ unknown     ↘ failed, also from succeeded

`approved` at the desk can be undone for some seconds, and nothing is sent before they are over: it goes back to where it was.
`approved_once` is half of a decision that needs four eyes. `unknown` means that Stripe's answer was lost and that neither its list nor a
second look at it has told: nothing is sent again before a person has decided. A succeeded refund can still fail, weeks later, when the
bank sends the money back.
"""

from enum import StrEnum
from typing import Final, assert_never

from portal.core.enums import Unknown


class RefundStatus(StrEnum):
    REQUESTED = "requested"
    APPROVED_ONCE = "approved_once"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXECUTING = "executing"
    UNKNOWN = "unknown"
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


# Nobody has decided yet: the customer may withdraw, staff may decide.
UNDECIDED: Final = frozenset({RefundStatus.REQUESTED, RefundStatus.APPROVED_ONCE})
# By our rows Stripe was never asked.
UNSENT: Final = UNDECIDED | {RefundStatus.APPROVED}
# Stripe has been asked, or is about to be: the worker follows these to their end.
UNDER_WAY: Final = frozenset(
    {RefundStatus.APPROVED, RefundStatus.EXECUTING, RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION}
)
# Not at an end after the decision: followed by the worker, or by a person.
FOLLOWED: Final = UNDER_WAY | {RefundStatus.UNKNOWN}
# The money did not reach the customer.
GONE_WRONG: Final = frozenset({RefundStatus.FAILED, RefundStatus.CANCELED})
# Over, and the amount is free again for another refund.
FREED: Final = GONE_WRONG | {RefundStatus.REJECTED, RefundStatus.WITHDRAWN}
# Stripe's own words for a refund.
OF_STRIPE: Final = GONE_WRONG | {RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION, RefundStatus.SUCCEEDED}
_AT_STRIPE: Final = frozenset(
    {RefundStatus.EXECUTING, RefundStatus.UNKNOWN, RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION}
)


def known(status: RefundStatus | Unknown) -> RefundStatus:
    """The status as apps know it: a word that Stripe has invented since is `unknown`."""
    return RefundStatus.UNKNOWN if isinstance(status, Unknown) else status


def public_status(status: RefundStatus | Unknown) -> RefundStatus:
    """The status as the customer's systems know it: outside of the house nobody is told of halves of decisions."""
    return RefundStatus.REQUESTED if status == RefundStatus.APPROVED_ONCE else known(status)


def may_follow(before: RefundStatus | Unknown, after: RefundStatus | Unknown) -> bool:
    """Whether `after` may replace `before`. A status that nobody knows yet may come from Stripe at any time after the sending, and
    whatever Stripe says may follow it.
    """
    if isinstance(before, Unknown):
        return isinstance(after, Unknown) or after in OF_STRIPE
    if isinstance(after, Unknown):
        return before in _AT_STRIPE
    return after in followers(before)


def followers(status: RefundStatus) -> frozenset[RefundStatus]:
    """What may follow a status; a status of Stripe's may always be followed by itself."""
    match status:
        case RefundStatus.REQUESTED:
            return frozenset(
                {RefundStatus.APPROVED_ONCE, RefundStatus.APPROVED, RefundStatus.REJECTED, RefundStatus.WITHDRAWN}
            )
        case RefundStatus.APPROVED_ONCE:
            return frozenset(
                {RefundStatus.REQUESTED, RefundStatus.APPROVED, RefundStatus.REJECTED, RefundStatus.WITHDRAWN}
            )
        case RefundStatus.APPROVED:
            undone = {RefundStatus.REQUESTED, RefundStatus.APPROVED_ONCE}
            return frozenset({RefundStatus.EXECUTING, RefundStatus.FAILED} | undone)
        case RefundStatus.EXECUTING:
            return OF_STRIPE | {RefundStatus.UNKNOWN}
        case RefundStatus.UNKNOWN:
            return OF_STRIPE | {RefundStatus.EXECUTING}
        case RefundStatus.PENDING | RefundStatus.REQUIRES_ACTION:
            return OF_STRIPE - {status}
        case RefundStatus.SUCCEEDED:
            return frozenset({RefundStatus.FAILED})
        case RefundStatus.REJECTED | RefundStatus.WITHDRAWN | RefundStatus.FAILED | RefundStatus.CANCELED:
            return frozenset()
        case _:
            assert_never(status)
