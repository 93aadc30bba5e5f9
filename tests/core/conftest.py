"""What the tests of the core share."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from portal import db


class GaveUpError(Exception):
    """Something went wrong at the very end of a transaction."""


def given_up(work: Callable[[Session], object]) -> None:
    """Do `work` in a transaction that fails after it. Raises GaveUpError."""
    with db.transaction() as session:
        work(session)
        raise GaveUpError
