"""The only place that asks what time it is."""

from datetime import UTC, date, datetime


def now() -> datetime:
    """The present moment, aware and in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """The present day in UTC: due dates, windows and series are counted in UTC days."""
    return now().date()


def from_epoch(seconds: int) -> datetime:
    """Stripe's timestamps (whole seconds since 1970, UTC) as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)
