"""What the tests of the core share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from portal.core import db
from portal.jobs import job
from tests.core.jobs import Work, do


class GaveUpError(Exception):
    """Something went wrong at the very end of a transaction."""


def given_up(work: Callable[[Session], object]) -> None:
    """Do `work` in a transaction that fails after it. Raises GaveUpError."""
    with db.transaction() as session:
        work(session)
        raise GaveUpError


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Have the jobs of these tests done by this function; what was registered before stays as it was."""
    by_hand = {name: one for name, one in job.declared().items() if not one.every_seconds}
    monkeypatch.setattr(job, "_declared", by_hand)
    return do
