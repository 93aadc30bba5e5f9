"""Who is asked whether a VAT ID is valid, as the portal sees it. The one there is: portal.vat.vies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

# Why nothing was learned, besides the codes of VIES's.
UNREACHABLE: Final = "unreachable"
TIMED_OUT: Final = "timed_out"
UNREADABLE: Final = "unreadable"
LEFT_ALONE: Final = "left_alone"


@dataclass(frozen=True, slots=True)
class Answer:
    """A yes or a no. `body` is what was said, whole; the texts are empty where nothing was said of them."""

    is_valid: bool
    consultation_number: str
    trader_name: str
    trader_address: str
    body: str


class NotAnswered(Exception):
    """Neither yes nor no: nothing may be made of it. `reason` is one of the words above or a code of the service's."""

    def __init__(self, reason: str, body: str = "") -> None:
        super().__init__(reason)
        self.reason, self.body = reason, body


class Verifier(Protocol):
    def ask(self, tax_id: str, requester: str) -> Answer:
        """Whether this VAT ID is valid now, asked on behalf of `requester`, a VAT ID or "". Both begin with their country's letters.

        May take some seconds, so it is called outside of transactions. Raises NotAnswered.
        """
