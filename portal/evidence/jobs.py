"""The jobs of evidence: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job


@job("evidence.stage", once_per=("dispute_id", "version"))
def stage(dispute_id: str, version: int) -> None:
    """Lay this version ready at Stripe, where the dashboard shows it and nothing goes to the bank."""


@job("evidence.send", once_per=("dispute_id", "version"), one_by_one=True)
def send(dispute_id: str, version: int) -> None:
    """Send this version to the bank, once."""
