"""Lists by keyset: pages of twenty unless a caller wants another size, newest first, each as cheap as the first however deep it lies.

A page begins after, or ends before, a row that it names; rows that come or go on other pages do not move it.
Source: Markus Winand, "We need tool support for keyset pagination".
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar

from sqlalchemy import Select, bindparam, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.core.errors import N_, Invalid, NotFound

PAGE_SIZE: Final = 20
LARGEST_PAGE: Final = 100

# What a column of 64 bits holds.
_LARGEST_STORED: Final = 2**63 - 1

Row = TypeVar("Row")
Side = Literal["after", "before"]

# So many digits as a column of 64 bits holds with certainty.
_NUMBERED: Final = re.compile(r"(?P<side>after|before)-(?P<number>[0-9]{1,18})")


class WrongCursor(NotFound):
    """There is no such page: the cursor is another list's, or nobody gave it out. An app is told so at the field "cursor"."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A page's rows, newest first; `older` and `newer` are cursors for a link, where there is something.

    In a rising order `older` leads on and `newer` back likewise.
    """

    rows: list[Row]
    older: str | None
    newer: str | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list: after the row with this moment and id, or before it."""

    side: Side
    moment: datetime
    id: str

    def encode(self) -> str:
        text = f"{self.side} {self.moment.isoformat()} {self.id}"
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Raises WrongCursor for anything that encode did not write: there is no such page."""
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            side, moment, row_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(" ")
            at = datetime.fromisoformat(moment)
        except (ValueError, binascii.Error) as error:
            raise WrongCursor from error
        if side not in {"after", "before"} or at.tzinfo is None:
            raise WrongCursor
        return cls("after" if side == "after" else "before", at, row_id)


@dataclass(frozen=True, slots=True)
class Paging:
    """How much of a list a page shows, and in which order; with `ids_first` it is found without its rows, which are read afterwards.
    `values` are those of a question that was built once.
    """

    size: int = PAGE_SIZE
    ascending: bool = False
    ids_first: bool = False
    values: Mapping[str, object] | None = None


def page(  # noqa: PLR0913  # what a page is described by
    session: Session,
    query: Select[Row],
    moment: InstrumentedAttribute[datetime],
    row_id: InstrumentedAttribute[str],
    cursor: str | None,
    *,
    ascending: bool = False,
    size: int = PAGE_SIZE,
    ids_first: bool = False,
    values: Mapping[str, object] | None = None,
) -> Page[Row]:
    """The page at `cursor`, or the first one, of the rows that `query` finds, in the falling (or rising) order of (moment, id).

    A `query` that was built once, with parameters for which `values` are given, is made into a page's question once as well.

    An index on the query's filter and these two columns makes it cheap. A page that has become empty, or would hold less than a
    page of the newest rows, is the first one. With `ids_first` an index that holds all that the filter asks for serves alone: for filters
    that look through many rows and find few.

    Raises WrongCursor for a cursor that nobody gave out, Invalid for a size beyond the bounds (field "limit").
    """
    if not 1 <= size <= LARGEST_PAGE:
        raise Invalid(N_("A page has 1 to %(most)s rows."), field="limit", most=LARGEST_PAGE)

    def cursor_of(side: Side, row: Any) -> str:
        return Cursor(side, getattr(row, moment.key), getattr(row, row_id.key)).encode()

    place = Cursor.decode(cursor) if cursor else None
    key = (place.moment, place.id) if place else ()
    side = place.side if place else None
    paging = Paging(size, ascending=ascending, ids_first=ids_first, values=values)
    return _page_of(session, query, (moment, row_id), side, key, cursor_of, paging)


def numbered(session: Session, query: Select[Row], number: InstrumentedAttribute[int], cursor: str | None) -> Page[Row]:
    """Like `page`, for rows that are in the order of a number of theirs; its cursors are such as "after-17"."""

    def cursor_of(side: Side, row: Any) -> str:
        return f"{side}-{getattr(row, number.key)}"

    found = _NUMBERED.fullmatch(cursor) if cursor else None
    if cursor and found is None:
        raise WrongCursor
    side: Side | None = None if found is None else "after" if found["side"] == "after" else "before"
    return _page_of(session, query, (number,), side, (int(found["number"]),) if found else (), cursor_of, Paging())


def _page_of(
    session: Session,
    query: Select[Row],
    columns: tuple[InstrumentedAttribute[Any], ...],
    side: Side | None,
    place: tuple[Any, ...],
    cursor_of: Callable[[Side, Any], str],
    paging: Paging,
) -> Page[Row]:
    """The page on this side of a place in the order of the columns; the first one without a side."""
    backwards = side == "before"
    rows = _rows(session, query, columns, side, place, paging)
    if side is not None and (not rows or (backwards and len(rows) <= paging.size)):
        return _page_of(session, query, columns, None, (), cursor_of, paging)
    more = len(rows) > paging.size
    rows = rows[: paging.size]
    if not rows:
        return Page(rows, older=None, newer=None)
    if backwards:
        rows.reverse()
    return Page(
        rows,
        older=cursor_of("after", rows[-1]) if more or backwards else None,
        newer=cursor_of("before", rows[0]) if side is not None else None,
    )


def _rows(
    session: Session,
    query: Select[Row],
    columns: tuple[InstrumentedAttribute[Any], ...],
    side: Side | None,
    place: tuple[Any, ...],
    paging: Paging,
) -> list[Row]:
    """One more than a page, so that its end is known; backwards when the side is before the place."""
    rising = paging.ascending != (side == "before")
    build = _question if paging.values is None else _question_kept
    question = build(query, columns, paging.size + 1, rising=rising, begun=side is not None)
    values = {
        **(paging.values or {}),
        **{f"place_{column.key}": at for column, at in zip(columns, place, strict=False)},
    }
    if not paging.ids_first:
        return list(session.scalars(question, values))
    row_id = columns[-1]
    ids = list(session.scalars(question.with_only_columns(row_id), values))
    if not ids:
        return []
    rows = {getattr(row, row_id.key): row for row in session.scalars(select(row_id.class_).where(row_id.in_(ids)))}
    return [rows[one] for one in ids]


def _question(
    query: Select[Row], columns: tuple[InstrumentedAttribute[Any], ...], most: int, *, rising: bool, begun: bool
) -> Select[Row]:
    """At most so many rows in this order, when it has `begun` those beyond the place that the parameters name."""
    if begun:
        key = tuple_(*columns)
        place = tuple_(*(bindparam(f"place_{column.key}", type_=column.type) for column in columns))
        query = query.where(key > place if rising else key < place)
    return query.order_by(*(columns if rising else (column.desc() for column in columns))).limit(most)


# Of each list both ways, from its beginning and from a place.
_question_kept: Final = lru_cache(maxsize=200)(_question)


# Places in any order


def encoded_place(side: str, key: Sequence[object]) -> str:
    """A cursor: the side of a row, and the values that the list is ordered by."""
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(json.dumps([side, *parts]).encode()).rstrip(b"=").decode()


def decoded_place(cursor: str, kinds: Sequence[type]) -> tuple[str, tuple[object, ...]]:
    """The side and the values, of these kinds. Raises WrongCursor for what encoded_place did not write for a list in this order."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        side, *parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        place = tuple(_part(part, kind) for part, kind in zip(parts, kinds, strict=True))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise WrongCursor from error
    if side not in {"after", "before"}:
        raise WrongCursor
    return side, place


def _part(part: object, kind: type) -> object:
    if kind is datetime and isinstance(part, str):
        moment = datetime.fromisoformat(part)
        if moment.tzinfo is not None:
            return moment
    elif (type(part) is kind is int and abs(part) <= _LARGEST_STORED) or (
        type(part) is kind is str and "\x00" not in part
    ):
        return part
    raise ValueError("a place in another order")


def distinct(session: Session, column: InstrumentedAttribute[str]) -> list[str]:
    """The values of a column that an index begins with, in order: a leap in the index for each, however many rows there are.

    Source: PostgreSQL wiki, "Loose indexscan".
    """
    leaps = select(func.min(column).label("value")).cte("leaps", recursive=True)
    following = select(func.min(column)).where(column > leaps.c.value).scalar_subquery()
    leaps = leaps.union_all(select(following).where(leaps.c.value.is_not(None)))
    return [value for value in session.scalars(select(leaps.c.value)) if value is not None]
