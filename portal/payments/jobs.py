"""Jobs about payments."""

from portal.core import metrics
from portal.jobs import outbox
from portal.payment_methods import service as cards
from portal.payments import confirming, service


@outbox.handles("payments.follow_up")
def follow_up(payment_id: str) -> None:
    service.follow_up(payment_id)


@outbox.handles("payments.finish_confirmation")
def finish_confirmation(confirmation_id: str) -> None:
    """Left by whoever began to charge a card; does nothing when they finished it themselves."""
    try:
        confirming.finish(confirmation_id)
    except (confirming.CardGone, cards.UnknownCard):
        return


@outbox.handles("payments.cancel_pending")
def cancel_pending(customer_id: str, lost: str) -> None:
    """Left by the transaction that noted the loss of a customer at Stripe."""
    service.cancel_pending(customer_id, lost)


@outbox.handles("payments.requeue_lost_jobs", every_seconds=60)
def requeue_lost_jobs() -> None:
    metrics.STARTED_OVER.labels("payments").inc(service.requeue_lost_jobs())
