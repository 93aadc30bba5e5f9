"""The jobs of personal data."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("privacy.make_file", once_per=("file_id",), lane=Lane.DOCUMENTS)
def make_file(file_id: str) -> None:
    """Write the ZIP of all data about a customer."""


@job("privacy.sweep", every_seconds=3600)
def sweep() -> None:
    """Remove files of personal data after their time, and give up those whose job has died."""
