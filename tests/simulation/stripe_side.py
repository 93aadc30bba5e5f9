"""What Stripe holds, read with its own SDK and without a line of the portal: the other half of every comparison."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stripe import StripeClient

_PAGE = 100


@dataclass(frozen=True)
class Intent:
    id: str
    status: str
    amount: int
    received: int
    currency: str
    customer: str
    metadata: dict[str, str]
    refunded: int
    is_disputed: bool


@dataclass(frozen=True)
class Refund:
    id: str
    intent_id: str
    status: str
    amount: int
    currency: str
    metadata: dict[str, str]


@dataclass(frozen=True)
class Movement:
    """A balance transaction. `net` is what it changes the balance by, the fee taken off; `intent_id` is None for payouts and the like."""

    id: str
    kind: str
    amount: int
    fee: int
    net: int
    currency: str
    intent_id: str | None


@dataclass
class StripeSide:
    """Amounts are minor units."""

    intents: dict[str, Intent] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    lost_debits: set[str] = field(default_factory=set)
    """The intents whose bank has taken a debit back for good."""

    @property
    def succeeded(self) -> list[Intent]:
        return [intent for intent in self.intents.values() if intent.status == "succeeded"]

    @cached_property
    def refunds_by_intent(self) -> dict[str, list[Refund]]:
        found: dict[str, list[Refund]] = defaultdict(list)
        for refund in self.refunds.values():
            found[refund.intent_id].append(refund)
        return found

    def given_back(self, intent_id: str) -> int:
        """What has gone back of an intent, or is on its way."""
        return sum(
            refund.amount
            for refund in self.refunds_by_intent.get(intent_id, [])
            if refund.status not in {"failed", "canceled"}
        )


def read(client: StripeClient) -> StripeSide:
    """Everything that this account holds, read once."""
    side = StripeSide()
    intent_of: dict[str, str] = {}
    debits: set[str] = set()
    for found in client.v1.payment_intents.list({"limit": _PAGE, "expand": ["data.latest_charge"]}).auto_paging_iter():
        charge: Any = found.latest_charge
        side.intents[found.id] = Intent(
            id=found.id,
            status=found.status,
            amount=found.amount,
            received=found.amount_received or 0,
            currency=found.currency,
            customer=_id(found.customer),
            metadata=dict(found.metadata.to_dict()) if found.metadata else {},
            refunded=charge.amount_refunded if charge else 0,
            is_disputed=bool(charge and charge.disputed),
        )
    for charge in client.v1.charges.list({"limit": _PAGE}).auto_paging_iter():
        intent_of[charge.id] = _id(charge.payment_intent)
        if charge.payment_method_details and charge.payment_method_details.type == "sepa_debit":
            debits.add(charge.id)
    for refund in client.v1.refunds.list({"limit": _PAGE}).auto_paging_iter():
        intent_of[refund.id] = _id(refund.payment_intent)
        side.refunds[refund.id] = Refund(
            id=refund.id,
            intent_id=_id(refund.payment_intent),
            status=refund.status or "",
            amount=refund.amount,
            currency=refund.currency,
            metadata=dict(refund.metadata.to_dict()) if refund.metadata else {},
        )
    for dispute in client.v1.disputes.list({"limit": _PAGE}).auto_paging_iter():
        intent_of[dispute.id] = _id(dispute.payment_intent)
        if dispute.status == "lost" and _id(dispute.charge) in debits:
            side.lost_debits.add(_id(dispute.payment_intent))
    for movement in client.v1.balance_transactions.list({"limit": _PAGE}).auto_paging_iter():
        source = _id(movement.source)
        side.movements.append(
            Movement(
                id=movement.id,
                kind=movement.type,
                amount=movement.amount,
                fee=movement.fee,
                net=movement.net,
                currency=movement.currency,
                intent_id=intent_of.get(source),
            )
        )
    return side


def _id(reference: Any) -> str:
    """The id of what may be expanded; empty for nothing."""
    if reference is None or isinstance(reference, str):
        return reference or ""
    return str(reference.id)
