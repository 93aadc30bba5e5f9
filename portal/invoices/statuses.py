"""The statuses of an invoice, and how it stands for whoever has to pay it: what is being done about an open one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final


class InvoiceStatus(StrEnum):
    """Overdue is none of its own: it is an open invoice whose due date has passed. `credited`: nothing of it was paid, and all of it
    was taken back by credit notes. `written_off`: what was due is not expected any more; it is owed all the same.
    """

    OPEN = "open"
    PAID = "paid"
    CREDITED = "credited"
    WRITTEN_OFF = "written_off"
    VOID = "void"


class InvoiceStanding(StrEnum):
    UNDER_REVIEW = "under_review"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    SCHEDULED = "scheduled"
    RETRYING = "retrying"
    OVERDUE = "overdue"
    OPEN = "open"
    PAID = "paid"
    CREDITED = "credited"
    WRITTEN_OFF = "written_off"
    VOID = "void"


# A payment of it was begun and may still take its money.
BEING_PAID: Final = (InvoiceStanding.UNDER_REVIEW, InvoiceStanding.PROCESSING, InvoiceStanding.REQUIRES_ACTION)
# The customer need not pay these now. When more than one is true, the first one is told.
UNDER_WAY: Final = (*BEING_PAID, InvoiceStanding.SCHEDULED)
# A charge by itself was declined and comes again on a day: due, and to be paid by hand as well.
DUE: Final = (InvoiceStanding.RETRYING, InvoiceStanding.OVERDUE, InvoiceStanding.OPEN)


@dataclass(frozen=True, slots=True)
class Standing:
    """`on` is the day of the next charge, where one comes by itself; of PROCESSING, if that takes days, by when the money is expected."""

    status: InvoiceStanding
    on: date | None = None

    @property
    def is_due(self) -> bool:
        """Whether it counts as due, and Pay is offered: neither while it is on its way, nor when nothing is owed."""
        return self.status in DUE

    @property
    def is_under_way(self) -> bool:
        return self.status in UNDER_WAY


class OutsideWay(StrEnum):
    """How an invoice was paid when it was not through Stripe."""

    BANK_TRANSFER = "bank_transfer"
    CASH = "cash"
    CHEQUE = "cheque"
    OTHER = "other"


class CreditStatus(StrEnum):
    """What has become of a credit of an invoice: proposed → credited | rejected. What is proposed waits for a second person."""

    PROPOSED = "proposed"
    CREDITED = "credited"
    REJECTED = "rejected"


class WriteOffStatus(StrEnum):
    """What has become of a write-off: proposed → booked | rejected, booked → reversed. It always needs a second person."""

    PROPOSED = "proposed"
    BOOKED = "booked"
    REJECTED = "rejected"
    REVERSED = "reversed"


class PriceItemStatus(StrEnum):
    ACTIVE = "active"
    RETIRED = "retired"


class OutsideStatus(StrEnum):
    """What has become of a payment that staff recorded: proposed → recorded | rejected, recorded → reversal_proposed | reversed,
    reversal_proposed → reversed | recorded. What is proposed waits for a second person.
    """

    PROPOSED = "proposed"
    RECORDED = "recorded"
    REJECTED = "rejected"
    REVERSAL_PROPOSED = "reversal_proposed"
    REVERSED = "reversed"


# Its money counts towards the invoice, and is in the books.
BOOKED: Final = frozenset({OutsideStatus.RECORDED, OutsideStatus.REVERSAL_PROPOSED})
# Two people must agree, and one of them has not yet.
WAITING: Final = frozenset({OutsideStatus.PROPOSED, OutsideStatus.REVERSAL_PROPOSED})
