"""The queue of staff: which requests wait for whom, in which order, and which is next. Nothing here commits.

Each request that waits stands in one of four places, from the point of view of who asks: they may decide it now, it needs another person, a
colleague has taken it, or its customer was asked something. Who may decide is ruled by portal.refunds.deciding; what is written here as a
condition of SQL is the part of it that a list can be made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    false,
    func,
    not_,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Session, joinedload

from portal.core import clock, config, db, money
from portal.core.db import UTCDateTime
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.core.permissions import Permission
from portal.disputes import queries as disputes
from portal.refunds import queries
from portal.refunds.deciding import CLAIM_HOLDS
from portal.refunds.models import Refund, RefundOrigin
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


@dataclass(frozen=True, slots=True)
class Counts:
    """How many requests stand in each place for someone, and how many refunds have failed, or have an unknown status, for all."""

    places: dict[Place, int]
    failed: int
    unknown: int


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
    query = _whole(rights_of(reviewer), wanted, after is not None)
    return list(session.scalars(query, {**values(reviewer), **_place(wanted, after), "most": most}))


def next_for(session: Session, reviewer: Reviewer, wanted: Filter, after: Refund) -> str | None:
    """The id of the request that is decided next: the first behind this one, else the first of all; None when none is left."""
    rights, mine = rights_of(reviewer), replace(wanted, place=Place.MINE)
    given = {**values(reviewer), **_place(mine, after), "most": 1, "but": after.id}
    behind: str | None = session.scalar(_others(rights, mine, behind=True), given)
    return behind or session.scalar(_others(rights, mine, behind=False), given)


def oldest(session: Session, reviewer: Reviewer, *, second: bool) -> str | None:
    """The id of the oldest request that this person may decide now: of those that were approved once, or of all others; None for none."""
    found: str | None = session.scalar(_oldest(rights_of(reviewer), second), values(reviewer))
    return found


def total(session: Session, reviewer: Reviewer, wanted: Filter) -> tuple[list[Money], int]:
    """The sums of what is found, by currency, and how many there are; of MOST_SUMMED rows at most."""
    found = session.execute(_sums(rights_of(reviewer), replace(wanted, sort=Sort.OLDEST)), values(reviewer)).all()
    return [Money(int(summed), code) for code, summed, _ in found], sum(row[2] for row in found)


def counts(session: Session, reviewer: Reviewer) -> Counts:
    """How many there are, each counted up to MOST_COUNTED and one more for "more"; in one query."""
    *places, failed, unknown = session.execute(_counts(rights_of(reviewer)), values(reviewer)).one()
    return Counts(dict(zip(Place, places, strict=True)), failed, unknown)


def number_to_do(reviewer: Reviewer) -> int:
    """How many this person can do something about, counted likewise: undecided ones, failed ones, and for approvers unknown ones; in one
    query."""
    (numbers,) = db.rows_of(_numbers_to_do(rights_of(reviewer)), values(reviewer))
    return min(int(sum(numbers)), MOST_COUNTED + 1)


# Whom a question is asked for


@dataclass(frozen=True, slots=True)
class Rights:
    """What the questions of a person are made of besides values: people with the same rights ask the same ones, each of which is written
    once. `own` are the amounts, by currency, that one may approve of one's own.
    """

    decides: bool
    resolves: bool
    approves_large: bool
    own: tuple[tuple[str, int], ...]


def rights_of(reviewer: Reviewer) -> Rights:
    return Rights(
        reviewer.may(Permission.DECIDE_REFUNDS),
        reviewer.may(Permission.RESOLVE_REFUNDS),
        reviewer.may(Permission.APPROVE_LARGE_REFUNDS),
        tuple(
            (currency, money.from_decimal(most, currency).minor)
            for currency, most in config.current().refund_own_approval.items()
        ),
    )


def values(reviewer: Reviewer) -> dict[str, object]:
    """The values of a question that `stands` is part of."""
    return {"reviewer": reviewer.id, "claimed_after": clock.now() - CLAIM_HOLDS}


# Of an undecided one: whether an approval would be the second.
IS_SECOND: Final = Refund.status == RefundStatus.APPROVED_ONCE
_REVIEWER: Final = bindparam("reviewer", type_=String())
_CLAIMED_AFTER: Final = bindparam("claimed_after", type_=UTCDateTime())


def stands(rights: Rights, place: Place) -> ColumnElement[bool]:
    """Whether an undecided request stands in this place for someone; `values` are theirs."""
    claimed = and_(
        func.coalesce(Refund.claimed_at > _CLAIMED_AFTER, false()), func.coalesce(Refund.claimed_by, "") != _REVIEWER
    )
    taken = or_(claimed, func.coalesce(Refund.assigned_to, _REVIEWER) != _REVIEWER)
    ours = Refund.waiting_since.is_(None)
    match place:
        case Place.MINE:
            return and_(ours, not_(taken), _may_decide(rights))
        case Place.SECOND:
            return and_(ours, not_(taken), not_(_may_decide(rights)))
        case Place.TAKEN:
            return and_(ours, taken)
        case Place.CUSTOMER:
            return not_(ours)


def _may_decide(rights: Rights) -> ColumnElement[bool]:
    """Whether this person's approval would be taken. Never NULL, so that it can be turned round."""
    small_ones = [and_(Refund.currency == currency, Refund.amount_minor <= most) for currency, most in rights.own]
    others = or_(Refund.asked_by.is_(None), Refund.asked_by != _REVIEWER)
    of_own = or_(Refund.origin != RefundOrigin.STAFF, others, *small_ones)
    is_whole = or_(Refund.review_reason == "", _if(rights.resolves))
    second = and_(
        Refund.status == RefundStatus.APPROVED_ONCE,
        func.coalesce(Refund.first_approved_by, "") != _REVIEWER,
        others,
        _if(rights.approves_large),
    )
    is_at_it = or_(Refund.status == RefundStatus.REQUESTED, second)
    return and_(_if(rights.decides), of_own, is_whole, is_at_it)


def _if(given: bool) -> ColumnElement[bool]:
    return true() if given else false()


# The questions, each written once for all who have the same rights


@lru_cache(maxsize=64)
def _whole(rights: Rights, wanted: Filter, behind: bool) -> Select[Refund]:
    query = _found(rights, wanted).options(
        joinedload(Refund.customer), joinedload(Refund.payment), joinedload(Refund.invoice)
    )
    return _from(query, wanted, behind).limit(bindparam("most", type_=Integer()))


@lru_cache(maxsize=64)
def _others(rights: Rights, wanted: Filter, *, behind: bool) -> Select[str]:
    query = _found(rights, wanted).with_only_columns(Refund.id).where(Refund.id != bindparam("but"))
    return _from(query, wanted, behind).limit(1)


@lru_cache(maxsize=32)
def _oldest(rights: Rights, second: bool) -> Select[str]:
    query = _found(rights, Filter()).with_only_columns(Refund.id).where(IS_SECOND if second else ~IS_SECOND)
    return _from(query, Filter(), behind=False).limit(1)


@lru_cache(maxsize=64)
def _sums(rights: Rights, wanted: Filter) -> Select[str, int, int]:
    columns = (Refund.currency, Refund.amount_minor)
    currency, minor = _found(rights, wanted).with_only_columns(*columns).limit(MOST_SUMMED).subquery().c
    return select(currency, func.sum(minor), func.count()).group_by(currency).order_by(currency)


@lru_cache(maxsize=16)
def _counts(rights: Rights) -> Select[*tuple[int, ...]]:
    places = [_counted(queries.undecided_ones().where(stands(rights, place)), place) for place in Place]
    return select(*places, _counted(queries.failed_ones(), "failed"), _counted(queries.unknown_ones(), "unknown"))


@lru_cache(maxsize=16)
def _numbers_to_do(rights: Rights) -> Select[*tuple[int, ...]]:
    kinds = {"mine": queries.undecided_ones().where(stands(rights, Place.MINE)), "failed": queries.failed_ones()}
    if rights.resolves:
        kinds["unknown"] = queries.unknown_ones()
    return select(*(_counted(kind, name) for name, kind in kinds.items()))


def _counted(query: Select[Refund], name: str) -> ColumnElement[int]:
    return queries.counted(query, MOST_COUNTED + 1).scalar_subquery().label(name)


def _found(rights: Rights, wanted: Filter) -> Select[Refund]:
    query = queries.undecided_ones().where(stands(rights, wanted.place))
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
            query = query.where(Refund.assigned_to == _REVIEWER)
        case Flag.HELD:
            query = query.where(Refund.review_reason != "")
        case None:
            pass
    return query


def _from(query: Select[Any], wanted: Filter, behind: bool) -> Select[Any]:
    """In the order that is wanted; where `behind` is set, from behind the place that `_place` gives on."""
    column: Any = Refund.amount_minor if wanted.sort == Sort.LARGEST else Refund.asked_at
    falls = wanted.sort != Sort.OLDEST
    if behind:
        place = tuple_(bindparam("place", type_=column.type), bindparam("place_id", type_=String()))
        query = query.where(tuple_(column, Refund.id) < place if falls else tuple_(column, Refund.id) > place)
    return query.order_by(column.desc(), Refund.id.desc()) if falls else query.order_by(column, Refund.id)


def _place(wanted: Filter, after: Refund | None) -> dict[str, object]:
    if after is None:
        return {}
    return {"place": after.amount_minor if wanted.sort == Sort.LARGEST else after.asked_at, "place_id": after.id}
