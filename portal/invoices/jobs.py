"""The jobs of invoices: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job


@job("invoices.forget_files", every_seconds=3600)
def forget_files() -> None:
    """Remove uploaded files that nobody came back to."""
