"""The jobs of the audit trail's anchors: what each is given. They are done in `anchors`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("content.anchor", every_seconds=86_400)
def anchor() -> None:
    """Take an anchor and leave a job for each place where it is written down."""


@job("content.mail_anchor", lane=Lane.MESSAGES)
def mail_anchor(number: int, digest: str, at: str) -> None:
    """Mail an anchor to the company; `at` is in ISO 8601."""


@job("content.file_anchor", lane=Lane.MESSAGES)
def file_anchor(number: int, digest: str, at: str) -> None:
    """Append an anchor to the file outside of the database; `at` is in ISO 8601."""
