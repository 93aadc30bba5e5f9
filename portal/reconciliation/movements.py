"""Which postings a balance transaction must have: the rule by which the books equal Stripe's, line by line.

Every movement of the balance is accounted for by exactly one set of postings: its amount against the account that it is about, its fee, and
an exchange where it was settled in another currency. The rule starts from Stripe's figures, so a posting that is off by a cent shows.
Source: Stripe, "Balance transaction types".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.money import Money
from portal.disputes import queries as disputes
from portal.disputes.models import Dispute
from portal.gateway import BalanceTransaction
from portal.ledger import LedgerAccount, Posting
from portal.payments import queries as payments
from portal.payments.models import Allocation, Payment
from portal.refunds.models import Refund

CHARGES: Final = frozenset({"charge", "payment"})
REFUNDS: Final = frozenset({"refund", "payment_refund"})
# A debit that its bank refused, or that was called off, leaves the balance again.
CHARGE_FAILURES: Final = frozenset({"payment_failure_refund"})
REFUND_FAILURES: Final = frozenset({"refund_failure"})
# Movements that only Stripe knows of: reconciliation itself posts them, against this account and under this word.
OF_STRIPE: Final[dict[str, tuple[LedgerAccount, str]]] = {
    "payout": (LedgerAccount.BANK, "payout"),
    "payout_cancel": (LedgerAccount.BANK, "payout"),
    "payout_failure": (LedgerAccount.BANK, "payout"),
    "topup": (LedgerAccount.BANK, "topup"),
    "topup_reversal": (LedgerAccount.BANK, "topup"),
    "stripe_fee": (LedgerAccount.FEES, "stripe_fee"),
    "stripe_fx_fee": (LedgerAccount.FEES, "stripe_fee"),
    "tax_fee": (LedgerAccount.FEES, "stripe_fee"),
    "network_cost": (LedgerAccount.FEES, "stripe_fee"),
}
# What a word is called when the money goes the other way. A top-up comes in, everything else goes out.
RETURNED: Final = "_returned"
INCOMING: Final = frozenset({"topup", "other"})
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Expected:
    """A posting that must be there. `amount` is positive."""

    kind: str
    debit: LedgerAccount
    credit: LedgerAccount
    amount: Money
    reference: str


@dataclass(slots=True)
class Account:
    """What a movement must have been posted as. `subject` is that of its postings; `at` the time that they carry, if it is known.

    `is_known` is false where nothing here accounts for it. `is_ours_to_post` where nobody but reconciliation does.
    """

    movement: BalanceTransaction
    subject: str = ""
    payment: Payment | None = None
    expected: list[Expected] = field(default_factory=list)
    is_known: bool = True
    is_ours_to_post: bool = False
    posted: dict[str, Posting] = field(default_factory=dict)

    @property
    def missing(self) -> list[Expected]:
        return [one for one in self.expected if one.reference not in self.posted]

    @property
    def wrong(self) -> list[tuple[Expected, Posting]]:
        """Those that are there and say something else."""
        pairs = [(one, self.posted[one.reference]) for one in self.expected if one.reference in self.posted]
        return [
            (one, posting)
            for one, posting in pairs
            if (posting.debit, posting.credit, posting.amount) != (one.debit, one.credit, one.amount)
        ]

    @property
    def booked_at(self) -> datetime | None:
        """When our postings for it are of, once all are there and right."""
        if not self.is_known or self.missing or self.wrong:
            return None
        return max((posting.at for posting in self.posted.values()), default=self.movement.created)


def accounts_of(session: Session, movements: Sequence[BalanceTransaction]) -> list[Account]:
    """Each movement with what must have been posted for it, and what was."""
    known = _Known(session, [movement.source_id for movement in movements if movement.source_id])
    found = [_account(known, movement) for movement in movements]
    others = _postings(session, [_other_reference(account.movement) for account in found if not account.is_known])
    for account in found:
        if not account.is_known and _other_reference(account.movement) in others:
            post_as_other(account)
    posted = _postings(session, [one.reference for account in found for one in account.expected])
    for account in found:
        account.posted = {one.reference: posted[one.reference] for one in account.expected if one.reference in posted}
    return found


def post_as_other(account: Account) -> None:
    """A person has said why it is right: from now on it must be in the books as something else than the portal's business."""
    account.is_known = account.is_ours_to_post = True
    account.expected = _signed(OTHER, LedgerAccount.OTHER, account.movement)


def _other_reference(movement: BalanceTransaction) -> str:
    return f"{OTHER if movement.amount.minor > 0 else OTHER + RETURNED}:{movement.id}"


def _postings(session: Session, references: list[str]) -> dict[str, Posting]:
    if not references:
        return {}
    found = session.execute(select(Posting).where(Posting.reference.in_(references)))
    return {posting.reference: posting for posting in found.scalars()}


class _Known:
    """Our rows behind the sources of some movements."""

    def __init__(self, session: Session, sources: list[str]) -> None:
        self.payments = _by(session, Payment, Payment.stripe_charge_id, sources)
        self.debits = self._debits(session, sources)
        self.refunds = _by(session, Refund, Refund.stripe_refund_id, sources)
        self.disputes = _by(session, Dispute, Dispute.stripe_dispute_id, sources)
        of_refunds = [refund.payment_id for refund in self.refunds.values()]
        self.paid = _by(session, Payment, Payment.id, of_refunds) if of_refunds else {}
        self.allocations = payments.allocations_of_all(session, [one.id for one in self.payments.values()])

    def _debits(self, session: Session, sources: list[str]) -> dict[str, Payment]:
        """The payments of debits by their charge, also where something else was tried after it: then its posting names the payment."""
        last = {charge: payment for charge, payment in self.payments.items() if payment.is_by_debit}
        posted = _postings(session, [f"debit:{source}" for source in sources if source not in self.payments])
        paid = _by(session, Payment, Payment.id, [posting.subject for posting in posted.values()]) if posted else {}
        return last | {name.removeprefix("debit:"): paid[posting.subject] for name, posting in posted.items()}


def _by(session: Session, model: Any, column: Any, values: Iterable[str]) -> dict[str, Any]:
    found = session.execute(select(model).where(column.in_(list(values)))).scalars()
    return {getattr(row, column.key): row for row in found}


def _account(known: _Known, movement: BalanceTransaction) -> Account:
    source = movement.source_id or ""
    if movement.type in CHARGES | CHARGE_FAILURES and source in known.debits:
        return _of_debit(known.debits[source], movement, source)
    if movement.type in CHARGES and source in known.payments:
        payment = known.payments[source]
        return _of_charge(payment, known.allocations.get(payment.id, []), movement)
    if movement.type in REFUNDS | REFUND_FAILURES and source in known.refunds:
        refund = known.refunds[source]
        return _of_refund(refund, known.paid.get(refund.payment_id), movement)
    if source in known.disputes:
        return _of_dispute(known.disputes[source], movement)
    if movement.type in OF_STRIPE:
        contra, word = OF_STRIPE[movement.type]
        return Account(movement, source[:40], expected=_signed(word, contra, movement), is_ours_to_post=True)
    return Account(movement, is_known=False)


def _of_charge(payment: Payment, allocations: Sequence[Allocation], movement: BalanceTransaction) -> Account:
    """Of several invoices there is a posting for each; what Stripe has otherwise than they come to shows in the first one."""
    paid = movement.amount if movement.amount.currency == payment.currency else payment.amount
    others = allocations[1:]
    first = paid - Money(sum(one.amount_minor for one in others), paid.currency)
    intent_id = str(payment.stripe_intent_id)
    parts = [(first, f"charge:{intent_id}"), *((one.amount, one.reference("charge", intent_id)) for one in others)]
    expected = [
        *(Expected("charge", LedgerAccount.STRIPE, LedgerAccount.RECEIVABLES, *part) for part in parts),
        *_exchange("charge", paid, movement),
        *_fee("fee", movement),
    ]
    return Account(movement, payment.id, payment, expected)


def _of_debit(payment: Payment, movement: BalanceTransaction, charge_id: str) -> Account:
    """It is under way when Stripe enters it; what its success is booked as moves nothing at Stripe."""
    paid = abs(movement.amount) if movement.amount.currency == payment.currency else payment.amount
    if movement.type in CHARGES:
        first = Expected("debit", LedgerAccount.STRIPE, LedgerAccount.UNDERWAY, paid, f"debit:{charge_id}")
    else:
        first = Expected(
            "debit_failed", LedgerAccount.UNDERWAY, LedgerAccount.STRIPE, paid, f"debit_failed:{charge_id}"
        )
    exchanged = _exchange("charge", paid if movement.type in CHARGES else -paid, movement)
    return Account(movement, payment.id, payment, [first, *exchanged, *_fee("fee", movement)])


def _of_refund(refund: Refund, payment: Payment | None, movement: BalanceTransaction) -> Account:
    went_out = movement.type in REFUNDS
    moved = movement.amount if movement.amount.currency == refund.currency else refund.amount
    amount = abs(moved)
    if went_out:
        first = Expected(
            "refund", LedgerAccount.REFUNDS, LedgerAccount.STRIPE, amount, f"refund:{refund.stripe_refund_id}"
        )
    else:
        first = Expected(
            "refund_failed",
            LedgerAccount.STRIPE,
            LedgerAccount.REFUNDS,
            amount,
            f"refund_failed:{refund.stripe_refund_id}",
        )
    exchanged = _exchange("refund", -amount if went_out else amount, movement)
    return Account(movement, refund.payment_id, payment, [first, *exchanged, *_fee("refund_fee", movement)])


def _of_dispute(dispute: Dispute, movement: BalanceTransaction) -> Account:
    amount, fee = movement.amount, movement.fee
    sides = (
        (disputes.WITHDRAWN, -amount, LedgerAccount.DISPUTES, LedgerAccount.STRIPE),
        (disputes.REINSTATED, amount, LedgerAccount.STRIPE, LedgerAccount.DISPUTES),
        (disputes.FEE, fee, LedgerAccount.FEES, LedgerAccount.STRIPE),
        (disputes.FEE_RETURNED, -fee, LedgerAccount.STRIPE, LedgerAccount.FEES),
    )
    expected = [
        Expected(kind, debit, credit, value, f"{kind}:{movement.id}")
        for kind, value, debit, credit in sides
        if value.minor > 0
    ]
    return Account(movement, dispute.payment_id, expected=expected)


def _exchange(kind: str, paid: Money, movement: BalanceTransaction) -> list[Expected]:
    """As ledger.post_exchange writes it."""
    settled = movement.amount
    if paid.currency == settled.currency:
        return []
    incoming = paid.minor > 0
    sides = [(paid, "from", not incoming), (settled, "to", incoming)]
    return [
        Expected(
            f"{kind}_exchange",
            LedgerAccount.STRIPE if is_in else LedgerAccount.EXCHANGE,
            LedgerAccount.EXCHANGE if is_in else LedgerAccount.STRIPE,
            abs(amount),
            f"exchange_{which}:{movement.id}",
        )
        for amount, which, is_in in sides
    ]


def _fee(kind: str, movement: BalanceTransaction) -> list[Expected]:
    """As ledger.post_fee writes it."""
    fee = movement.fee
    if fee.minor == 0:
        return []
    debit, credit = (
        (LedgerAccount.FEES, LedgerAccount.STRIPE) if fee.minor > 0 else (LedgerAccount.STRIPE, LedgerAccount.FEES)
    )
    return [Expected(kind, debit, credit, abs(fee), f"{kind}:{movement.id}")]


def _signed(word: str, contra: LedgerAccount, movement: BalanceTransaction) -> list[Expected]:
    """A movement of Stripe's own and its fee, by the sign of its amount."""
    amount = movement.amount
    incoming = amount.minor > 0
    kind = word if incoming is (word in INCOMING) else word + RETURNED
    debit, credit = (LedgerAccount.STRIPE, contra) if incoming else (contra, LedgerAccount.STRIPE)
    moved = [Expected(kind, debit, credit, abs(amount), f"{kind}:{movement.id}")]
    return [*(moved if amount.minor else []), *_fee("stripe_fee", movement)]
