"""What does the jobs of refunds; each may run twice."""

from functools import partial

from portal.core import metrics
from portal.core.errors import Conflict
from portal.jobs import outbox
from portal.payments import jobs as payment_jobs
from portal.refunds import email, executing, jobs, queries, service


@jobs.execute.handler
def execute(refund_id: str) -> None:
    wait = executing.execute(refund_id)
    if wait is not None:
        raise outbox.Reschedule(wait)
    follow_up(refund_id)


@jobs.follow_up.handler
def follow_up(refund_id: str) -> None:
    wait = executing.follow_up(refund_id)
    if wait is not None:
        raise outbox.Reschedule(wait)


@payment_jobs.return_duplicate.handler
def return_duplicate(payment_id: str) -> None:
    try:
        service.return_duplicate(payment_id)
    except Conflict:
        raise outbox.Reschedule(executing.CHECK_AGAIN_SECONDS) from None


@jobs.mail.handler
def mail(refund_id: str, version: int, status: str, before: str) -> None:
    email.send(refund_id, status, before)


@jobs.mail_question.handler
def mail_question(message_id: str) -> None:
    email.send_question(message_id)


@jobs.mail_sums.handler
def mail_sums(refund_id: str, version: int, reason: str) -> None:
    email.send_sums(refund_id, reason)


@jobs.requeue_lost_jobs.handler
def requeue_lost_jobs() -> None:
    metrics.LOST_JOBS_REQUEUED.labels("refunds").inc(service.requeue_lost_jobs())


for state in queries.OPEN:
    metrics.read_from_database(metrics.OPEN_REFUNDS.labels(state), partial(queries.number_open, state))
