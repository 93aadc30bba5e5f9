"""The jobs of packs: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("books.make_pack", once_per=("pack_id",), lane=Lane.DOCUMENTS)
def make_pack(pack_id: str) -> None:
    """Write the ZIP of a month."""


@job("books.sweep", every_seconds=3600)
def sweep() -> None:
    """Remove packs after their time, and give up those whose job has died."""
