"""The SDK's HTTP client, with a bound on who waits for Stripe in front of a page.

Of a web process's threads some are always left for pages that need no Stripe: as many as `deploy/gunicorn.conf.py` has beyond
MOST_AT_STRIPE. While Stripe does not answer, it is left alone (portal.core.breaker): who pays is told at once, and the worker, which
is not bounded here, finishes what was begun. To the SDK a call that is not made is one without a connection, which is what it says.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import stripe

from portal.core import metrics, patience
from portal.core.breaker import Breaker, LeftAlone

# So many threads of a web process may be at Stripe at once.
MOST_AT_STRIPE: Final = 24
# A burst waits for its turn so long, in seconds; behind a call that has been under way for longer, nobody does.
TURN_SECONDS: Final = 3.0

CLIENT_ERROR: Final = 400
SERVER_ERROR: Final = 500


class NotSent(stripe.APIConnectionError):
    """Nothing was sent: to the SDK a call without a connection, not to be tried again."""


class BoundedClient(stripe.RequestsClient):
    """One for each process; safe in threads."""

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout=timeout)
        self._breaker = Breaker("stripe")
        self._turns = threading.Semaphore(MOST_AT_STRIPE)
        self._under_way: dict[int, float] = {}  # thread → since when

    def request(  # type: ignore[override]  # as RequestsClient has it
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """As the SDK calls it, once for each try. Raises stripe.APIConnectionError, also for what was not sent at all."""
        if not patience.is_limited():
            return self._ask(method, url, headers, post_data)
        try:
            if patience.is_over():
                raise _not_sent("no time is left for this request")
            with self._turn(), self._breaker.calling(stripe.APIConnectionError) as call:
                answer = self._ask(method, url, headers, post_data)
                if answer[1] >= SERVER_ERROR:
                    call.failed()
                return answer
        except LeftAlone as error:
            raise _not_sent("it did not answer the calls before") from error
        except NotSent:
            metrics.STRIPE_CALLS.labels(method, _what(url), "not_sent").inc()
            raise

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        what, began, outcome = _what(url), time.monotonic(), "unanswered"
        try:
            answer = super().request(method, url, headers, post_data)
            outcome = "failed" if answer[1] >= SERVER_ERROR else "refused" if answer[1] >= CLIENT_ERROR else "done"
            return answer
        finally:
            metrics.STRIPE_CALLS.labels(method, what, outcome).inc()
            metrics.STRIPE_SECONDS.labels(what).observe(time.monotonic() - began)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=self._longest_wait()):
            raise _not_sent("too many wait for it already")
        thread = threading.get_ident()
        self._under_way[thread] = time.monotonic()
        try:
            yield
        finally:
            del self._under_way[thread]
            self._turns.release()

    def _longest_wait(self) -> float:
        begun = list(self._under_way.values())
        is_hanging = bool(begun) and time.monotonic() - min(begun) > TURN_SECONDS
        return 0 if is_hanging or self._breaker.is_open else TURN_SECONDS


def _not_sent(why: str) -> NotSent:
    return NotSent(f"Nothing was sent to Stripe: {why}.", should_retry=False)  # type: ignore[no-untyped-call]


def _what(url: str) -> str:
    """The kind of object, and what is done with it: "payment_intents confirm" of …/v1/payment_intents/pi_1/confirm. Never an id."""
    kind, _, rest = urlsplit(url).path.removeprefix("/v1/").partition("/")
    return f"{kind} {rest.partition('/')[2].partition('/')[0]}".rstrip()
