"""The jobs of payments, and those that a payment leaves to `documents`, `refunds` and `reminders`: what each is given."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("payments.follow_up", once_per=("payment_id",))
def follow_up(payment_id: str) -> None:
    """Bring a payment to its end, whoever died."""


@job("payments.finish_confirmation", once_per=("confirmation_id",), one_by_one=True)
def finish_confirmation(confirmation_id: str) -> None:
    """Bring the charge of a card to its end; nothing when whoever began it has finished."""


@job("payments.requeue_lost_jobs", every_seconds=60)
def requeue_lost_jobs() -> None:
    """Leave a job for each payment and each confirmation on its way that has none."""


@job("payments.mail_verification", once_per=("payment_id",), lane=Lane.MESSAGES)
def mail_verification(payment_id: str) -> None:
    """Tell who pays where they type which small amounts have arrived in their bank account."""


@job("documents.issue", once_per=("payment_id",))
def issue_receipt(payment_id: str) -> None:
    """Give a succeeded payment its receipt."""


@job("reminders.mail_failed_debit", once_per=("payment_id", "charge_id"), lane=Lane.MESSAGES)
def mail_failed_debit(payment_id: str, charge_id: str) -> None:
    """Tell whoever pays that a direct debit has failed, or was taken back, and why."""


@job("refunds.return_duplicate", once_per=("payment_id",), one_by_one=True)
def return_duplicate(payment_id: str) -> None:
    """Give back what was paid twice."""
