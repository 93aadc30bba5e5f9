"""The jobs of the desk."""

from __future__ import annotations

from portal.jobs.job import job


@job("support.mail_staff", every_seconds=300)
def mail_staff() -> None:
    """Tell staff by mail what is new for them, and once a day what waits, as they have chosen."""
