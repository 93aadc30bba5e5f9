"""Jobs about payments."""

from portal import outbox
from portal.payments import service


@outbox.handles("payments.follow_up")
def follow_up(payment_id: str) -> None:
    service.follow_up(payment_id)
