"""The jobs of reminders: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("reminders.remind", every_seconds=3600)
def remind() -> None:
    """Write down each reminder that is due now, with the job that mails it."""


@job("reminders.mail", once_per=("reminder_id",), lane=Lane.MESSAGES)
def mail(reminder_id: str) -> None:
    """Send a reminder to the billed address, unless the invoice needs none any more."""


@job("reminders.mail_copy", once_per=("reminder_id", "recipient_id"), lane=Lane.MESSAGES)
def mail_copy(reminder_id: str, recipient_id: str) -> None:
    """Send a reminder to a further recipient, likewise."""


@job("reminders.requeue_lost_jobs", every_seconds=300)
def requeue_lost_jobs() -> None:
    """Leave the job that mails a reminder for those that have none."""
