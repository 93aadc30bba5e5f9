"""What the SDK takes between a request to Stripe and its answer, which is no work of the portal's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


@contextmanager
def stripe_seconds() -> Iterator[list[float]]:
    """The processor seconds of each request to Stripe, as long as this lasts."""
    import stripe

    taken: list[float] = []
    asked: Callable[..., Any] = stripe.RequestsClient.request

    @wraps(asked)
    def timed(*args: Any, **kwargs: Any) -> Any:
        begun = time.process_time()
        try:
            return asked(*args, **kwargs)
        finally:
            taken.append(time.process_time() - begun)

    stripe.RequestsClient.request = timed  # type: ignore[method-assign]
    try:
        yield taken
    finally:
        stripe.RequestsClient.request = asked  # type: ignore[method-assign]
