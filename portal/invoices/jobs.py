"""The jobs of invoices: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("documents.make_preview", once_per=("preview_id",), lane=Lane.DOCUMENTS)
def make_preview(preview_id: str) -> None:
    """Make the PDF of an invoice that is not issued."""


@job("invoices.sweep_previews", every_seconds=300)
def sweep_previews() -> None:
    """Remove previews of invoices after their time, and give up those whose job has died."""


@job("invoices.forget_files", every_seconds=3600)
def forget_files() -> None:
    """Remove uploaded files that nobody came back to."""
