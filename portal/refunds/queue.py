"""The queue of staff: which requests wait for whom, in which order, and which is next. Nothing here commits.

Each request that waits stands in one of four places, from the point of view of who asks: they may decide it now, it needs another person, a
colleague has taken it, or its customer was asked something. Who may decide is ruled by portal.refunds.deciding; what is written here as a
condition of SQL is the part of it that a list can be made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, false, func, not_, or_, select, true, tuple_
from sqlalchemy.orm import Session, joinedload

from portal.core import clock, config, money
from portal.core.money import Money
from portal.core.permissions import Permission
from portal.disputes import queries as disputes
from portal.payments.models import Payment
from portal.refunds import queries
from portal.refunds.deciding import CLAIM_HOLDS, Reviewer
from portal.refunds.models import QueueView, Refund, RefundOrigin
from portal.refunds.policy import RefundReason
from portal.refunds.statuses import RefundStatus

# More than these are shown as "99+".
MOST_COUNTED: Final = 99
MOST_SUMMED: Final = 10_000
# By which names a filter stands in an address.
ARGUMENTS: Final = frozenset({"place", "reason", "currency", "flag", "sort"})


class Place(StrEnum):
    """Where a request stands for someone: `MINE` may be decided by them now, `SECOND` needs another person, `TAKEN` is in a colleague's
    hands or assigned to one, `CUSTOMER` waits for its customer's answer."""

    MINE = "mine"
    SECOND = "second"
    TAKEN = "taken"
    CUSTOMER = "customer"


class Sort(StrEnum):
    OLDEST = "oldest"
    NEWEST = "newest"
    LARGEST = "largest"


class Flag(StrEnum):
    """What a request may be narrowed by that is told by its payment or by the row."""

    DISPUTED = "disputed"
    WARNED = "warned"
    ASSIGNED = "assigned"  # to whoever looks
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Filter:
    """What the queue is narrowed to, and its order."""

    place: Place = Place.MINE
    reason: RefundReason | None = None
    currency: str = ""
    flag: Flag | None = None
    sort: Sort = Sort.OLDEST

    @property
    def is_narrowed(self) -> bool:
        return bool(self.reason or self.currency or self.flag) or self.sort != Sort.OLDEST

    @property
    def arguments(self) -> dict[str, str]:
        """As it stands in an address; what is usual is left out."""
        given = {
            "place": self.place if self.place != Place.MINE else "",
            "reason": self.reason or "",
            "currency": self.currency,
            "flag": self.flag or "",
            "sort": self.sort if self.sort != Sort.OLDEST else "",
        }
        return {name: str(value) for name, value in given.items() if value}


def parse(given: Mapping[str, str]) -> Filter:
    """A filter from an address; what makes no sense there is left out."""
    return Filter(
        place=Place(given["place"]) if given.get("place") in set(Place) else Place.MINE,
        reason=RefundReason(given["reason"]) if given.get("reason") in set(RefundReason) else None,
        currency=given.get("currency", "") if len(given.get("currency", "")) == 3 else "",
        flag=Flag(given["flag"]) if given.get("flag") in set(Flag) else None,
        sort=Sort(given["sort"]) if given.get("sort") in set(Sort) else Sort.OLDEST,
    )


def page(session: Session, reviewer: Reviewer, wanted: Filter, most: int, after: Refund | None = None) -> list[Refund]:
    """Requests with customer and payment, in their order; from after this one on."""
    query = _found(reviewer, wanted).options(
        joinedload(Refund.customer), joinedload(Refund.payment).joinedload(Payment.invoice)
    )
    return list(session.scalars(_from(query, wanted, after).limit(most)))


def next_for(session: Session, reviewer: Reviewer, wanted: Filter, after: Refund) -> str | None:
    """The id of the request that is decided next: the first behind this one, else the first of all; None when none is left."""
    mine = replace(wanted, place=Place.MINE)
    query = _found(reviewer, mine).with_only_columns(Refund.id).where(Refund.id != after.id)
    behind: str | None = session.scalar(_from(query, mine, after).limit(1))
    return behind or session.scalar(_from(query, mine, None).limit(1))


def total(session: Session, reviewer: Reviewer, wanted: Filter) -> tuple[list[Money], int]:
    """The sums of what is found, by currency, and how many there are; of MOST_SUMMED rows at most."""
    some = (
        _found(reviewer, wanted).with_only_columns(Refund.currency, Refund.amount_minor).limit(MOST_SUMMED).subquery()
    )
    currency, minor = some.c
    found = session.execute(select(currency, func.sum(minor), func.count()).group_by(currency).order_by(currency)).all()
    return [Money(int(summed), code) for code, summed, _ in found], sum(row[2] for row in found)


def counts(session: Session, reviewer: Reviewer) -> dict[Place, int]:
    """How many stand in each place, counted up to MOST_COUNTED and one more for "more"; in one query."""
    places = [
        queries.counted(queries.undecided_ones().where(stands(reviewer, place)), MOST_COUNTED + 1).scalar_subquery()
        for place in Place
    ]
    found = session.execute(select(*places)).one()
    return dict(zip(Place, found, strict=True))


def number_to_do(session: Session, reviewer: Reviewer) -> int:
    """How many this person can do something about, counted likewise: undecided ones, failed ones, and for approvers unknown ones; in one
    query."""
    kinds = [queries.undecided_ones().where(stands(reviewer, Place.MINE)), queries.failed_ones()]
    if reviewer.may(Permission.RESOLVE_REFUNDS):
        kinds.append(queries.unknown_ones())
    numbers = session.execute(select(*(queries.counted(kind, MOST_COUNTED + 1).scalar_subquery() for kind in kinds)))
    return min(sum(numbers.one()), MOST_COUNTED + 1)


def _found(reviewer: Reviewer, wanted: Filter) -> Select[Refund]:
    query = queries.undecided_ones().where(stands(reviewer, wanted.place))
    if wanted.reason is not None:
        query = query.where(Refund.reason == wanted.reason)
    if wanted.currency:
        query = query.where(Refund.currency == wanted.currency)
    match wanted.flag:
        case Flag.DISPUTED:
            query = query.where(disputes.is_blocked(Refund.payment_id))
        case Flag.WARNED:
            query = query.where(disputes.is_warned(Refund.payment_id))
        case Flag.ASSIGNED:
            query = query.where(Refund.assigned_to == reviewer.id)
        case Flag.HELD:
            query = query.where(Refund.review_reason != "")
        case None:
            pass
    return query


def _from(query: Select[Any], wanted: Filter, after: Refund | None) -> Select[Any]:
    column: Any = Refund.amount_minor if wanted.sort == Sort.LARGEST else Refund.asked_at
    falls = wanted.sort != Sort.OLDEST
    if after is not None:
        place = (after.amount_minor if wanted.sort == Sort.LARGEST else after.asked_at, after.id)
        query = query.where(tuple_(column, Refund.id) < place if falls else tuple_(column, Refund.id) > place)
    return query.order_by(column.desc(), Refund.id.desc()) if falls else query.order_by(column, Refund.id)


def views_of(session: Session, user_id: str) -> list[QueueView]:
    """The filters that someone has given a name, by name."""
    return list(session.scalars(select(QueueView).where(QueueView.user_id == user_id).order_by(QueueView.name)))


# Who may decide


def stands(reviewer: Reviewer, place: Place) -> ColumnElement[bool]:
    """Whether an undecided request stands in this place for someone."""
    claimed = and_(
        func.coalesce(Refund.claimed_at > clock.now() - CLAIM_HOLDS, false()),
        func.coalesce(Refund.claimed_by, "") != reviewer.id,
    )
    taken = or_(claimed, func.coalesce(Refund.assigned_to, reviewer.id) != reviewer.id)
    ours = Refund.waiting_since.is_(None)
    match place:
        case Place.MINE:
            return and_(ours, not_(taken), _may_decide(reviewer))
        case Place.SECOND:
            return and_(ours, not_(taken), not_(_may_decide(reviewer)))
        case Place.TAKEN:
            return and_(ours, taken)
        case Place.CUSTOMER:
            return not_(ours)


def _may_decide(reviewer: Reviewer) -> ColumnElement[bool]:
    """Whether this person's approval would be taken. Never NULL, so that it can be turned round."""
    others = or_(Refund.asked_by.is_(None), Refund.asked_by != reviewer.id)
    of_own = or_(Refund.origin != RefundOrigin.STAFF, others, *_small_ones())
    is_whole = or_(Refund.review_reason == "", _if(reviewer.may(Permission.RESOLVE_REFUNDS)))
    second = and_(
        Refund.status == RefundStatus.APPROVED_ONCE,
        func.coalesce(Refund.first_approved_by, "") != reviewer.id,
        others,
        _if(reviewer.may(Permission.APPROVE_LARGE_REFUNDS)),
    )
    is_at_it = or_(Refund.status == RefundStatus.REQUESTED, second)
    return and_(_if(reviewer.may(Permission.DECIDE_REFUNDS)), of_own, is_whole, is_at_it)


def _if(given: bool) -> ColumnElement[bool]:
    return true() if given else false()


def _small_ones() -> list[ColumnElement[bool]]:
    """What one may approve of one's own, as far as the amount alone tells."""
    return [
        and_(Refund.currency == currency, Refund.amount_minor <= money.from_decimal(most, currency).minor)
        for currency, most in config.current().refund_own_approval.items()
    ]
