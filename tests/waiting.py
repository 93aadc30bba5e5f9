"""Waiting for what happens elsewhere, with a deadline instead of a guess."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

_PAUSE_SECONDS = 0.02


def eventually(condition: Callable[[], Result], *, within: float = 10.0, what: str = "") -> Result:
    """The first true answer of `condition`, asked again and again for `within` seconds.

    A condition may also be written with assertions: an AssertionError counts as "not yet".
    Raises AssertionError when the time is up, naming `what` was waited for and what came last.
    """
    deadline = time.monotonic() + within
    last: object = None
    while True:
        try:
            result = condition()
            if result:
                return result
            last = result
        except AssertionError as not_yet:
            last = not_yet
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} seconds: {what or condition}; last: {last!r}")
        time.sleep(_PAUSE_SECONDS)
