"""The jobs of disputes: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("disputes.follow_up", once_per=("dispute_id", "version"))
def follow_up(dispute_id: str, version: int) -> None:
    """Look at Stripe what has become of a dispute, until it is over.

    `version` is that of the row when it was left: an appeal may reopen a dispute whose first job has ended.
    """


@job("disputes.mail_opened", once_per=("dispute_id", "occasion"), lane=Lane.MESSAGES)
def mail_opened(dispute_id: str, occasion: str) -> None:
    """Tell staff of a dispute."""


@job("disputes.remind", once_per=("dispute_id", "due_by"))
def remind(dispute_id: str, due_by: str) -> None:
    """Remind staff that the bank still waits for evidence; `due_by` is in ISO 8601."""


@job("disputes.mail_warning", once_per=("warning_id",), lane=Lane.MESSAGES)
def mail_warning(warning_id: str) -> None:
    """Tell staff what a card's issuer suspects."""


@job("evidence.gather", once_per=("dispute_id",))
def gather_evidence(dispute_id: str) -> None:
    """Write the first draft of the evidence, from our own records."""
