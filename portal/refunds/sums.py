"""Sums of a day, so that nobody gives back a large amount in pieces: of one member of staff, and of one customer.

Read in the transaction of an approval, with `lock` before it, they cannot change before it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import clock, four_eyes, reach
from portal.core.money import Money
from portal.identity.models import User
from portal.refunds import policy, queries
from portal.refunds.models import Refund, RefundOrigin, Resolution
from portal.refunds.statuses import FREED, UNDECIDED, RefundStatus

AMOUNT = "amount"
OF_STAFF = "staff"
OF_CUSTOMER = "customer"


def lock(session: Session, refunds: Iterable[Refund], *staff_ids: str) -> None:
    """Have approvals of the same customers, or by the same people, wait for each other; in the order of ids, so none waits for ever."""
    customers = select(Customer.id).where(Customer.id.in_({row.customer_id for row in refunds})).order_by(Customer.id)
    session.execute(customers.with_for_update(key_share=True)).all()
    people = select(User.id).where(User.id.in_(staff_ids)).order_by(User.id)
    session.execute(people.with_for_update(key_share=True)).all()


def why_two(
    refund: Refund,
    reviewer_id: str | None,
    given_back: Money,
    *,
    of_staff: Callable[[str], Money],
    of_customer: Callable[[], Money],
) -> str:
    """The rule itself: why two people must approve this refund, AMOUNT, OF_STAFF or OF_CUSTOMER, or an empty text.

    `given_back` is of its payment, with this refund; the sums of the day, with this refund too, are asked for as far as they matter.
    """
    if four_eyes.are_needed(given_back):
        return AMOUNT
    people = {reviewer_id, refund.asked_by if refund.origin == RefundOrigin.STAFF else None} - {None}
    if any(policy.is_much_for_staff(of_staff(str(person))) for person in people):
        return OF_STAFF
    return OF_CUSTOMER if policy.is_much_for_customer(of_customer()) else ""


def day_of_staff(session: Session, refund: Refund, user_id: str) -> Money:
    """What this person has approved alone, or proposed, with this refund.

    What two people have approved one of them has looked at besides; of proposals all count, whoever approved them.
    """
    alone = (Refund.decided_by == user_id) & Refund.first_approved_by.is_(None)
    proposed = (Refund.asked_by == user_id) & (Refund.origin == RefundOrigin.STAFF)
    return _day(session, refund, or_(alone, proposed))


def day_of_customer(session: Session, refund: Refund) -> Money:
    """What this refund's customer gets back with it; what was paid twice, or given back at Stripe's dashboard, does not count."""
    return _day(
        session,
        refund,
        Refund.customer_id == refund.customer_id,
        Refund.origin.in_((RefundOrigin.CUSTOMER, RefundOrigin.STAFF)),
    )


def day_of_own(session: Session, refund: Refund, user_id: str) -> Money:
    """What this person has both proposed and decided, with this refund."""
    return _day(session, refund, Refund.asked_by == user_id, Refund.decided_by == user_id)


@dataclass(frozen=True, slots=True)
class Days:
    """What people and customers have come to within the last DAY, in minor units by (id, currency): for many refunds of which none is
    decided yet, in two questions.
    """

    alone_or_proposed: Mapping[tuple[str, str], int]
    customers: Mapping[tuple[str, str], int]

    def of_staff(self, refund: Refund, user_id: str) -> Money:
        """As `day_of_staff`."""
        return refund.amount + Money(self.alone_or_proposed.get((user_id, refund.currency), 0), refund.currency)

    def of_customer(self, refund: Refund) -> Money:
        """As `day_of_customer`."""
        return refund.amount + Money(self.customers.get((refund.customer_id, refund.currency), 0), refund.currency)


def days_of(session: Session, undecided: Sequence[Refund], *staff_ids: str) -> Days:
    """For these refunds, none of which is decided, and for these people besides those who proposed one of them."""
    people = {*staff_ids, *(row.asked_by for row in undecided if row.asked_by and row.origin == RefundOrigin.STAFF)}
    is_alone = Refund.first_approved_by.is_(None)
    is_proposed = Refund.origin == RefundOrigin.STAFF
    total = func.sum(Refund.amount_minor)
    query = select(Refund.decided_by, Refund.asked_by, is_alone, is_proposed, Refund.currency, total).where(
        *_within_a_day(), or_(Refund.decided_by.in_(people), Refund.asked_by.in_(people))
    )
    staff: dict[tuple[str, str], int] = {}
    grouped = query.group_by(Refund.decided_by, Refund.asked_by, is_alone, is_proposed, Refund.currency)
    with reach.everyone("what staff decide in a day is summed up whosever it was"):
        decided = session.execute(grouped).all()
    for decided_by, asked_by, alone, proposed, currency, minor in decided:
        # One who has both proposed and decided a refund has come to it once.
        for person in {decided_by if alone else None, asked_by if proposed else None} & people:
            staff[str(person), currency] = staff.get((str(person), currency), 0) + int(minor)
    theirs = select(Refund.customer_id, Refund.currency, total).where(
        *_within_a_day(),
        Refund.customer_id.in_({row.customer_id for row in undecided}),
        Refund.origin.in_((RefundOrigin.CUSTOMER, RefundOrigin.STAFF)),
    )
    customers = session.execute(theirs.group_by(Refund.customer_id, Refund.currency))
    return Days(staff, {(customer_id, currency): int(minor) for customer_id, currency, minor in customers})


def needs_two_among(session: Session, rows: Sequence[Refund], reviewer_id: str | None = None) -> set[str]:
    """The ids of those of these that wait for a decision which two people must agree on, if the one of this id decides first.

    By the same rule as the decision, in three questions for all of them.
    """
    found = {row.id for row in rows if row.status == RefundStatus.APPROVED_ONCE}
    asked = [row for row in rows if row.status == RefundStatus.REQUESTED]
    if not asked:
        return found
    given_back = given_back_of(session, asked)
    days = days_of(session, asked, *filter(None, [reviewer_id]))
    for row in asked:
        in_all = row.amount + Money(given_back.get(row.payment_id, 0), row.currency)
        staff, customer = partial(days.of_staff, row), partial(days.of_customer, row)
        if why_two(row, reviewer_id, in_all, of_staff=staff, of_customer=customer):
            found.add(row.id)
    return found


def given_back_of(session: Session, undecided: Sequence[Refund]) -> dict[str, int]:
    """What goes back of their payments already, in minor units by the payment's id, beside what nobody has decided."""
    total = func.sum(Refund.amount_minor)
    query = select(Refund.payment_id, total).where(
        Refund.payment_id.in_({row.payment_id for row in undecided}), queries.counts(FREED | UNDECIDED)
    )
    return {payment_id: int(minor) for payment_id, minor in session.execute(query.group_by(Refund.payment_id))}


def _within_a_day() -> tuple[ColumnElement[bool], ...]:
    """Decided within the last DAY, and not taken back."""
    return (
        Refund.decided_at > clock.now() - policy.DAY,
        or_(Refund.status.not_in(FREED | UNDECIDED), Refund.resolution == Resolution.PAID_OUTSIDE),
    )


def _day(session: Session, refund: Refund, *whose: ColumnElement[bool]) -> Money:
    """The sum of refunds that were decided within the last DAY and stand, and of this one."""
    others = session.scalar(
        select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
            *whose,
            Refund.id != refund.id,
            Refund.currency == refund.currency,
            *_within_a_day(),
        )
    )
    return refund.amount + Money(int(others or 0), refund.currency)
