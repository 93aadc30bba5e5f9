"""The sandbox's only clock: real time plus an offset that is kept in the store and that tests may move."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portal.sandbox.store import Store


def real_now() -> float:
    """Unix time of this machine, in seconds. Webhook signatures carry it, because receivers compare it with their own clock."""
    return time.time()


class SandboxClock:
    """Sandbox time in Unix seconds."""

    def __init__(self, store: Store, first_offset_seconds: float) -> None:
        self._store = store
        with store.transaction() as session:
            kept = session.fact("clock_offset")
            self._offset = float(kept) if kept is not None else first_offset_seconds
            session.keep_fact("clock_offset", str(self._offset))

    @property
    def offset_seconds(self) -> float:
        return self._offset

    def now(self) -> float:
        return real_now() + self._offset

    def move(self, seconds: float) -> None:
        """Move sandbox time forwards (or back, with a negative number) from where it stands."""
        self.set_offset(self._offset + seconds)

    def set_offset(self, seconds: float) -> None:
        self._offset = seconds
        with self._store.transaction() as session:
            session.keep_fact("clock_offset", str(seconds))
