"""A circuit breaker: a service that does not answer, or only slowly, is left alone for a while, so that nobody waits for it in vain.

Of the libraries, pybreaker holds its lock while the call lasts, so that calls would wait for each other; others let everyone in at once
when they try again.

Source: Michael Nygard, "Release It!", "Circuit Breaker"; the names of its states are his.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from portal.core import metrics

log = structlog.get_logger(__name__)

# So many calls in a row that failed or were slow, and none is made for so many seconds. Then one is tried.
FAILURES: Final = 5
REST_SECONDS: Final = 10.0
SLOW_SECONDS: Final = 8.0


class LeftAlone(Exception):
    """The service is left alone for now: nothing was sent."""


class Call:
    """One call that is under way; `failed` says that it came to nothing without raising."""

    def __init__(self, *, is_trial: bool) -> None:
        self.is_trial = is_trial
        self.has_failed = False

    def failed(self) -> None:
        self.has_failed = True


class Breaker:
    """One for each service and process; safe in threads. `now` gives seconds that never go back."""

    def __init__(self, service: str, now: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._now = now
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._opened_at: float | None = None
        self._is_tried = False

    @property
    def is_open(self) -> bool:
        """Whether the service is left alone, or about to be tried again."""
        return self._opened_at is not None

    @contextmanager
    def calling(self, *failures: type[Exception]) -> Iterator[Call]:
        """Around one call, of which these exceptions are failures: others are answers. Raises LeftAlone, and what the call raises."""
        call, began = self._enter(), self._now()
        try:
            yield call
        except failures:
            call.failed()
            raise
        finally:
            self._leave(call, self._now() - began)

    def _enter(self) -> Call:
        with self._lock:
            if self._opened_at is None:
                return Call(is_trial=False)
            if self._is_tried or self._now() - self._opened_at < REST_SECONDS:
                raise LeftAlone(self._service)
            self._is_tried = True
            return Call(is_trial=True)

    def _leave(self, call: Call, seconds: float) -> None:
        is_bad = call.has_failed or seconds >= SLOW_SECONDS
        with self._lock:
            if self._opened_at is not None and not call.is_trial:
                return  # begun before the service was left alone: it says nothing new
            was_open = self._opened_at is not None
            self._in_a_row = self._in_a_row + 1 if is_bad else 0
            self._is_tried = False
            opens = (was_open and is_bad) or self._in_a_row >= FAILURES
            self._opened_at = self._now() if opens else None
        if opens != was_open:
            metrics.LEFT_ALONE.labels(self._service).set(opens)
            log.warning("service_left_alone" if opens else "service_called_again", service=self._service)
