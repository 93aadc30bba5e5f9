"""Disputes and fraud warnings, as jobs and other features use them, and looking after those that are not over."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from portal import gateway, stripe_sync
from portal.core import clock, db
from portal.core.synced_rows import hold_for_review
from portal.disputes import queries
from portal.disputes.settling import CHECK_EVERY_SECONDS, KIND, sync_dispute
from portal.disputes.statuses import DisputeStatus
from portal.disputes.warnings import sync_warning
from portal.jobs import outbox

__all__ = ["follow_up", "sync_dispute", "sync_warning"]

# Stripe returns the money of a won dispute within days; after this long somebody must ask for it.
MONEY_RETURNS_WITHIN: Final = timedelta(days=30)


def follow_up(dispute_id: str) -> None:
    """Look at Stripe what has become of a dispute, whatever its webhooks did.

    Raises outbox.Reschedule until it is over and, unless it is lost, its money has come back; and the gateway's errors. Nothing is done
    for one that staff must look at.
    """
    with db.reading() as session:
        stripe_dispute_id = queries.dispute(session, dispute_id).stripe_dispute_id
    found = sync_dispute(stripe_dispute_id)
    with db.reading() as session:
        dispute = queries.dispute(session, dispute_id)
    if found is None or dispute.review_reason:
        return
    if dispute.closed_at is None:
        raise outbox.Reschedule(CHECK_EVERY_SECONDS)
    if dispute.status == DisputeStatus.LOST or not _is_kept_back(found):
        return
    if clock.now() - dispute.closed_at < MONEY_RETURNS_WITHIN:
        raise outbox.Reschedule(CHECK_EVERY_SECONDS)
    with db.transaction() as session:
        locked = stripe_sync.locked(KIND, session, dispute_id)
        hold_for_review(session, locked, f"it is {locked.status}, but the money has not come back")


def _is_kept_back(found: gateway.Dispute) -> bool:
    """Whether more was withdrawn than has come back. Fees do not count: Stripe keeps some of them."""
    return sum(movement.amount.minor for movement in found.balance_transactions) < 0
