"""Asking for what a portal.core.listing describes: pages, sums, and all of it in batches. Each question reads a bounded part of one index.

Statements are built once for each shape of a filter; what was typed are their parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Generic

from sqlalchemy import ColumnElement, Integer, Select, bindparam, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.core import company_days, db, keyset, texts
from portal.core.errors import N_, Invalid, NotFound
from portal.core.listing import BY_AMOUNT, Listing, Narrowing, Row, Sort, Wanted, row_by_row
from portal.core.money import Money

# So many rows of an index a page, or a sum, looks through at most.
LOOKED: Final = 10_000
# So many rows a file is made of at most, counted before the conditions that no index serves: some minutes of a download.
MOST_EXPORTED: Final = 100_000
PAGE_SIZE: Final = 50
_BATCH: Final = 500


class TooMany(Invalid):
    """A file of more rows than MOST_EXPORTED."""

    message = N_("More than %(most)s rows: please narrow the days, or choose a customer.")


@dataclass(frozen=True, slots=True)
class Found(Generic[Row]):
    """A page. `is_cut`: it ends where LOOKED rows have been looked through, and `page.older` goes on from there."""

    page: keyset.Page[Row]
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Sums:
    """How many rows there are, and what they come to by currency. Not `is_whole`: there are more than LOOKED to look at, and nothing is
    summed.
    """

    number: int = 0
    totals: tuple[Money, ...] = ()
    is_whole: bool = True


# The question


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which conditions a filter has, whatever their values: there is a statement for each."""

    choices: tuple[tuple[str, str], ...]
    form: int | None
    given: frozenset[str]
    sort: Sort
    dialect: str

    @property
    def by_amount(self) -> bool:
        return self.sort in BY_AMOUNT

    @property
    def falls(self) -> bool:
        return self.sort in {Sort.NEWEST, Sort.LARGEST}


@dataclass(frozen=True, slots=True)
class _Question:
    shape: _Shape
    values: Mapping[str, object]


def order_of(listing: Listing[Any], wanted: Wanted) -> Sort:
    """The order in which this is shown. Raises Invalid for an order that no index serves (field "sort"), NotFound for a choice that is
    not offered.
    """
    is_served = listing.ordered_by_amount and bool(wanted.currency) and not wanted.customer
    if wanted.sort in BY_AMOUNT and not is_served:
        raise Invalid(N_("An order by amount needs a currency, and no customer."), field="sort")
    due = any(_narrowing(listing, *choice).sort == Sort.DUE for choice in wanted.choices)
    if wanted.sort == Sort.DUE and not due:
        raise Invalid(N_("By deadlines only what is open can be ordered."), field="sort")
    if wanted.sort is None and due:
        return Sort.DUE
    if wanted.sort is None:
        has_amounts = wanted.least_minor is not None or wanted.most_minor is not None
        return Sort.LARGEST if is_served and has_amounts and _form_of(listing, wanted)[0] is None else Sort.NEWEST
    return wanted.sort


def _narrowing(listing: Listing[Any], name: str, value: str) -> Narrowing:
    try:
        return listing.choices[name][value]
    except KeyError as error:
        raise NotFound from error


def _form_of(listing: Listing[Any], wanted: Wanted) -> tuple[int | None, Mapping[str, object]]:
    typed = texts.typed(wanted.text)
    if typed:
        for place, form in enumerate(listing.texts):
            values = form.reads(typed)
            if values is not None:
                return place, values
    return None, {}


def _question_of(session: Session, listing: Listing[Any], wanted: Wanted) -> _Question:
    """Raises as order_of does."""
    form, of_text = _form_of(listing, wanted)
    values: dict[str, object] = {
        "customer": wanted.customer or None,
        "currency": wanted.currency or None,
        "least": wanted.least_minor,
        "most": wanted.most_minor,
        "since": company_days.begins(wanted.since) if wanted.since else None,
        "until": company_days.ends(wanted.until) if wanted.until else None,
    }
    given = frozenset(name for name, value in values.items() if value is not None)
    order = order_of(listing, wanted)
    shape = _Shape(wanted.choices, form, given, order, db.dialect_of(session))
    values = {name: value for name, value in values.items() if value is not None}
    return _Question(shape, {**values, **of_text, "today": company_days.today()})


def _conditions(listing: Listing[Any], shape: _Shape) -> tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]]:
    """Those that the index serves which leads through the list, and all others."""
    within: list[ColumnElement[bool]] = []
    besides: list[ColumnElement[bool]] = []
    given = shape.given
    form = listing.texts[shape.form] if shape.form is not None else None
    leads_by_text = form is not None and form.is_few
    leads_by_amount = shape.by_amount and not leads_by_text
    by_due = shape.sort == Sort.DUE and not leads_by_text
    leads_by_customer = "customer" in given and not leads_by_text and not leads_by_amount and not by_due
    if listing.base is not None:
        within.append(listing.base())
    if form is not None:
        (within if form.is_few else besides).append(form.condition(shape.dialect))
    if listing.customer is not None and "customer" in given:
        if leads_by_customer:
            within.append(listing.customer == bindparam("customer"))
        else:
            besides.append(row_by_row(listing.customer) == bindparam("customer"))
    is_led = leads_by_text or leads_by_amount
    for name, value in shape.choices:
        narrowing = _narrowing(listing, name, value)
        if narrowing.within is not None:
            is_served = not is_led and (not leads_by_customer or narrowing.also_of_customer)
            is_served = is_served and (not by_due or narrowing.sort == Sort.DUE)
            (within if is_served else besides).append(narrowing.within())
            is_led = is_led or is_served
        if narrowing.besides is not None:
            besides.append(narrowing.besides())
    leads_by_moment = not leads_by_amount and not by_due
    days, money = (
        _of_days(listing, given, by_index=leads_by_moment),
        _of_money(listing, given, by_index=leads_by_amount),
    )
    (within if leads_by_moment else besides).extend(days)
    (within if leads_by_amount else besides).extend(money)
    return within, besides


def _of_days(listing: Listing[Any], given: frozenset[str], *, by_index: bool) -> Iterator[ColumnElement[bool]]:
    moment = listing.moment if by_index else row_by_row(listing.moment)
    if "since" in given:
        yield moment >= bindparam("since")
    if "until" in given:
        yield moment < bindparam("until")


def _of_money(listing: Listing[Any], given: frozenset[str], *, by_index: bool) -> Iterator[ColumnElement[bool]]:
    if listing.currency is None or listing.amount is None:
        return
    columns = (listing.currency, listing.amount)
    currency, amount = columns if by_index else map(row_by_row, columns)
    if "currency" in given:
        yield currency == bindparam("currency")
    if "least" in given:
        yield amount >= bindparam("least")
    if "most" in given:
        yield amount <= bindparam("most")


def _key(listing: Listing[Any], shape: _Shape) -> tuple[InstrumentedAttribute[Any], ...]:
    if shape.sort == Sort.DUE and listing.deadline is not None:
        return (listing.deadline, listing.row_id)
    by_moment = (listing.moment, listing.row_id)
    return (listing.amount, *by_moment) if shape.by_amount and listing.amount is not None else by_moment


def _beyond(key: Sequence[InstrumentedAttribute[Any]], name: str, *, rising: bool) -> ColumnElement[bool]:
    place = tuple_(*(bindparam(f"{name}_{number}", type_=column.type) for number, column in enumerate(key)))
    return tuple_(*key) > place if rising else tuple_(*key) < place


@lru_cache(maxsize=400)
def _rows_statement(listing: Listing[Row], shape: _Shape, *, rising: bool, begun: bool, has_edge: bool) -> Select[Row]:
    """At most :size rows, from beyond the place on and up to the edge."""
    within, besides = _conditions(listing, shape)
    key = _key(listing, shape)
    query = select(listing.row_id.class_).where(*within, *besides).options(*listing.options)
    if begun:
        query = query.where(_beyond(key, "place", rising=rising))
    if has_edge:
        query = query.where(~_beyond(key, "edge", rising=rising))
    order = key if rising else [column.desc() for column in key]
    return query.order_by(*order).limit(bindparam("size", type_=Integer))


@lru_cache(maxsize=400)
def _edge_statement(listing: Listing[Any], shape: _Shape, *, rising: bool, begun: bool) -> Select[Any]:
    """The key of the row that :skipped rows of the index lie before."""
    within, _besides = _conditions(listing, shape)
    key = _key(listing, shape)
    query = select(*key).where(*within)
    if begun:
        query = query.where(_beyond(key, "place", rising=rising))
    order = key if rising else [column.desc() for column in key]
    return query.order_by(*order).offset(bindparam("skipped", type_=Integer)).limit(1)


@lru_cache(maxsize=400)
def _sums_statement(listing: Listing[Any], shape: _Shape) -> Select[Any]:
    within, besides = _conditions(listing, shape)
    if listing.currency is None or listing.amount is None:
        return select(func.count(listing.row_id)).where(*within, *besides)
    each = select(listing.currency, func.sum(listing.amount), func.count()).where(*within, *besides)
    return each.group_by(listing.currency).order_by(listing.currency)


def _edge(
    session: Session, listing: Listing[Any], question: _Question, *, rising: bool, place: Sequence[object], skipped: int
) -> tuple[Any, ...] | None:
    """The key of the row behind so many; None when there are not so many."""
    statement = _edge_statement(listing, question.shape, rising=rising, begun=bool(place))
    values = {**question.values, **_named("place", place), "skipped": skipped}
    found = session.execute(statement, values).first()
    return None if found is None else tuple(found)


def _named(name: str, key: Sequence[object]) -> dict[str, object]:
    return {f"{name}_{number}": part for number, part in enumerate(key)}


# Pages


def page(
    session: Session, listing: Listing[Row], wanted: Wanted, cursor: str | None = None, *, size: int = PAGE_SIZE
) -> Found[Row]:
    """The page at `cursor`, or the first one. One that has become empty, or lies before the first one's end, is the first one.

    Raises NotFound for a cursor that nobody gave out and for a choice that is not offered, Invalid as order_of does.
    """
    question = _question_of(session, listing, wanted)
    key = _key(listing, question.shape)
    side, place = keyset.decoded_place(cursor, (int, datetime, str)[-len(key) :]) if cursor else ("", ())
    rows, edge = _walk(
        session, listing, question, rising=question.shape.falls == (side == "before"), place=place, size=size
    )
    is_whole = len(rows) <= size and edge is None
    if side and is_whole and (not rows or side == "before"):
        return page(session, listing, wanted, size=size)
    more, rows = len(rows) > size, rows[:size]
    is_cut = edge is not None and not more
    ends = edge if is_cut else tuple(getattr(rows[-1], column.key) for column in key) if rows else None
    begins_at = tuple(getattr(rows[0], column.key) for column in key) if rows else place
    if side == "before":
        rows.reverse()
        newer = keyset.encoded_place("before", ends) if ends is not None else None
        return Found(keyset.Page(rows, older=keyset.encoded_place("after", begins_at), newer=newer), is_cut)
    older = keyset.encoded_place("after", ends) if ends is not None and (more or is_cut) else None
    newer = keyset.encoded_place("before", begins_at) if side else None
    return Found(keyset.Page(rows, older=older, newer=newer), is_cut)


def _walk(
    session: Session,
    listing: Listing[Row],
    question: _Question,
    *,
    rising: bool,
    place: Sequence[object],
    size: int,
) -> tuple[list[Row], tuple[Any, ...] | None]:
    """One row more than a page, so that its end is known; and the key at which LOOKED rows have been looked through, if so many are
    left.
    """
    edge = None
    if _conditions_besides(listing, question.shape):
        edge = _edge(session, listing, question, rising=rising, place=place, skipped=LOOKED - 1)
    statement = _rows_statement(listing, question.shape, rising=rising, begun=bool(place), has_edge=edge is not None)
    values = {**question.values, **_named("place", place), **_named("edge", edge or ()), "size": size + 1}
    return list(session.scalars(statement, values)), edge


@lru_cache(maxsize=400)
def _conditions_besides(listing: Listing[Any], shape: _Shape) -> bool:
    return bool(_conditions(listing, shape)[1])


def sums(session: Session, listing: Listing[Any], wanted: Wanted) -> Sums:
    """What the rows come to that are found, as long as LOOKED of the index are enough to know it. Raises as `page` does."""
    question = _question_of(session, listing, wanted)
    if _edge(session, listing, question, rising=not question.shape.falls, place=(), skipped=LOOKED) is not None:
        return Sums(LOOKED, is_whole=False)
    rows = session.execute(_sums_statement(listing, question.shape), dict(question.values)).all()
    if listing.amount is None:
        return Sums(int(rows[0][0]))
    # PostgreSQL sums bigints as numeric.
    return Sums(sum(row[2] for row in rows), tuple(Money(int(minor), currency) for currency, minor, _ in rows))


def batches(listing: Listing[Row], wanted: Wanted) -> Iterator[tuple[Session, list[Row]]]:
    """All that is found, in its order, each batch in a session of its own, that is open while the batch is used.

    Raises TooMany, before the first one, and as `page` does.
    """
    with db.reading() as session:
        question = _question_of(session, listing, wanted)
        rising = not question.shape.falls
        if _edge(session, listing, question, rising=rising, place=(), skipped=MOST_EXPORTED) is not None:
            raise TooMany(most=MOST_EXPORTED)
    return _batches(listing, question)


def _batches(listing: Listing[Row], question: _Question) -> Iterator[tuple[Session, list[Row]]]:
    key = _key(listing, question.shape)
    place: tuple[object, ...] = ()
    while True:
        statement = _rows_statement(
            listing, question.shape, rising=not question.shape.falls, begun=bool(place), has_edge=False
        )
        with db.reading() as session:
            rows = list(session.scalars(statement, {**question.values, **_named("place", place), "size": _BATCH}))
            if rows:
                yield session, rows
        if len(rows) < _BATCH:
            return
        place = tuple(getattr(rows[-1], column.key) for column in key)
