"""A service that does not answer is left alone for a while, and then tried by one caller at a time."""

from __future__ import annotations

import threading

import pytest

from portal.core.breaker import FAILURES, REST_SECONDS, SLOW_SECONDS, Breaker, LeftAlone


class Service:
    """One that answers in no time, unless it is told otherwise; its clock stands still but for what the test says."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.asked = 0
        self.breaker = Breaker("stripe", lambda: self.now)

    def answers(self, seconds: float = 0.0) -> None:
        with self.breaker.calling(OSError):
            self.asked += 1
            self.now += seconds

    def fails(self, error: type[Exception] = OSError) -> None:
        self.asked += 1
        with pytest.raises(error), self.breaker.calling(OSError):
            raise error

    def says_that_it_failed(self) -> None:
        with self.breaker.calling(OSError) as call:
            self.asked += 1
            call.failed()

    def is_left_alone(self) -> bool:
        asked = self.asked
        try:
            self.answers()
        except LeftAlone:
            assert self.asked == asked
            return True
        return False

    def fails_until_left_alone(self) -> None:
        for _ in range(FAILURES):
            self.fails()


@pytest.fixture
def service() -> Service:
    return Service()


def test_failures_in_a_row_leave_it_alone(service: Service) -> None:
    for _ in range(FAILURES - 1):
        service.fails()
    assert not service.is_left_alone()
    service.fails_until_left_alone()
    assert service.is_left_alone()


def test_what_says_that_it_failed_has_failed(service: Service) -> None:
    for _ in range(FAILURES):
        service.says_that_it_failed()
    assert service.breaker.is_open


def test_one_answer_between_them_begins_the_count_anew(service: Service) -> None:
    for _ in range(3 * FAILURES):
        service.fails()
        service.answers()
    assert not service.is_left_alone()


def test_what_is_slow_is_left_alone_as_well(service: Service) -> None:
    for _ in range(FAILURES):
        service.answers(SLOW_SECONDS)
    assert service.is_left_alone()


def test_an_error_that_is_an_answer_counts_as_one(service: Service) -> None:
    for _ in range(2 * FAILURES):
        service.fails(ValueError)
    assert not service.is_left_alone()


def test_after_a_rest_one_call_decides(service: Service) -> None:
    service.fails_until_left_alone()
    service.now += REST_SECONDS - 1
    assert service.is_left_alone()
    service.now += 1
    service.fails()
    assert service.is_left_alone()
    service.now += REST_SECONDS
    service.answers()
    assert not service.breaker.is_open
    service.fails()  # one alone, as ever
    assert not service.is_left_alone()


def test_only_one_tries_it(service: Service) -> None:
    service.fails_until_left_alone()
    service.now += REST_SECONDS
    with service.breaker.calling():
        assert service.is_left_alone()
    assert not service.is_left_alone()


def test_what_was_begun_before_and_ends_later_decides_nothing(service: Service) -> None:
    with service.breaker.calling(OSError):
        service.fails_until_left_alone()
    assert service.is_left_alone()


def test_threads_may_use_it_together() -> None:
    breaker, counted = Breaker("stripe"), []

    def call() -> None:
        for _ in range(200):
            with breaker.calling(OSError):
                counted.append(1)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted) == 1_600
    assert not breaker.is_open
