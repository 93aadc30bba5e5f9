"""The jobs of networks: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("edelivery.hand_over", once_per=("document_id", "round"), lane=Lane.MESSAGES)
def hand_over(document_id: str, round: int) -> None:  # noqa: A002  # the column's name
    """Hand an e-invoice over to the network; `round` counts how often that was begun anew."""
