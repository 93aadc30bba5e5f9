"""The jobs of statements of account."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("statements.make", once_per=("file_id",), lane=Lane.DOCUMENTS)
def make(file_id: str) -> None:
    """Make the PDF of a statement of account."""


@job("statements.make_confirmation", once_per=("confirmation_id",), lane=Lane.DOCUMENTS)
def make_confirmation(confirmation_id: str) -> None:
    """Make the PDF of the confirmation of a balance."""


@job("statements.sweep", every_seconds=3600)
def sweep() -> None:
    """Remove statements of account after their time, and give up those whose job has died."""
