"""A mail server that now and then refuses, or breaks off before or after it took a mail."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from typing import Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.smtp import Mailbox

# What happens to a mail while it is stormy, and how often; else it is taken.
REFUSED: Final = 0.20
BROKEN_BEFORE: Final = 0.08
BROKEN_AFTER: Final = 0.08


class StormyMailbox(Mailbox):
    def __init__(self, seed: object) -> None:
        self.done = Counter[str]()
        self._chance = random.Random(f"{seed}:mail")
        self._stormy = False
        super().__init__()

    def storm(self) -> None:
        self._stormy = True

    def calm(self) -> None:
        self._stormy = False

    @property
    def repeats(self) -> int:
        """How many mails came once more under a Message-ID that was there before."""
        times: dict[str, int] = defaultdict(int)
        for message in list(self.messages):
            times[str(message["Message-ID"])] += 1
        return sum(count - 1 for count in times.values())

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        drawn = self._chance.random() if self._stormy else 1.0
        if drawn < REFUSED:
            self.done["refused"] += 1
            return "451 4.3.0 come again"
        if drawn < REFUSED + BROKEN_BEFORE:
            self.done["broken_before"] += 1
            return self._broken_off(server)
        answer = await super().handle_DATA(server, session, envelope)
        if drawn < REFUSED + BROKEN_BEFORE + BROKEN_AFTER:
            self.done["broken_after"] += 1
            return self._broken_off(server)
        return answer

    @staticmethod
    def _broken_off(server: SMTP) -> str:
        assert isinstance(server.transport, asyncio.WriteTransport)
        server.transport.abort()
        return "421 4.3.2 gone"
