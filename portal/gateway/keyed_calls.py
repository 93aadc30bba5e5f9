"""Calls that change something at Stripe, under an idempotency key of ours: what came of them is learned, whatever the answer was.

- Another call is at work under the key: what that one stores is waited for.
- Stripe has stored a failure under the key, or may have forgotten the key: nothing is sent under it any more, and what the calls so far
  have done is looked up.
- Stripe says that the key was used with other parameters: the row is held for review by staff.

Source: Stripe, "Idempotent requests".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from portal.gateway.contract import IdempotencyMisuse, KeptFailure, KeyInUse

log = structlog.get_logger(__name__)

MISUSED_KEY: Final = "Stripe refused our idempotency key: used with other parameters"

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class KeyedCall(Generic[Made]):
    """`is_fresh` says whether Stripe surely still remembers the key, and answers under it with more than a failure.

    `wait` waits for what another call under the same key stores, and says whether it has. `look_up` learns what the calls have done, None
    where that is nothing; `hold` holds the row for review, with the reason.
    """

    is_fresh: bool
    send: Callable[[], Made]
    wait: Callable[[], bool]
    look_up: Callable[[], Made | None]
    hold: Callable[[str], None]


def call_once(call: KeyedCall[Made]) -> Made | None:
    """What Stripe made of a call, however often it is made. Raises IdempotencyMisuse, KeyInUse after a wait in vain, and other errors."""
    if not call.is_fresh:
        return call.look_up()
    try:
        return call.send()
    except KeyInUse:
        if not call.wait():
            raise
    except KeptFailure as failure:
        log.info("stored_failure", code=failure.code)
    except IdempotencyMisuse:
        call.hold(MISUSED_KEY)
        raise
    return call.look_up()
