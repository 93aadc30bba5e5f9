"""What clients were told, written down by themselves: afterwards it must be true."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

# A payment, refund or receipt with this id is there.
BEGUN = "begun"
# The money of this payment has arrived.
PAID = "paid"
# This order was refused for good, and nobody tried it again.
REFUSED = "refused"
# A refund was asked for, and whether it has been approved.
ASKED = "asked"
APPROVED = "approved"
# The receipt of this payment has this number.
RECEIPT = "receipt"


@dataclass(frozen=True)
class Told:
    """`subject` is the id of the payment or refund, or the client's own name of the order; `amount` is in minor units."""

    who: str
    what: str
    subject: str
    amount: int = 0
    currency: str = ""
    detail: str = ""

    def __str__(self) -> str:
        amount = f" of {self.amount} {self.currency}" if self.currency else ""
        return f"{self.who} was told {self.what} {self.subject}{amount}{f' ({self.detail})' if self.detail else ''}"


@dataclass
class Notebook:
    """Many clients write into it at once."""

    told: list[Told] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, told: Told) -> None:
        with self._lock:
            self.told.append(told)

    def count(self, what: str) -> int:
        with self._lock:
            return len({told.subject for told in self.told if told.what == what})
