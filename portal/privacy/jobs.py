"""The jobs of personal data."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("privacy.make_file", once_per=("file_id",), lane=Lane.DOCUMENTS)
def make_file(file_id: str) -> None:
    """Write the ZIP of all data about a customer."""


@job("privacy.erase", once_per=("erasure_id",), lane=Lane.UPKEEP)
def erase(erasure_id: str) -> None:
    """Erase a customer, as was decided."""


@job("privacy.mail_rejection", once_per=("erasure_id",), lane=Lane.MESSAGES)
def mail_rejection(erasure_id: str) -> None:
    """Tell a customer why their data are not erased."""


@job("privacy.sweep", every_seconds=3600)
def sweep() -> None:
    """Remove files of personal data after their time, and give up those whose job has died."""


@job("privacy.sweep_by_schedule", every_seconds=24 * 3600, lane=Lane.UPKEEP)
def sweep_by_schedule() -> None:
    """Remove letters, mails and the bodies of events from Stripe that are over their time."""
