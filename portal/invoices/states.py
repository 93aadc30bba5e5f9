"""How an invoice stands for whoever has to pay it: its own states, and between them what is being done about an open one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from portal.invoices.models import OPEN, OVERDUE, PAID, VOID

UNDER_REVIEW: Final = "under_review"
PROCESSING: Final = "processing"
WAITS_FOR_CUSTOMER: Final = "requires_action"
SCHEDULED: Final = "scheduled"
RETRYING: Final = "retrying"

# A payment of it was begun and may still take its money.
BEING_PAID: Final = (UNDER_REVIEW, PROCESSING, WAITS_FOR_CUSTOMER)
# The customer need not pay these now. When more than one is true, the first one is told.
UNDER_WAY: Final = (*BEING_PAID, SCHEDULED)
# A charge by itself was declined and comes again on a day: due, and to be paid by hand as well.
DUE: Final = (RETRYING, OVERDUE, OPEN)
STANDINGS: Final = (*UNDER_WAY, *DUE, PAID, VOID)


@dataclass(frozen=True, slots=True)
class Standing:
    """`state` is one of STANDINGS; `on` is the day of the next charge, where one comes by itself."""

    state: str
    on: date | None = None

    @property
    def is_due(self) -> bool:
        """Whether it counts as due, and Pay is offered: neither while it is on its way, nor when nothing is owed."""
        return self.state in DUE

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY
