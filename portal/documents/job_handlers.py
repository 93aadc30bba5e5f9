"""What does the jobs of documents: each does one phase, and each may run twice."""

from portal.core import metrics
from portal.documents import archives, email, jobs, previews, service
from portal.invoices import jobs as invoice_jobs
from portal.payments import jobs as payment_jobs
from portal.refunds import jobs as refund_jobs

payment_jobs.issue_receipt.handler(service.issue)
refund_jobs.issue_credit_note.handler(service.issue_credit_note)
refund_jobs.revoke_credit_note.handler(service.revoke_credit_note)
invoice_jobs.make_preview.handler(previews.make)
jobs.keep.handler(service.keep)
jobs.render.handler(service.render)
jobs.mail.handler(email.send)
jobs.mail_payer.handler(email.send_to_payer)
jobs.mail_again.handler(email.send_again)
jobs.mail_copy.handler(email.send_copy)
jobs.mail_held.handler(email.tell_of_held)
jobs.mail_revocation.handler(email.send_revocation)
jobs.make_archive.handler(archives.make)
jobs.sweep_archives.handler(archives.sweep)


@jobs.requeue_lost_jobs.handler
def requeue_lost_jobs() -> None:
    metrics.LOST_JOBS_REQUEUED.labels("documents").inc(service.requeue_lost_jobs())
