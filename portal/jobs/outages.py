"""Which failure means that a service of ours does not answer, so that a job waits for it instead of dying of it.

The one who speaks to a service marks what it raises; whoever runs jobs asks `service_of`, and needs to know neither SMTP nor Stripe.
"""

from __future__ import annotations

from typing import Final, TypeVar

from portal.core import db

STRIPE: Final = "stripe"
MAIL: Final = "mail"
DATABASE: Final = "database"
SERVICES: Final = (STRIPE, MAIL, DATABASE)

_MARK: Final = "service_that_does_not_answer"

Failure = TypeVar("Failure", bound=Exception)


def mark(error: Failure, service: str) -> Failure:
    """Say of an exception, which the caller raises, that this service does not answer; returns the exception."""
    vars(error)[_MARK] = service
    return error


def is_final(error: Exception) -> bool:
    """Whether another try cannot end otherwise, until a person has changed something."""
    return bool(getattr(error, "is_final", False))


def service_of(error: Exception) -> str | None:
    """The service that did not answer; None for a failure that is the job's own."""
    if isinstance(error, db.UNREACHABLE):
        return DATABASE
    marked: str | None = vars(error).get(_MARK)
    return marked
