"""How long a person who waits in front of a page, or an app for its answer, is kept waiting for services of others.

A web request has one such span for all that it asks of others; a job has none: its patience is the queue's.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Final

# For all calls of one request together. The call that is under way at its end is still waited for, as long as one may take. Seconds.
REQUEST_SECONDS: Final = 10.0

_ends: ContextVar[float | None] = ContextVar("patience_ends", default=None)


def begin(seconds: float = REQUEST_SECONDS) -> None:
    """Someone waits from now on, in this thread. A second call begins anew."""
    _ends.set(time.monotonic() + seconds)


def end() -> None:
    """Nobody waits any more. A second call changes nothing."""
    _ends.set(None)


def is_limited() -> bool:
    """Whether someone waits for what this thread does."""
    return _ends.get() is not None


def is_over() -> bool:
    """Whether whoever waits has waited long enough; False where nobody does."""
    ends = _ends.get()
    return ends is not None and time.monotonic() >= ends
