"""Step eight: every payout is the sum of the movements that it is made of.

Source: Stripe, "Payout reconciliation": only automatic payouts list what is in them, once they say that the list is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import or_, select, update

from portal import gateway
from portal.core import db
from portal.reconciliation.look import Draft, Look, Mark, batches
from portal.reconciliation.models import StripePayout, StripeTransaction

ROWS: Final = 200


def payouts(look: Look, after: str | None) -> Iterator[Mark]:
    """Eight: each payout is mirrored, and an automatic one equals the sum of its transactions once Stripe lists them all."""
    listed = gateway.current().list_payouts(created_from=look.since, created_to=look.until, after=after)
    for batch in batches(listed):
        for payout in batch:
            look.count("payouts")
            _hold_payout(look, payout)
        yield Mark(batch[-1].id, batch[-1].created)


def open_payouts(look: Look, _after: str | None) -> Iterator[Mark]:
    """Eight: those from before the span that are on their way, or not listed whole by Stripe yet; some hundred at most."""
    on_their_way = StripePayout.status.in_(("pending", "in_transit"))
    incomplete = StripePayout.automatic & StripePayout.sum_minor.is_(None) & (StripePayout.status == "paid")
    with db.reading() as session:
        query = select(StripePayout.id).where(or_(on_their_way, incomplete), StripePayout.created_at < look.since)
        ids = session.execute(query.order_by(StripePayout.created_at.desc()).limit(ROWS)).scalars().all()
    for payout_id in ids:
        try:
            _hold_payout(look, gateway.current().retrieve_payout(payout_id))
        except gateway.MissingAtStripe:
            look.note(Draft("payout_missing", payout_id, {"payout": payout_id}))
        yield Mark(payout_id)


def _hold_payout(look: Look, payout: gateway.Payout) -> None:
    total = _sum_of(look, payout) if payout.automatic and payout.is_complete else None
    if not look.dry:
        _keep(payout, total)
    if total is not None and total != payout.amount.minor:
        facts = {
            "payout": payout.id,
            "ours_minor": total,
            "stripe_minor": payout.amount.minor,
            "difference_minor": total - payout.amount.minor,
            "currency": payout.amount.currency,
        }
        look.note(Draft("payout_differs", payout.id, facts, None, payout.created))


def _sum_of(look: Look, payout: gateway.Payout) -> int:
    """Of all but the payout's own movement, in minor units; each is marked as paid out with it."""
    total = 0
    for batch in batches(gateway.current().list_transactions_of(payout.id)):
        parts = [movement for movement in batch if movement.source_id != payout.id]
        total += sum(movement.net.minor for movement in parts)
        if not look.dry:
            with db.transaction() as session:
                session.execute(
                    update(StripeTransaction)
                    .where(
                        StripeTransaction.id.in_([movement.id for movement in batch]),
                        or_(StripeTransaction.payout_id.is_(None), StripeTransaction.payout_id != payout.id),
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
