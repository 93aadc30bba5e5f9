"""Which invoices a payment is for, and how much of each: checked before it is written, and counted when its money comes.

A payment of invoices has an allocation for each of them (portal.payments.models.Allocation), also where it is one. All that is asked of a
payment "of an invoice" goes by these rows. Whoever begins a payment locks its invoices, in the order of their ids, and finds what is live
of them; who settles one locks the payment first. Of a payment without an invoice there is nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from portal import ledger
from portal.core import crash, db
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.core.money import Money
from portal.core.synced_rows import hold_for_review
from portal.invoices import drafts, part_payments
from portal.invoices import queries as invoice_queries
from portal.invoices import service as invoices
from portal.invoices.models import Invoice
from portal.ledger import revenue
from portal.payments import jobs, queries
from portal.payments.models import Allocation, Payment
from portal.payments.order_rules import INVOICES_AN_ENTRY, LONGEST_DESCRIPTION, MOST_INVOICES, Share
from portal.payments.statuses import Duplicate

# In characters: a reason for staff to look at a payment has room for so many.
LONGEST_REASON: Final = 300
# Why not, for programs.
UNKNOWN_INVOICE: Final = "unknown_invoice"
MIXED_CURRENCIES: Final = "mixed_currencies"
BEING_PAID: Final = "payment_in_progress"


@dataclass(frozen=True, slots=True)
class Part:
    """What a payment is to take of an invoice, whose row is locked."""

    invoice: Invoice
    amount: Money


def lock_parts(
    session: Session, customer_id: str, shares: Sequence[Share], *, at_most: Money | None = None
) -> list[Part]:
    """The invoices of a payment that is to begin, in the order in which they were named, locked until the caller's transaction ends, with
    what it takes of each.

    Raises what invoices.lock_payable does, for each of them; Invalid for a selection that cannot be paid at once (field "invoices").
    `at_most` is what the customer was shown or told, of all of them together.
    """
    check_shares(shares)
    if len(shares) == 1:
        (one,) = shares
        is_part = one.amount is not None
        allowed = None if is_part else at_most
        invoice = invoices.lock_payable(session, one.invoice_id, customer_id, at_most=allowed, is_alone=not is_part)
        return [_part(invoice, one)]
    locked = {}
    for one in sorted(shares, key=lambda share: share.invoice_id):
        try:
            locked[one.invoice_id] = invoices.lock_payable(session, one.invoice_id, customer_id, is_alone=False)
        except NotFound as error:
            raise _unknown() from error
    parts = [_part(locked[one.invoice_id], one) for one in shares]
    total = checked_total([part.amount for part in parts])
    if at_most is not None and (at_most.currency != total.currency or total > at_most):
        raise Conflict(
            N_("You were not charged: %(due)s is due of these invoices now. Please look at them again."),
            code=invoices.AMOUNT_CHANGED,
            due=total,
        )
    return parts


def _unknown() -> Invalid:
    return Invalid(N_("One of these invoices was not found among yours."), field="invoices", code=UNKNOWN_INVOICE)


def check_selection(session: Session, customer_id: str, shares: Sequence[Share]) -> Money:
    """What they come to, before anything is locked or begun. Raises as lock_parts does, for who is still choosing."""
    check_shares(shares)
    try:
        found = [invoice_queries.for_customer(session, one.invoice_id, customer_id) for one in shares]
    except NotFound as error:
        raise _unknown() from error
    for invoice in found:
        invoices.refuse_unpayable(invoice)
        invoices.refuse_while_recording(session, invoice)
    return checked_total([_part(invoice, one).amount for invoice, one in zip(found, shares, strict=True)])


def check_shares(shares: Sequence[Share]) -> None:
    """Raises Invalid for a selection that names none, too many, or one twice; nothing is read for it."""
    if not shares:
        raise Invalid(N_("Please choose at least one invoice."), field="invoices")
    if len(shares) > MOST_INVOICES:
        raise Invalid(
            N_("Please choose at most %(most)s invoices for one payment."), field="invoices", most=MOST_INVOICES
        )
    if len({one.invoice_id for one in shares}) < len(shares):
        raise Invalid(N_("Each invoice can be chosen once."), field="invoices")


def _part(invoice: Invoice, share: Share) -> Part:
    """Raises Invalid (field "amount") for an amount that cannot be paid of it at once, Conflict for one of an invoice that is not open."""
    if share.amount is None:
        return Part(invoice, invoice.amount_due)
    invoices.refuse_unpayable(invoice)
    part_payments.check(invoice, share.amount)
    return Part(invoice, share.amount)


def checked_total(amounts: Sequence[Money]) -> Money:
    """What they come to, as one payment. Raises Invalid (field "invoices") where they are in several currencies, or where Stripe would
    refuse to charge it.
    """
    if len({amount.currency for amount in amounts}) > 1:
        raise Invalid(
            N_("These invoices are in different currencies. Please pay those of each currency separately."),
            field="invoices",
            code=MIXED_CURRENCIES,
        )
    total = Money(sum(amount.minor for amount in amounts), amounts[0].currency)
    try:
        drafts.check_chargeable(total)
    except Invalid as error:
        error.field = "invoices"
        raise
    return total


def total(parts: Sequence[Part]) -> Money:
    """What parts that are locked come to."""
    return Money(sum(part.amount.minor for part in parts), parts[0].amount.currency)


def described(parts: Sequence[Part]) -> str:
    """The numbers of the invoices, as far as they fit on a line: "INV-7, INV-9 + 3"."""
    numbers = [part.invoice.number for part in parts]
    for shown in range(len(numbers), 0, -1):
        rest = f" + {len(numbers) - shown}" if shown < len(numbers) else ""
        text = ", ".join(numbers[:shown]) + rest
        if len(text) <= LONGEST_DESCRIPTION:
            return text
    return numbers[0][:LONGEST_DESCRIPTION]


def live(session: Session, parts: Sequence[Part]) -> Payment | None:
    """The payment that these parts have already, of just these amounts; the caller holds the invoices' locks.

    Raises Conflict where one of the invoices has a live payment with others, or of another amount: see canceling.end_others.
    """
    found = queries.live_of_invoices(session, [part.invoice.id for part in parts])
    if not found:
        return None
    wanted = {part.invoice.id: part.amount.minor for part in parts}
    if len(found) == 1 and found[0].amounts == wanted:
        return found[0]
    taken = next(part.invoice for part in parts if any(part.invoice.id in one.amounts for one in found))
    raise Conflict(
        N_("A payment of invoice %(number)s was just started. Please try again."), code=BEING_PAID, number=taken.number
    )


def wanted(session: Session, customer_id: str, shares: Sequence[Share]) -> Mapping[str, int]:
    """What these shares come to now, in minor units by invoice, without any lock. Raises NotFound for one that is not this customer's."""
    try:
        found = [invoice_queries.for_customer(session, one.invoice_id, customer_id) for one in shares]
    except NotFound as error:
        if len(shares) > 1:
            raise _unknown() from error
        raise
    return {invoice.id: _part(invoice, one).amount.minor for invoice, one in zip(found, shares, strict=True)}


def rows_of(parts: Sequence[Part]) -> list[Allocation]:
    """The rows of a payment that is not written yet."""
    return [
        Allocation(
            id=db.new_id("alc"),
            position=position,
            invoice_id=part.invoice.id,
            opening=part.invoice.opening,
            amount_minor=part.amount.minor,
            currency=part.amount.currency,
        )
        for position, part in enumerate(parts, 1)
    ]


def named(parts: Sequence[Part]) -> dict[str, Any]:
    """What a payment is for, as its audit event says it: {"invoice": "inv_…"} or none, or {"invoices": ["inv_…", …]}."""
    ids = [part.invoice.id for part in parts]
    return {"invoices": ids} if len(ids) > 1 else {"invoice": next(iter(ids), None)}


def labels(allocations: Sequence[Allocation]) -> dict[str, str]:
    """Likewise, as entries of an intent's metadata: one invoice by its id, several with what is paid of each in minor units."""
    if len(allocations) <= 1:
        return {"invoice_id": allocations[0].invoice_id if allocations else ""}
    written = [f"{one.invoice_id}={one.amount_minor}" for one in allocations]
    entries = [written[at : at + INVOICES_AN_ENTRY] for at in range(0, len(written), INVOICES_AN_ENTRY)]
    return {"invoice_id": ""} | {f"invoices_{number}": " ".join(entry) for number, entry in enumerate(entries, 1)}


def read_labels(metadata: Mapping[str, str], amount: Money) -> dict[str, Money]:
    """What `labels` wrote of an intent of this amount: what it pays of each invoice, by its id; nothing where it pays none.

    Raises ValueError for what it did not write.
    """
    if metadata.get("invoice_id"):
        return {metadata["invoice_id"]: amount}
    entries = [metadata.get(f"invoices_{number}", "") for number in range(1, MOST_INVOICES // INVOICES_AN_ENTRY + 1)]
    pairs = [one.rpartition("=") for one in " ".join(entries).split()]
    found = {invoice_id: Money(int(minor), amount.currency) for invoice_id, _, minor in pairs}
    if found and (sum(one.minor for one in found.values()) != amount.minor or min(found.values()).minor <= 0):
        raise ValueError("the invoices of an intent do not come to its amount")
    return found


def release(session: Session, payment: Payment, at: datetime) -> None:
    """Its invoices are not claimed any more: the payment is canceled. A second call changes nothing."""
    for one in queries.allocations_of(session, payment.id):
        one.released_at = one.released_at or at


def settle(session: Session, payment: Payment, at: datetime) -> None:
    """Count the money of a payment that succeeds towards its invoices, in the caller's transaction, which holds the payment and has posted
    it for each of them.

    The money has arrived all the same when an invoice was paid or withdrawn meanwhile, or when less was due: what was not owed is booked as
    overpaid, and staff look at it. Where none of it was owed, what was paid twice goes back by itself (see
    portal.refunds.service.return_duplicate).
    """
    found = queries.allocations_of(session, payment.id)
    closed = [one for one in sorted(found, key=lambda one: one.invoice_id) if not _count(session, payment, one, at)]
    if len(closed) == len(found):
        payment.duplicate = Duplicate.PAID_TWICE
        why = "the invoice was not open any more when the money arrived: refund it as a duplicate"
        hold_for_review(session, payment, why)
        jobs.return_duplicate.enqueue(session, payment_id=payment.id)
    elif closed:
        named = ", ".join(f"{one.amount} of {one.invoice.number}" for one in closed)
        why = f"not open any more when the money arrived: refund as a duplicate {named}"
        hold_for_review(session, payment, why[:LONGEST_REASON])


def _count(session: Session, payment: Payment, one: Allocation, at: datetime) -> bool:
    """False where its invoice is not open any more, or was paid by another one for which it gave up its claim."""
    item, reference = ledger.Item(payment.customer_id, one.invoice_id), one.reference("overpaid", payment.id)
    try:
        invoice = invoices.lock_open(session, one.invoice_id, payment.customer_id)
        if one.released_at is not None:
            raise Conflict
    except Conflict:
        one.released_at = one.released_at or at
        revenue.overpay(session, one.amount, item, subject=payment.id, at=at, reference=reference)
        return False
    if one.amount > invoice.amount_due:
        due = invoice.amount_due
        revenue.overpay(session, one.amount - due, item, subject=payment.id, at=at, reference=reference)
        why = f"{one.amount} arrived, and {due} was due of {invoice.number}: refund the difference"
        hold_for_review(session, payment, why)
    invoices.mark_paid(session, invoice.id, at, one.amount)
    one.settled_at = at
    crash.point("invoice paid")
    return True
