"""Step eight: every payout is the sum of the movements that it is made of.

Source: Stripe, "Payout reconciliation": only automatic payouts list what is in them, once they say that the list is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import or_, select, update

from portal import gateway
from portal.core import db
from portal.reconciliation.models import StripePayout, StripeTransaction
from portal.reconciliation.run import Checkpoint, DiscrepancyDraft, Run, batches

ROWS: Final = 200


def payouts(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """Eight: each payout is mirrored, and an automatic one equals the sum of its transactions once Stripe lists them all."""
    listed = gateway.current().list_payouts(created_from=run.since, created_to=run.until, after=after)
    for batch in batches(listed):
        for payout in batch:
            run.count("payouts")
            _hold_payout(run, payout)
        yield Checkpoint(batch[-1].id, batch[-1].created)


def open_payouts(run: Run, _after: str | None) -> Iterator[Checkpoint]:
    """Eight: those from before the span that are on their way, or not listed whole by Stripe yet; some hundred at most."""
    on_their_way = StripePayout.status.in_(("pending", "in_transit"))
    incomplete = StripePayout.automatic & StripePayout.sum_minor.is_(None) & (StripePayout.status == "paid")
    with db.reading() as session:
        query = select(StripePayout.id).where(or_(on_their_way, incomplete), StripePayout.created_at < run.since)
        ids = session.execute(query.order_by(StripePayout.created_at.desc()).limit(ROWS)).scalars().all()
    for payout_id in ids:
        try:
            _hold_payout(run, gateway.current().retrieve_payout(payout_id))
        except gateway.MissingAtStripe:
            run.record(DiscrepancyDraft("payout_missing", payout_id, {"payout": payout_id}))
        yield Checkpoint(payout_id)


def _hold_payout(run: Run, payout: gateway.Payout) -> None:
    total = _sum_of(run, payout) if payout.automatic and payout.is_complete else None
    if not run.dry:
        _keep(payout, total)
    if total is not None and total != payout.amount.minor:
        facts = {
            "payout": payout.id,
            "ours_minor": total,
            "stripe_minor": payout.amount.minor,
            "difference_minor": total - payout.amount.minor,
            "currency": payout.amount.currency,
        }
        run.record(DiscrepancyDraft("payout_differs", payout.id, facts, None, payout.created))


def _sum_of(run: Run, payout: gateway.Payout) -> int:
    """Of all but the payout's own movement, in minor units; each is marked as paid out with it."""
    total = 0
    for batch in batches(gateway.current().list_transactions_of(payout.id)):
        parts = [movement for movement in batch if movement.source_id != payout.id]
        total += sum(movement.net.minor for movement in parts)
        if not run.dry:
            with db.transaction() as session:
                session.execute(
                    update(StripeTransaction)
                    .where(
                        StripeTransaction.id.in_([movement.id for movement in batch]),
                        StripeTransaction.payout_id.is_distinct_from(payout.id),
                    )
                    .values(payout_id=payout.id)
                )
    return total


def _keep(payout: gateway.Payout, total: int | None) -> None:
    with db.transaction() as session:
        row = session.get(StripePayout, payout.id)
        if row is None:
            row = StripePayout(id=payout.id)
            session.add(row)
        row.status, row.automatic = payout.status, payout.automatic
        row.amount_minor, row.currency = payout.amount.minor, payout.amount.currency
        row.created_at, row.arrives_at = payout.created, payout.arrives
        row.bank_reference, row.failure = payout.bank_reference, payout.failure
        if total is not None:
            row.sum_minor = total
