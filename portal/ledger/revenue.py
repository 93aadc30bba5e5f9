"""What was sold, by rate of tax, and what of it was given back: postings against what customers owe, and against refunds.

Of an item (ledger.Item) is owed what its postings to RECEIVABLES come to; it was sold for what those to REVENUE and TAX come to. What
goes back is shared out over the rates by portal.core.shares, from what is left of each, and credit notes are made from these postings.
The caller holds the lock of the item: what is left of it is read and then booked.

Source: §§ 14, 16 and 17 UStG (tax arises with the supply, and is corrected with the price); articles 63 and 90 of directive 2006/112/EC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core import shares
from portal.core.money import Money
from portal.ledger.postings import Item, LedgerAccount, Posting, post

_SOLD: Final = (LedgerAccount.REVENUE, LedgerAccount.TAX)
REVERSED: Final = "_reversed"


@dataclass(frozen=True, slots=True)
class Part:
    """What of an item has one rate of tax, in basis points (none: no tax is stated); net and tax in minor units."""

    rate: int | None
    net_minor: int
    tax_minor: int

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.tax_minor


def sell(
    session: Session, kind: str, parts: Iterable[Part], item: Item, *, currency: str, subject: str, at: datetime
) -> None:
    """Book that an item was sold and is owed. A second call writes nothing."""
    for part in parts:
        for account, minor, suffix in _amounts(part):
            post(
                session,
                kind + suffix,
                debit=LedgerAccount.RECEIVABLES,
                credit=account,
                amount=Money(minor, currency),
                subject=subject,
                reference=f"{kind}{suffix}:{item.id}:{_name(part.rate)}",
                at=at,
                item=item,
                rate=part.rate,
            )


def withdraw(session: Session, kind: str, item: Item, *, subject: str, at: datetime) -> None:
    """Book that nothing of an item, of which nothing was paid, is owed any longer. A second call writes nothing."""
    for posting in _of_item(session, item.id):
        if posting.credit in _SOLD and posting.debit == LedgerAccount.RECEIVABLES:
            suffix = "_tax" if posting.credit == LedgerAccount.TAX else ""
            _post_back(session, posting, kind + suffix, f"{kind}:{posting.reference}", subject, at)


def overpay(session: Session, amount: Money, item: Item, *, subject: str, at: datetime, reference: str = "") -> None:
    """Book that so much of a payment, the `subject`, was not owed: it is the customer's, and no longer counts towards the item.

    `reference` is another one than the subject's where a payment pays several items.
    """
    post(
        session,
        "overpaid",
        debit=LedgerAccount.RECEIVABLES,
        credit=LedgerAccount.OVERPAYMENTS,
        amount=amount,
        subject=subject,
        reference=reference or f"overpaid:{subject}",
        at=at,
        item=item,
    )


def give_back(session: Session, amount: Money, item: Item, *, subject: str, movement: str, at: datetime) -> None:
    """Book that the price of an item is lowered by what a refund gives back; `movement` names that, and `subject` is its payment.

    What is more than is left of the item was paid too much. A second call with the movement writes nothing.
    """
    found = _of_item(session, item.id)
    if any(posting.reference.startswith(f"credit:{movement}:") for posting in found):
        return
    rates = _sold(found)
    lowered = min(amount.minor, sum(one.left.total_minor for one in rates))
    parts = shared(lowered, rates)
    _lower(
        session, parts, item, LedgerAccount.REFUNDS, currency=amount.currency, subject=subject, movement=movement, at=at
    )
    if lowered < amount.minor:
        return_overpaid(
            session, Money(amount.minor - lowered, amount.currency), item, subject=subject, movement=movement, at=at
        )


def credit(
    session: Session, parts: Iterable[Part], item: Item, *, currency: str, subject: str, movement: str, at: datetime
) -> None:
    """Book that the price of an item is lowered by these parts before it was paid: so much less is owed. No part is more than what is left
    of its rate (`sold`). A second call with the movement writes nothing.
    """
    _lower(
        session, parts, item, LedgerAccount.RECEIVABLES, currency=currency, subject=subject, movement=movement, at=at
    )


def _lower(
    session: Session,
    parts: Iterable[Part],
    item: Item,
    against: LedgerAccount,
    *,
    currency: str,
    subject: str,
    movement: str,
    at: datetime,
) -> None:
    for part in parts:
        for account, minor, suffix in _amounts(part):
            post(
                session,
                f"credit{suffix}",
                debit=account,
                credit=against,
                amount=Money(minor, currency),
                subject=subject,
                reference=f"credit:{movement}:{_name(part.rate)}{suffix}",
                at=at,
                item=item,
                rate=part.rate,
            )


def credited(session: Session, item_ids: Iterable[str]) -> dict[str, dict[int | None, Part]]:
    """What these items were lowered by before they were paid, by item and rate; nothing of one that was not."""
    of_it = (Posting.item_id.in_(sorted(set(item_ids))), Posting.credit == LedgerAccount.RECEIVABLES)
    found: dict[str, list[tuple[int | None, LedgerAccount, int]]] = {}
    for one in session.scalars(select(Posting).where(*of_it, Posting.kind.in_(("credit", "credit_tax")))):
        found.setdefault(str(one.item_id), []).append((one.tax_rate_basis_points, one.debit, one.amount_minor))
    return {item: {part.rate: part for part in _parts(rows)} for item, rows in found.items()}


@dataclass(frozen=True, slots=True)
class Sold:
    """What an item was sold for at one rate, and what of that is not given back."""

    stated: Part
    left: Part


def sold(session: Session, item_id: str) -> list[Sold]:
    """Of each rate, the highest first."""
    return _sold(_of_item(session, item_id))


def _sold(found: Sequence[Posting]) -> list[Sold]:
    left = _left(found)
    return [Sold(part, Part(part.rate, *left.get(part.rate, (0, 0)))) for part in _stated(found)]


def shared(minor: int, of: Sequence[Sold]) -> list[Part]:
    """An amount with its tax, shared out over net and tax of each rate by what is left of them; rates of which nothing comes are left out.

    Raises ValueError where less is left.
    """
    if not minor:
        return []
    amounts = [each for one in of for each in (one.stated.net_minor, one.stated.tax_minor)]
    left = [each for one in of for each in (one.left.net_minor, one.left.tax_minor)]
    given = shares.share(minor, amounts, [before - after for before, after in zip(amounts, left, strict=True)])
    parts = [Part(one.stated.rate, given[2 * at], given[2 * at + 1]) for at, one in enumerate(of)]
    return [part for part in parts if part.total_minor]


def return_overpaid(session: Session, amount: Money, item: Item, *, subject: str, movement: str, at: datetime) -> None:
    """Book that a refund lowers no price: it gives back what was paid too much of this payment, the `subject`. A second call with the
    movement writes nothing.

    What was not too much by these books doubles a payment that they do not know: it stands on OTHER, where a bookkeeper finds it.
    """
    found = _of_item(session, item.id)
    if any(posting.reference.startswith(f"returned:{movement}:") for posting in found):
        return
    mine = [posting for posting in found if posting.subject == subject]
    overpaid = sum(
        posting.amount_minor
        * ((posting.credit == LedgerAccount.OVERPAYMENTS) - (posting.debit == LedgerAccount.OVERPAYMENTS))
        for posting in mine
    )
    known = min(amount.minor, max(overpaid, 0))
    for account, minor in ((LedgerAccount.OVERPAYMENTS, known), (LedgerAccount.OTHER, amount.minor - known)):
        if minor:
            post(
                session,
                "overpaid_returned",
                debit=account,
                credit=LedgerAccount.REFUNDS,
                amount=Money(minor, amount.currency),
                subject=subject,
                reference=f"returned:{movement}:{account}",
                at=at,
                item=item,
            )


def take_again(session: Session, item: Item, *, subject: str, movement: str, at: datetime) -> None:
    """Book that a refund has failed: what was given back with this movement is as it was before. A second call writes nothing."""
    for posting in _of_item(session, item.id):
        if posting.reference.startswith((f"credit:{movement}:", f"returned:{movement}:")):
            _post_back(session, posting, posting.kind + REVERSED, f"reversed:{posting.reference}", subject, at)


def given_back(session: Session, item_id: str, movement: str) -> list[Part]:
    """What a movement lowered the price by, the highest rate first; nothing where it lowered none."""
    found = [one for one in _of_item(session, item_id) if one.reference.startswith(f"credit:{movement}:")]
    return _parts((one.tax_rate_basis_points, one.debit, one.amount_minor) for one in found)


def _amounts(part: Part) -> Iterable[tuple[LedgerAccount, int, str]]:
    both = ((LedgerAccount.REVENUE, part.net_minor, ""), (LedgerAccount.TAX, part.tax_minor, "_tax"))
    return [(account, minor, suffix) for account, minor, suffix in both if minor]


def _name(rate: int | None) -> str:
    return "none" if rate is None else str(rate)


def _of_item(session: Session, item_id: str) -> Sequence[Posting]:
    return session.scalars(select(Posting).where(Posting.item_id == item_id).order_by(Posting.at, Posting.id)).all()


def _stated(found: Iterable[Posting]) -> list[Part]:
    """What an item was sold for."""
    return _parts(
        (one.tax_rate_basis_points, one.credit, one.amount_minor)
        for one in found
        if one.debit == LedgerAccount.RECEIVABLES and one.credit in _SOLD
    )


def _left(found: Iterable[Posting]) -> dict[int | None, tuple[int, int]]:
    """Net and tax of each rate that are not given back."""
    sums: dict[int | None, list[int]] = {}
    for one in found:
        for account, sign in ((one.credit, 1), (one.debit, -1)):
            if account in _SOLD:
                at = sums.setdefault(one.tax_rate_basis_points, [0, 0])
                at[_SOLD.index(account)] += sign * one.amount_minor
    return {rate: (net, tax) for rate, (net, tax) in sums.items()}


def _parts(rows: Iterable[tuple[int | None, LedgerAccount, int]]) -> list[Part]:
    sums: dict[int | None, list[int]] = {}
    for rate, account, minor in rows:
        sums.setdefault(rate, [0, 0])[_SOLD.index(account)] += minor
    in_order = sorted(sums, key=lambda rate: -1 if rate is None else rate, reverse=True)
    return [Part(rate, *sums[rate]) for rate in in_order]


def _post_back(session: Session, posting: Posting, kind: str, reference: str, subject: str, at: datetime) -> None:
    post(
        session,
        kind,
        debit=posting.credit,
        credit=posting.debit,
        amount=posting.amount,
        subject=subject,
        reference=reference,
        at=at,
        item=Item(str(posting.customer_id), str(posting.item_id)),
        rate=posting.tax_rate_basis_points,
    )
