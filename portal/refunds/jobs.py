"""The jobs of refunds, and those that a refund leaves to `documents`: what each is given."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("refunds.execute", once_per=("refund_id",), one_by_one=True)
def execute(refund_id: str) -> None:
    """Send an approved refund to Stripe, and follow it to its end."""


@job("refunds.follow_up", once_per=("refund_id",))
def follow_up(refund_id: str) -> None:
    """Follow a refund at Stripe to its end."""


@job("refunds.mail", once_per=("refund_id", "version"), lane=Lane.MESSAGES)
def mail(refund_id: str, version: int, status: str, before: str) -> None:
    """Tell customer and staff that a refund came from status `before` to `status`; `version` is that of the row then."""


@job("refunds.mail_question", once_per=("message_id",), lane=Lane.MESSAGES)
def mail_question(message_id: str) -> None:
    """Ask a refund's customer what staff want to know."""


@job("refunds.mail_sums", once_per=("refund_id", "version"), lane=Lane.MESSAGES)
def mail_sums(refund_id: str, version: int, reason: str) -> None:
    """Tell staff that a refund waits for a second approval because of what came together within a day."""


@job("refunds.requeue_lost_jobs", every_seconds=60)
def requeue_lost_jobs() -> None:
    """Leave a job for each refund and each duplicate that has none."""


@job("documents.issue_credit_note", once_per=("refund_id",))
def issue_credit_note(refund_id: str) -> None:
    """Give a succeeded refund its credit note."""


@job("documents.revoke_credit_note", once_per=("refund_id",))
def revoke_credit_note(refund_id: str) -> None:
    """Make the credit note void of a refund that failed after it had succeeded."""
