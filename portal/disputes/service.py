"""Hearing of disputes and fraud warnings, and looking after those that are not over."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from portal import gateway
from portal.core import clock, db
from portal.disputes import queries, states, warnings
from portal.disputes.settling import LOOK_EVERY_SECONDS, freeze, locked_payment, refresh
from portal.jobs import outbox

# Stripe returns the money of a won dispute within days; after this long somebody must ask for it.
MONEY_RETURNS_WITHIN: Final = timedelta(days=30)


def hear_of(stripe_dispute_id: str) -> bool:
    """Something happened to a dispute: learn what. Returns False when the charge is none of ours.

    A second call changes nothing. Raises MissingAtStripe when there is no such dispute, and the gateway's other errors.
    """
    return refresh(stripe_dispute_id) is not None


def hear_of_warning(stripe_warning_id: str) -> bool:
    """Likewise for an early fraud warning."""
    return warnings.hear_of(stripe_warning_id)


def follow_up(dispute_id: str) -> None:
    """Look at Stripe what has become of a dispute, whatever its webhooks did.

    Raises outbox.Later until it is over and, unless it is lost, its money has come back; and the gateway's errors. Nothing is done
    for one that staff must look at.
    """
    with db.reading() as session:
        stripe_dispute_id = queries.dispute(session, dispute_id).stripe_dispute_id
    found = refresh(stripe_dispute_id)
    with db.reading() as session:
        dispute = queries.dispute(session, dispute_id)
    if found is None or dispute.finding:
        return
    if dispute.closed_at is None:
        raise outbox.Later(LOOK_EVERY_SECONDS)
    if dispute.status == states.LOST or not _is_kept_back(found):
        return
    if clock.now() - dispute.closed_at < MONEY_RETURNS_WITHIN:
        raise outbox.Later(LOOK_EVERY_SECONDS)
    with db.transaction() as session:
        locked_payment(session, dispute.payment_id)
        freeze(
            session, queries.dispute(session, dispute_id), f"it is {dispute.status}, but the money has not come back"
        )


def _is_kept_back(found: gateway.Dispute) -> bool:
    """Whether more was withdrawn than has come back. Fees do not count: Stripe keeps some of them."""
    return sum(movement.amount.minor for movement in found.balance_transactions) < 0
