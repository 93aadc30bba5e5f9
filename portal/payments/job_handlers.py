"""What does the jobs of payments; each may run twice."""

from portal.core import metrics
from portal.payment_methods import jobs as card_jobs
from portal.payment_methods import service as cards
from portal.payments import confirming, following, jobs, service

jobs.follow_up.handler(service.follow_up)
jobs.mail_verification.handler(following.mail_verification)
card_jobs.cancel_pending.handler(service.cancel_pending)


@jobs.finish_confirmation.handler
def finish_confirmation(confirmation_id: str) -> None:
    try:
        confirming.finish(confirmation_id)
    except (confirming.CardGone, cards.UnknownMethod):
        return


@jobs.requeue_lost_jobs.handler
def requeue_lost_jobs() -> None:
    metrics.LOST_JOBS_REQUEUED.labels("payments").inc(service.requeue_lost_jobs())
