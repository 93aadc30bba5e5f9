"""Sums of a day, so that nobody gives back a large amount in pieces: of one member of staff, and of one customer.

Read in the transaction of an approval, with `lock` before it, they cannot change before it ends.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import clock
from portal.core.money import Money
from portal.identity.models import User
from portal.refunds import policy
from portal.refunds.models import Refund, RefundOrigin, Resolution
from portal.refunds.statuses import FREED, UNDECIDED

AMOUNT = "amount"
OF_STAFF = "staff"
OF_CUSTOMER = "customer"


def lock(session: Session, refunds: Iterable[Refund], *staff_ids: str) -> None:
    """Have approvals of the same customers, or by the same people, wait for each other; in the order of ids, so none waits for ever."""
    customers = select(Customer.id).where(Customer.id.in_({row.customer_id for row in refunds})).order_by(Customer.id)
    session.execute(customers.with_for_update(key_share=True)).all()
    people = select(User.id).where(User.id.in_(staff_ids)).order_by(User.id)
    session.execute(people.with_for_update(key_share=True)).all()


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


def _day(session: Session, refund: Refund, *whose: ColumnElement[bool]) -> Money:
    """The sum of refunds that were decided within the last DAY and stand, and of this one."""
    others = session.scalar(
        select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
            *whose,
            Refund.id != refund.id,
            Refund.currency == refund.currency,
            Refund.decided_at > clock.now() - policy.DAY,
            or_(Refund.status.not_in(FREED | UNDECIDED), Refund.resolution == Resolution.PAID_OUTSIDE),
        )
    )
    return refund.amount + Money(int(others or 0), refund.currency)
