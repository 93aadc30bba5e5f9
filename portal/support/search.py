"""One box for everything a caller may read out to staff: of each kind the best few, or a page of all that there are.

Every look hits an index and stops after a few rows, however much there is: see search_places. Where nothing fits as it was typed, it is
read as it may have been meant: see corrections.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import keyset, texts
from portal.core.db import UTCDateTime
from portal.core.errors import NotFound
from portal.core.permissions import Permission, may
from portal.invoices import queries as invoices
from portal.invoices.statuses import Standing
from portal.support.corrections import corrections
from portal.support.search_places import MODELS, Kind, Place, places

# Of each kind; who needs more types more, or looks at all of the kind.
MOST_SHOWN: Final = 6
LONGEST: Final = 200
# Of the staff's page about what alone was found.
_SUBJECTS: Final = {
    Kind.CUSTOMERS: "customer",
    Kind.INVOICES: "invoice",
    Kind.PAYMENTS: "payment",
    Kind.REFUNDS: "refund",
    Kind.DISPUTES: "dispute",
}


@dataclass(slots=True)
class Found:
    """At most so many of each kind as were asked for; `more` has the kinds of which there are others.

    `in_order` has all rows with their kinds, where their order counts. `names` are those of customers, by id; `standings` say how the
    invoices stand; `meant` is what was looked for where nothing fits what was typed.
    """

    rows: dict[Kind, list[Any]] = field(default_factory=dict)
    more: set[Kind] = field(default_factory=set)
    meant: str = ""
    in_order: list[tuple[Kind, Any]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    standings: Mapping[str, Standing] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(len(rows) for rows in self.rows.values())

    @property
    def only(self) -> tuple[str, str] | None:
        """The one thing that was found, as the kind of its page ("customer", "payment", "invoice", "refund", "dispute") and the id there;
        None for what has none, and for what is only like what was typed.
        """
        if self.count != 1 or self.meant:
            return None
        kind, row = next((kind, rows[0]) for kind, rows in self.rows.items() if rows)
        if kind == Kind.DOCUMENTS:
            return "payment", str(row.payment_id)
        return (_SUBJECTS[kind], row.id) if kind in _SUBJECTS else None


def kinds_for(role: str) -> list[Kind]:
    """What someone in this role may find."""
    return [kind for kind in Kind if kind != Kind.PAYOUTS or may(role, Permission.VIEW_BOOKS)]


def search(session: Session, text: str, kinds: Iterable[Kind] = tuple(Kind), most: int = MOST_SHOWN) -> Found:
    """What fits this text; where nothing does, what fits the likeliest of its corrections. Nothing fits an empty one."""
    typed = texts.typed(text)[:LONGEST]
    kinds = list(kinds)
    found = _search(session, typed, kinds, most)
    if not found.count:
        for meant in corrections(session, typed):
            found = _search(session, meant, kinds, most)
            if found.count:
                found.meant = meant
                break
    _complete(session, found)
    return found


def _search(session: Session, typed: str, kinds: Sequence[Kind], most: int) -> Found:
    found = Found()
    for kind in kinds if typed else ():
        ids: dict[str, None] = {}
        for place in places(session, kind, typed):
            if len(ids) > most:
                break
            ids |= dict.fromkeys(row[0] for row in session.execute(_limited(place, most + 1)))
        if len(ids) > most:
            found.more.add(kind)
        if ids:
            found.rows[kind] = _rows(session, kind, list(ids)[:most])
    return found


def _complete(session: Session, found: Found) -> None:
    """With the names of those whose rows they are, and how invoices stand."""
    found.standings = invoices.standings(session, found.rows.get(Kind.INVOICES, []))
    owners = {
        row.customer_id
        for kind, rows in found.rows.items()
        for row in rows
        if kind not in {Kind.CUSTOMERS, Kind.PAYOUTS}
    }
    if owners:
        query = select(Customer.id, Customer.name).where(Customer.id.in_(owners))
        found.names = {row.id: row.name for row in session.execute(query)}


def _rows(session: Session, kind: Kind, ids: Sequence[str]) -> list[Any]:
    """The rows with these ids, in their order."""
    model = MODELS[kind]
    rows = {row.id: row for row in session.scalars(select(model).where(model.id.in_(ids)))}
    return [rows[one] for one in ids if one in rows]


def _limited(place: Place, most: int, *, backwards: bool = False) -> Select[Any]:
    rising = place.rising != backwards
    return place.query().order_by(*(place.key if rising else (column.desc() for column in place.key))).limit(most)


def of_subjects(session: Session, ids: Sequence[str]) -> Found:
    """What these ids of ours name, in `in_order`; what is not there any more is left out."""
    found = Found()
    by_id: dict[str, tuple[Kind, Any]] = {}
    for kind in _SUBJECTS:
        rows = _rows(session, kind, ids) if ids else []
        by_id |= {row.id: (kind, row) for row in rows}
        if rows:
            found.rows[kind] = rows
    found.in_order = [by_id[one] for one in ids if one in by_id]
    _complete(session, found)
    return found


# All of a kind


@dataclass(slots=True)
class AllOfKind(Found):
    """A page of all that was found of one kind; `older` and `newer` are cursors of the page after it and of the one before, if any."""

    older: str | None = None
    newer: str | None = None


def all_of_kind(session: Session, kind: Kind, text: str, cursor: str | None) -> AllOfKind:
    """The page at `cursor`, or the first one, of what fits this text as it is. Raises NotFound for a cursor that nobody gave out.

    The places where it is looked for come one after the other, each in its own order, so that each page costs as much as the first one.
    """
    typed = texts.typed(text)[:LONGEST]
    at = list(places(session, kind, typed)) if typed else []
    side, number, key = _decoded(cursor, at) if cursor else ("after", 0, None)
    rows = _rows_from(session, at, number, key, backwards=side == "before")
    more = len(rows) > keyset.PAGE_SIZE
    if side == "before" and not more:
        return all_of_kind(session, kind, text, None)
    rows = rows[: keyset.PAGE_SIZE]
    if side == "before":
        rows.reverse()
    found = AllOfKind()
    if rows:
        found.rows[kind] = _rows(session, kind, list(dict.fromkeys(row[0] for _number, row in rows)))
        found.older = _encoded("after", *rows[-1]) if more or side == "before" else None
        found.newer = _encoded("before", *rows[0]) if cursor else None
    _complete(session, found)
    return found


def _rows_from(
    session: Session, at: Sequence[Place], number: int, key: tuple[Any, ...] | None, *, backwards: bool
) -> list[tuple[int, Any]]:
    """One more than a page beyond the key in the place of this number, or before it, each with the number of its place."""
    rows: list[tuple[int, Any]] = []
    for place_number in range(number, -1, -1) if backwards else range(number, len(at)):
        place = at[place_number]
        query = _limited(place, keyset.PAGE_SIZE + 1, backwards=backwards)
        if key is not None and place_number == number:
            here = tuple_(*place.key)
            query = query.where(here > key if place.rising != backwards else here < key)
        rows += [(place_number, row) for row in session.execute(query)]
        if len(rows) > keyset.PAGE_SIZE:
            break
    return rows


def _encoded(side: str, place_number: int, row: Any) -> str:
    key = [value.isoformat() if isinstance(value, datetime) else value for value in row[1:]]
    return base64.urlsafe_b64encode(json.dumps([side, place_number, *key]).encode()).rstrip(b"=").decode()


def _decoded(cursor: str, at: Sequence[Place]) -> tuple[str, int, tuple[Any, ...]]:
    """The side, the place, and the key there. Raises NotFound for anything that _encoded did not write for these places."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        side, number, *values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        columns = at[number].key
        key = tuple(_value(column, value) for column, value in zip(columns, values, strict=True))
    except (ValueError, TypeError, LookupError, binascii.Error) as error:
        raise NotFound from error
    if side not in {"after", "before"} or number < 0:
        raise NotFound
    return side, number, key


def _value(column: Any, value: object) -> object:
    """A value of the key as its column has it. Raises ValueError for what is none."""
    if not isinstance(value, str):
        raise ValueError
    if not isinstance(column.type, UTCDateTime):
        return value
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    return moment
