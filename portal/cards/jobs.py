"""Jobs about saved cards."""

from portal import outbox
from portal.cards import service


@outbox.handles("cards.remember")
def remember(payment_method_id: str) -> None:
    service.remember(payment_method_id)
