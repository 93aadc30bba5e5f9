"""How many calls an account may make in a second: past that Stripe answers 429 with `rate_limit`.

Source: Stripe, "Rate limits": 100 reads and 100 writes a second in live mode, 25 of each in test mode. The sandbox limits nothing unless
its settings say so. Seconds are real ones, as the calls are.
"""

from __future__ import annotations

import threading

from portal.sandbox.clock import real_now
from portal.sandbox.errors import too_many_requests
from portal.sandbox.settings import SandboxSettings


class Rates:
    """Counts the calls of the second that is running."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._second = 0
        self._counts = {"reads": 0, "writes": 0}

    def take(self, method: str, settings: SandboxSettings) -> None:
        """Count a call; raises the 429 of one too many, which counts as well."""
        kind = "reads" if method == "GET" else "writes"
        most = settings.reads_per_second if kind == "reads" else settings.writes_per_second
        if most == 0:
            return
        with self._lock:
            second = int(real_now())
            if second != self._second:
                self._second, self._counts = second, {"reads": 0, "writes": 0}
            self._counts[kind] += 1
            too_many = self._counts[kind] > most
        if too_many:
            raise too_many_requests(
                "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits."
            )
