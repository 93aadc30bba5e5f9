"""The lanes of the queue: what is asked for first, and how many of a worker's threads each kind of work may take.

A thousand documents that wait to be made keep no webhook waiting, and no mail server that hangs keeps a payment waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import IntEnum
from typing import Final


class Lane(IntEnum):
    """In the order in which they are asked for; jobs keep the number."""

    MONEY = 0  # what customers wait for: webhooks, payments, refunds
    MESSAGES = 1  # mails, and events for customers' systems
    DOCUMENTS = 2  # PDFs, archives and packs
    UPKEEP = 3  # what workers leave by themselves


# Each so manieth time the lanes are asked in the reverse order, so that none waits for ever behind those before it.
REVERSED_EVERY: Final = 10


class Shares:
    """Which lanes a worker with so many threads may take from now. For its one thread that hands out jobs."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._most = {
            Lane.MONEY: threads,
            Lane.MESSAGES: max(1, threads // 2),
            Lane.DOCUMENTS: max(1, threads // 2),
            Lane.UPKEEP: max(1, threads // 4),
        }
        self._turn = 0

    def open(self, running: Sequence[Lane]) -> list[Lane]:
        """The lanes with a free share beside these jobs, in the order in which to ask them. One thread of several is always left for
        money, which has no bound of its own.
        """
        taken = Counter(running)
        others = len(running) - taken[Lane.MONEY]
        is_last = self._threads > 1 and others >= self._threads - 1
        lanes = [Lane.MONEY] if is_last else [lane for lane in Lane if taken[lane] < self._most[lane]]
        self._turn += 1
        return lanes[::-1] if self._turn % REVERSED_EVERY == 0 else lanes
