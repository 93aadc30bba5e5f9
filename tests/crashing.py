"""Processes that die, or are overtaken, at a crash point: see portal.core.crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from portal.core import crash


class PowerCut(BaseException):
    """The process is gone: no handler of errors gets to see it."""


def dies(point: str, work: Callable[[], object], *, time: int = 1) -> None:
    """Do `work` in a process that dies when it comes to this point for the n-th `time`. Fails when it does not come there."""
    passed = 0

    def power_cut() -> None:
        nonlocal passed
        passed += 1
        if passed == time:
            raise PowerCut

    with crash.at(point, power_cut), pytest.raises(PowerCut):
        work()


@contextmanager
def overtaken(point: str, by: Callable[[], object], *, time: int = 1) -> Iterator[None]:
    """Let `by` happen when the process comes to this point for the n-th `time`. Fails when it does not come there."""
    passed = 0

    def once() -> None:
        nonlocal passed
        passed += 1
        if passed == time:
            by()

    with crash.at(point, once):
        yield
    assert passed >= time, f"nothing came to the point {point!r}"
