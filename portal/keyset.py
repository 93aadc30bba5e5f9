"""Lists by keyset: pages of twenty, newest first or (deadlines) nearest first, each as cheap as the first however deep it lies.

A page begins after, or ends before, a row that it names; rows that come or go on other pages do not move it.
Source: Markus Winand, "We need tool support for keyset pagination".
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.errors import NotFound

PAGE_SIZE: Final = 20

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """At most PAGE_SIZE rows in order; `older` and `newer` are cursors for a link to what follows and to what comes before, where
    there is something.
    """

    rows: list[Row]
    older: str | None
    newer: str | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list: after the row with this moment and id, or before it."""

    side: Literal["after", "before"]
    moment: datetime
    id: str

    def encode(self) -> str:
        text = f"{self.side} {self.moment.isoformat()} {self.id}"
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Raises NotFound for anything that encode did not write: there is no such page."""
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            side, moment, row_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(" ")
            at = datetime.fromisoformat(moment)
        except (ValueError, binascii.Error) as error:
            raise NotFound from error
        if side not in {"after", "before"} or at.tzinfo is None:
            raise NotFound
        return cls("after" if side == "after" else "before", at, row_id)


def page(
    session: Session,
    query: Select[Row],
    moment: InstrumentedAttribute[datetime],
    row_id: InstrumentedAttribute[str],
    cursor: str | None,
    *,
    ascending: bool = False,
) -> Page[Row]:
    """The page at `cursor`, or the first one, of the rows that `query` finds, in the falling (or rising) order of (moment, id).

    An index on the query's filter and these two columns makes it cheap. A page that has become empty, or would hold less than a
    page of the newest rows, is the first one. Raises NotFound for a cursor that nobody gave out.
    """
    place = Cursor.decode(cursor) if cursor else None
    backwards = place is not None and place.side == "before"
    rows = _rows(session, query, moment, row_id, place, ascending=ascending)
    if place is not None and (not rows or (backwards and len(rows) <= PAGE_SIZE)):
        return page(session, query, moment, row_id, None, ascending=ascending)

    def cursor_of(side: Literal["after", "before"], row: Any) -> str:
        return Cursor(side, getattr(row, moment.key), getattr(row, row_id.key)).encode()

    more = len(rows) > PAGE_SIZE
    rows = rows[:PAGE_SIZE]
    if backwards:
        rows.reverse()
    return Page(
        rows,
        older=cursor_of("after", rows[-1]) if more or backwards else None,
        newer=cursor_of("before", rows[0]) if place is not None else None,
    )


def _rows(
    session: Session,
    query: Select[Row],
    moment: InstrumentedAttribute[datetime],
    row_id: InstrumentedAttribute[str],
    place: Cursor | None,
    *,
    ascending: bool,
) -> list[Row]:
    """One more than a page, so that its end is known; backwards when the place is before a row."""
    key = tuple_(moment, row_id)
    backwards = place is not None and place.side == "before"
    rising = ascending != backwards
    if place is not None:
        there = (place.moment, place.id)
        query = query.where(key > there if rising else key < there)
    order = (moment, row_id) if rising else (moment.desc(), row_id.desc())
    query = query.order_by(*order)
    return list(session.scalars(query.limit(PAGE_SIZE + 1)))
