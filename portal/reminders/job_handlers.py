"""What does the jobs of reminders."""

from portal.core import metrics
from portal.payments import jobs as payment_jobs
from portal.reminders import email, jobs, service

jobs.remind.handler(service.remind)
jobs.mail.handler(email.send)
jobs.mail_copy.handler(email.send_copy)
payment_jobs.mail_failed_debit.handler(email.send_failed_debit)


@jobs.requeue_lost_jobs.handler
def requeue_lost_jobs() -> None:
    metrics.LOST_JOBS_REQUEUED.labels("reminders").inc(service.requeue_lost_jobs())
