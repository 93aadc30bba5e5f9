"""What does the jobs of payment methods; each may run twice."""

from datetime import date

from portal.core import company_days, db, metrics
from portal.payment_methods import (
    bank_mandates,
    card_testing,
    comparison,
    details,
    fence,
    jobs,
    keeping,
    page_watch,
    reminders,
    setups,
    verifying,
)

jobs.upsert.handler(keeping.upsert)
jobs.detach.handler(keeping.detach)
jobs.follow_mandate.handler(bank_mandates.follow)
jobs.mail_mandate_ended.handler(bank_mandates.mail_ended)
jobs.mail_verification.handler(verifying.mail_setup)
jobs.follow_up.handler(setups.follow_up)
jobs.remind.handler(reminders.remind)
jobs.mail_refused_detail.handler(details.mail_refused)
jobs.compare_offer.handler(fence.report)
jobs.watch_page.handler(page_watch.watch)


@jobs.requeue_lost_jobs.handler
def requeue_lost_jobs() -> None:
    metrics.LOST_JOBS_REQUEUED.labels("payment_methods").inc(setups.requeue_lost_jobs())


@jobs.compare.handler
def compare(day: str = "", after: str = "") -> None:
    """The worker begins a round each day; a chunk of it leaves the job for the next one."""
    comparison.compare_chunk(day or company_days.today().isoformat(), after)


@jobs.mail_expiry.handler
def mail_expiry(payment_method_id: str, last_day: str, days: int) -> None:
    reminders.send(payment_method_id, date.fromisoformat(last_day), days)


@jobs.sweep.handler
def sweep() -> None:
    with db.transaction() as session:
        card_testing.forget_old(session)
