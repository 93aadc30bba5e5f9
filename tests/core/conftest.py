"""What the tests of the core share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from portal.core import db
from portal.jobs import outbox
from tests.core.jobs import NAME, Work


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
    monkeypatch.setattr(outbox, "_handlers", dict(outbox._handlers))
    monkeypatch.setattr(outbox, "_periodic", {})
    return lambda handler: outbox.handles(NAME)(handler) and None
