"""The only place that asks what time it is. Which day that is for the company, `company_days` tells."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware and in UTC."""
    return datetime.now(UTC)


def from_epoch(seconds: int) -> datetime:
    """Stripe's timestamps (whole seconds since 1970, UTC) as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)
