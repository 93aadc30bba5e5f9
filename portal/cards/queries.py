"""Reading saved cards; nothing here commits."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cards.models import SavedCard
from portal.errors import NotFound

# More than anyone keeps; the page shows no pager.
MOST_CARDS = 50


def of_customer(session: Session, customer_id: str) -> list[SavedCard]:
    """The cards a customer keeps, the default first, then the newest."""
    return list(
        session.execute(
            select(SavedCard)
            .where(SavedCard.customer_id == customer_id, SavedCard.removed_at.is_(None))
            .order_by(SavedCard.is_default.desc(), SavedCard.created_at.desc())
            .limit(MOST_CARDS)
        ).scalars()
    )


def for_customer(session: Session, card_id: str, customer_id: str) -> SavedCard:
    """One kept card of this customer. Raises NotFound, also for someone else's."""
    card = session.execute(
        select(SavedCard).where(
            SavedCard.id == card_id, SavedCard.customer_id == customer_id, SavedCard.removed_at.is_(None)
        )
    ).scalar_one_or_none()
    if card is None:
        raise NotFound
    return card
