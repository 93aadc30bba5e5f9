"""The states of a refund, and which may follow which.

Ours until Stripe knows of it, then Stripe's own. Source: Stripe, "Refund and cancel payments" and the API reference, "The Refund object".

    requested → approved_once → approved → executing → pending → succeeded
                                                    ↘ unknown     ↘ failed, also from succeeded

`approved_once` is half of a decision that needs four eyes. `unknown` means that Stripe's answer was lost and that neither its list nor a
second look at it has told: nothing is sent again before a person has decided. A succeeded refund can still fail, weeks later, when the
bank sends the money back.
"""

from typing import Final

REQUESTED: Final = "requested"
APPROVED_ONCE: Final = "approved_once"
APPROVED: Final = "approved"
REJECTED: Final = "rejected"
WITHDRAWN: Final = "withdrawn"
EXECUTING: Final = "executing"
UNKNOWN: Final = "unknown"
PENDING: Final = "pending"
REQUIRES_ACTION: Final = "requires_action"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
CANCELED: Final = "canceled"

# What may follow each state; a state of Stripe's may always be followed by itself.
FOLLOWS: Final[dict[str, frozenset[str]]] = {
    REQUESTED: frozenset({APPROVED_ONCE, APPROVED, REJECTED, WITHDRAWN}),
    APPROVED_ONCE: frozenset({REQUESTED, APPROVED, REJECTED, WITHDRAWN}),
    APPROVED: frozenset({EXECUTING, FAILED}),
    EXECUTING: frozenset({PENDING, REQUIRES_ACTION, SUCCEEDED, FAILED, CANCELED, UNKNOWN}),
    UNKNOWN: frozenset({EXECUTING, PENDING, REQUIRES_ACTION, SUCCEEDED, FAILED, CANCELED}),
    PENDING: frozenset({REQUIRES_ACTION, SUCCEEDED, FAILED, CANCELED}),
    REQUIRES_ACTION: frozenset({PENDING, SUCCEEDED, FAILED, CANCELED}),
    SUCCEEDED: frozenset({FAILED}),
    REJECTED: frozenset(),
    WITHDRAWN: frozenset(),
    FAILED: frozenset(),
    CANCELED: frozenset(),
}
STATES: Final = tuple(FOLLOWS)

# Nobody has decided yet: the customer may withdraw, staff may decide.
UNDECIDED: Final = frozenset({REQUESTED, APPROVED_ONCE})
# By our rows Stripe was never asked.
UNSENT: Final = UNDECIDED | {APPROVED}
# Stripe has been asked, or is about to be: the worker follows these to their end.
UNDER_WAY: Final = frozenset({APPROVED, EXECUTING, PENDING, REQUIRES_ACTION})
# Not at an end after the decision: followed by the worker, or by a person.
FOLLOWED: Final = UNDER_WAY | {UNKNOWN}
# Over, and the amount is free again for another refund.
FREED: Final = frozenset({REJECTED, WITHDRAWN, FAILED, CANCELED})
# The money did not reach the customer.
GONE_WRONG: Final = frozenset({FAILED, CANCELED})
# Stripe's own words for a refund.
OF_STRIPE: Final = frozenset({PENDING, REQUIRES_ACTION, SUCCEEDED, FAILED, CANCELED})


# Outside of the house nobody is told of halves of decisions.
_PUBLIC: Final = {APPROVED_ONCE: REQUESTED}


def public_status(state: str) -> str:
    """The state as the customer's systems know it."""
    return _PUBLIC.get(state, state)


def may_follow(before: str, after: str) -> bool:
    """Whether `after` may replace `before`. A state that nobody knows yet may come from Stripe at any time after the sending."""
    if after not in FOLLOWS:
        return before in {EXECUTING, UNKNOWN, PENDING, REQUIRES_ACTION} or before not in FOLLOWS
    if before not in FOLLOWS:
        return after in OF_STRIPE
    return after in FOLLOWS[before]
