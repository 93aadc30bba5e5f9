"""Whoever sends e-invoices on by a network, as the portal sees it. The two there are: portal.edelivery.folder and portal.edelivery.http."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Package:
    """An e-invoice. `key` is the same each time that this one is handed over; `address` is scheme and id of whom it is for."""

    key: str
    number: str
    address: str
    xml: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.xml).hexdigest()


class Refused(Exception):
    """It was looked at, and is not taken: another try would end the same. The text says why."""


class NotTaken(Exception):
    """Nobody took it this time. The text says why."""


class Network(Protocol):
    def hand_over(self, package: Package) -> str:
        """Returns what was said to it, for staff. The same package may come twice. May take some seconds, so it is called outside of
        transactions. Raises Refused and NotTaken.
        """
