"""Jobs about refunds; each may run twice."""

from portal.core import metrics
from portal.core.errors import Conflict
from portal.jobs import outbox
from portal.refunds import email, executing, service


@outbox.handles("refunds.execute")
def execute(refund_id: str) -> None:
    """Left by the approval; then it follows the refund to its end."""
    wait = executing.execute(refund_id)
    if wait is not None:
        raise outbox.Reschedule(wait)
    _follow(refund_id)


@outbox.handles("refunds.follow_up")
def follow_up(refund_id: str) -> None:
    _follow(refund_id)


def _follow(refund_id: str) -> None:
    wait = executing.follow_up(refund_id)
    if wait is not None:
        raise outbox.Reschedule(wait)


@outbox.handles("refunds.return_duplicate")
def return_duplicate(payment_id: str) -> None:
    """Left by whoever found that something was paid twice."""
    try:
        service.return_duplicate(payment_id)
    except Conflict:
        raise outbox.Reschedule(executing.LOOK_AGAIN_SECONDS) from None


@outbox.handles("refunds.mail")
def mail(refund_id: str, status: str, before: str) -> None:
    email.send(refund_id, status, before)


@outbox.handles("refunds.mail_sums")
def mail_sums(refund_id: str, reason: str) -> None:
    """Left by an approval that needs a second one because of what came together within a day."""
    email.send_sums(refund_id, reason)


@outbox.handles("refunds.requeue_lost_jobs", every_seconds=60)
def requeue_lost_jobs() -> None:
    metrics.STARTED_OVER.labels("refunds").inc(service.requeue_lost_jobs())
