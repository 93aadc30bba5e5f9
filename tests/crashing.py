"""Processes that die, or are overtaken, at a crash point: see portal.core.crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from portal.core import crash


class PowerCut(BaseException):
    """The process is gone: no handler of errors gets to see it."""


def dies(point: str, work: Callable[[], object]) -> None:
    """Do `work` in a process that dies when it comes to this point. Fails when it does not come there."""

    def power_cut() -> None:
        raise PowerCut

    with crash.at(point, power_cut), pytest.raises(PowerCut):
        work()


@contextmanager
def overtaken(point: str, by: Callable[[], object]) -> Iterator[None]:
    """Let `by` happen the first time that the process comes to this point. Fails when it does not come there."""
    happened: list[object] = []

    def once() -> None:
        if not happened:
            happened.append(True)
            by()

    with crash.at(point, once):
        yield
    assert happened, f"nothing came to the point {point!r}"
