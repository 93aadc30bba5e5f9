"""The jobs of the API: what each is given."""

from __future__ import annotations

from portal.jobs.job import job


@job("api.sweep", every_seconds=3600)
def sweep() -> None:
    """Forget requests of apps after their time."""
