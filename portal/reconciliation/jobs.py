"""The jobs of reconciliation and recovery, and those that tell staff of a recovery: what each is given."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("reconciliation.frequent", every_seconds=300)
def frequent() -> None:
    """Begin a run from where the last one ended."""


@job("reconciliation.nightly", every_seconds=24 * 3600)
def nightly() -> None:
    """Begin a run over all that may still change."""


@job("reconciliation.keep_balances", every_seconds=24 * 3600)
def keep_balances() -> None:
    """Keep what the balance came to at the beginning of each month that is over."""


@job("reconciliation.walk", once_per=("reconciliation_id",), in_recovery=True, lane=Lane.UPKEEP)
def walk(reconciliation_id: str) -> None:
    """Compare the books with Stripe, from behind the last batch."""


@job("operations.mail_recovery_begun", in_recovery=True, lane=Lane.MESSAGES)
def mail_recovery_begun(recovery_id: str) -> None:
    """Tell staff that nothing moves any more, and why."""


@job("operations.mail_recovery_finished", lane=Lane.MESSAGES)
def mail_recovery_finished(recovery_id: str) -> None:
    """Tell staff that it goes on, and what was brought back."""
