"""The jobs of automatic payment: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("mandates.sweep", every_seconds=300)
def sweep() -> None:
    """Find what is due, and leave a job for each."""


@job("mandates.collect", once_per=("collection_id", "hour"), one_by_one=True)
def collect(collection_id: str, hour: str) -> None:
    """Charge a collection whose time has come; `hour` makes it one job an hour, should the one before have died."""


@job("mandates.mail_switched", once_per=("mandate_id", "on"), lane=Lane.MESSAGES)
def mail_switched(mandate_id: str, on: int) -> None:
    """Confirm that automatic payment was switched on (1) or off (0)."""


@job("mandates.mail_notice", once_per=("collection_id",), lane=Lane.MESSAGES)
def mail_notice(collection_id: str) -> None:
    """Tell the customer what is charged, and when."""


@job("mandates.mail_failure", once_per=("collection_id", "number"), lane=Lane.MESSAGES)
def mail_failure(
    collection_id: str,
    number: int,
    code: str,
    decline_code: str,
    advice_code: str,
    again_at: str | None,
    payment_id: str | None,
) -> None:
    """Tell the customer what failed; `number` is that of the try, `again_at` is in ISO 8601."""


@job("mandates.mail_staff", once_per=("collection_id",), lane=Lane.MESSAGES)
def mail_staff(collection_id: str) -> None:
    """Tell staff that an invoice was not paid by itself, and will not be."""
