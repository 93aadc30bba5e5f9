"""Payments that take their time: the next few confirmations stay in `processing` before the bank answers.

Cards at Stripe are nearly always answered at once; `processing` is what other payment methods, and a few banks, do.
"""

from __future__ import annotations

import json

from portal.sandbox.store import Session

_FACT = "slow_confirmations"


def slow_down(session: Session, times: int, seconds: float) -> None:
    """The next `times` confirmations take `seconds`."""
    session.keep_fact(_FACT, json.dumps({"times": times, "seconds": seconds}))


def take(session: Session) -> float | None:
    """How many seconds this confirmation takes; None when it is answered at once."""
    kept = session.fact(_FACT)
    if kept is None:
        return None
    given = json.loads(kept)
    if given["times"] <= 0:
        return None
    slow_down(session, given["times"] - 1, given["seconds"])
    return float(given["seconds"])
