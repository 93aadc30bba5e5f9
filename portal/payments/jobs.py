"""Jobs about payments."""

from portal import outbox
from portal.payments import service


@outbox.handles("payments.follow_up")
def follow_up(payment_id: str) -> None:
    service.follow_up(payment_id)


@outbox.handles("payments.call_off_waiting")
def call_off_waiting(customer_id: str) -> None:
    """Left by the transaction that noted the loss of a customer at Stripe."""
    service.call_off_waiting(customer_id)
