"""A model of what Stripe holds about one payment, its refunds and its dispute, and of how these may move.

What a fetch would have answered is made from it, and not fetched from the sandbox: so a run tries thousands of snapshots, and states
that no test card leads to. Sources: Stripe, "How PaymentIntents work", "Refund and cancel payments" and "How disputes work".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from portal.core import clock
from portal.core.money import Money
from portal.disputes import queries as disputes
from portal.gateway import BalanceTransaction, Charge, Dispute, Failure, Intent, Refund

NOBODY_KNOWS = "requires_a_new_thing"
PRICE = Money(119_00, "eur")
FEE = Money(1_99, "eur")
PART = Money(30_00, "eur")
DISPUTE_FEE = Money(20_00, "eur")
# For names at Stripe that nothing else has.
numbers = count(1)

# Where Stripe's objects may go from each state.
INTENT_MOVES: Final = {
    "requires_payment_method": (
        "requires_confirmation",
        "requires_action",
        "processing",
        "succeeded",
        "canceled",
        NOBODY_KNOWS,
    ),
    "requires_confirmation": ("requires_action", "processing", "succeeded", "requires_payment_method", "canceled"),
    "requires_action": ("processing", "succeeded", "requires_payment_method", "canceled"),
    "processing": ("succeeded", "requires_payment_method", "canceled"),
    NOBODY_KNOWS: ("processing", "succeeded", "requires_payment_method", "canceled"),
    "succeeded": (),
    "canceled": (),
}
REFUND_MOVES: Final = {
    "pending": ("requires_action", "succeeded", "failed", "canceled"),
    "requires_action": ("pending", "succeeded", "failed", "canceled"),
    "succeeded": ("failed",),
    "failed": (),
    "canceled": (),
}
DISPUTE_MOVES: Final = {
    "warning_needs_response": ("warning_under_review", "warning_closed", "needs_response"),
    "warning_under_review": ("warning_closed", "needs_response"),
    "warning_closed": (),
    "needs_response": ("under_review", "lost", "won"),
    "under_review": ("won", "lost"),
    "won": (),
    "lost": (),
}


def movement(amount: Money, fee: Money, kind: str) -> BalanceTransaction:
    """`kind` is Stripe's type of it, and its category where they are the same."""
    now = clock.now()
    return BalanceTransaction(f"txn_model_{next(numbers)}", amount, fee, now, kind, kind, None, now)


@dataclass
class Truth:
    """What Stripe holds about one payment; every snapshot is a value of its own."""

    intent: Intent
    refunds: dict[str, Refund] = field(default_factory=dict)  # by our row's id
    dispute: Dispute | None = None

    def move_intent(self, status: str) -> None:
        failed = status == "requires_payment_method"
        charge = None
        if status == "succeeded":
            charge = Charge(
                id=f"ch_model_{next(numbers)}",
                card=None,
                balance_transaction=None,
                created=clock.now(),
                amount=PRICE,
                refunded=Money(0, "eur"),
                paid=True,
                intent_id=self.intent.id,
            )
        self.intent = replace(
            self.intent,
            status=status,
            amount_received=PRICE if status == "succeeded" else Money(0, "eur"),
            charge=charge,
            failure=Failure("card_declined", "generic_decline") if failed else None,
        )

    def know_fee(self) -> None:
        assert self.intent.charge is not None
        charge = replace(self.intent.charge, balance_transaction=movement(PRICE, FEE, "charge"))
        self.intent = replace(self.intent, charge=charge)

    def make_refund(self, refund_id: str, stripe_refund_id: str) -> None:
        self.refunds[refund_id] = Refund(
            id=stripe_refund_id,
            status="pending",
            amount=PART,
            intent_id=self.intent.id,
            created=clock.now(),
            movement=movement(-PART, Money(0, "eur"), "refund"),
            metadata={"refund_id": refund_id},
        )

    def move_refund(self, refund_id: str, status: str) -> None:
        came_back = movement(PART, Money(0, "eur"), "refund_failure") if status in {"failed", "canceled"} else None
        self.refunds[refund_id] = replace(self.refunds[refund_id], status=status, return_movement=came_back)

    def open_dispute(self, status: str) -> None:
        assert self.intent.charge is not None
        self.dispute = Dispute(
            id=f"du_model_{next(numbers)}",
            status=status,
            reason="fraudulent",
            amount=PRICE,
            charge_id=self.intent.charge.id,
            intent_id=self.intent.id,
            livemode=False,
            created=clock.now(),
            evidence_due_by=None,
            has_evidence=False,
            is_charge_refundable=status.startswith("warning"),
        )
        self._move_money(status)

    def move_dispute(self, status: str) -> None:
        assert self.dispute is not None
        self.dispute = replace(self.dispute, status=status, is_charge_refundable=status.startswith("warning"))
        self._move_money(status)

    def _move_money(self, status: str) -> None:
        """Withdrawn when an inquiry becomes a dispute, or begins as one; back when it is won."""
        assert self.dispute is not None
        taken = self.dispute.balance_transactions
        if not status.startswith("warning") and not taken:
            taken = (movement(-PRICE, DISPUTE_FEE, "adjustment"),)
        if status == "won":
            taken = (*taken, movement(PRICE, -DISPUTE_FEE, "adjustment"))
        self.dispute = replace(self.dispute, balance_transactions=taken)

    @property
    def books(self) -> Counter[tuple[str, int]]:
        """The postings that this comes to, as (kind, minor units)."""
        found: Counter[tuple[str, int]] = Counter()
        if self.intent.status == "succeeded":
            found["charge", PRICE.minor] += 1
        if self.intent.charge is not None and self.intent.charge.balance_transaction is not None:
            found["fee", FEE.minor] += 1
        for refund in self.refunds.values():
            found["refund", PART.minor] += 1
            found["refund_failed", PART.minor] += refund.return_movement is not None
        for moved in self.dispute.balance_transactions if self.dispute else ():
            out = moved.amount.minor < 0
            found[disputes.WITHDRAWN if out else disputes.REINSTATED, PRICE.minor] += 1
            found[disputes.FEE if out else disputes.FEE_RETURNED, DISPUTE_FEE.minor] += 1
        return +found
