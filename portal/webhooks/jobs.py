"""Jobs about events."""

from portal import outbox
from portal.webhooks import service


@outbox.handles("webhooks.apply")
def apply(event_id: str) -> None:
    service.apply(event_id)
