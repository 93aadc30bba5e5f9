"""The only place that asks what time it is. Which day that is for the company, `company_days` tells."""

from datetime import UTC, datetime, timedelta

_behind = timedelta()


def now() -> datetime:
    """The present moment, aware and in UTC."""
    return datetime.now(UTC) - _behind


def set_back(by: timedelta) -> None:
    """From now on this process lives so much earlier; nothing makes it live in the present again.

    For the one that fills the demo with a year that has passed (deploy/dev/demo_year.py), and for no process that people use.
    """
    global _behind
    _behind = by


def from_epoch(seconds: int) -> datetime:
    """Stripe's timestamps (whole seconds since 1970, UTC) as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)
