"""All about a customer, as files in a ZIP: each table that has rows of theirs as JSON, their documents as PDF, and an index.

Nobody else's data is in it: where a row names a person who is not the customer's own, "staff" stands in their place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import RowMapping, Table, bindparam, select, tuple_

from portal.content.archives import Archive
from portal.core import clock, db
from portal.core.permissions import Role
from portal.documents import packing
from portal.documents import queries as documents
from portal.documents.models import Document
from portal.documents.queries import Wanted
from portal.identity.models import User
from portal.privacy import rows
from portal.privacy.held import Held
from portal.privacy.inventory import TABLES

BATCH: Final = 500
INDEX: Final = "index.json"
# In place of the id of somebody who is not the customer's.
STAFF: Final = "staff"
_USERS: Final = "users.id"


def pack(archive: Archive, customer_id: str) -> int:
    """Write everything into the archive; returns how many documents are missing, which the index names."""
    own = _people_of(customer_id)
    files = [found for held in TABLES if held.is_exported and (found := _table(archive, held, customer_id, own))]
    missing = [
        {"number": document.number, "why": why}
        for document in _documents(customer_id)
        if (why := packing.pack(archive, document))
    ]
    index = {
        "customer": customer_id,
        "made_at": clock.now().isoformat(),
        "files": files,
        "documents_missing": missing,
        "not_included": [{"what": held.table, "why": held.withheld} for held in TABLES if held.withheld],
    }
    archive.add(INDEX, [json.dumps(index, indent=1, ensure_ascii=False).encode()])
    return len(missing)


def _table(archive: Archive, held: Held, customer_id: str, own: frozenset[str]) -> dict[str, Any] | None:
    """Its entry in the index; None, and no file, where the customer has no row of it."""
    found = _rows(held, customer_id)
    first = next(found, None)
    if first is None:
        return None
    name, number = f"data/{held.table}.json", 0

    def lines() -> Iterator[bytes]:
        nonlocal number
        yield b"[\n"
        for row in _chained(first, found):
            yield (b",\n" if number else b"") + json.dumps(_plain(held, row, own), ensure_ascii=False).encode()
            number += 1
        yield b"\n]\n"

    archive.add(name, lines())
    return {
        "file": name,
        "rows": number,
        "what": held.kind.what,
        "purpose": held.kind.purpose,
        "ground": held.kind.ground,
        "kept": held.kind.keeps,
        "fields": dict(held.personal),
    }


def _chained(first: RowMapping, others: Iterator[RowMapping]) -> Iterator[RowMapping]:
    yield first
    yield from others


def _rows(held: Held, customer_id: str) -> Iterator[RowMapping]:
    """In the order of their keys, some at a time, each time in a transaction of its own."""
    table = rows.table_of(held)
    key = rows.key_of(table)
    shown = [column for column in table.columns if column in key or column.name not in held.secret]
    query = select(*shown).where(rows.belongs(held)).order_by(*key).limit(BATCH)
    last: Sequence[Any] | None = None
    while True:
        beyond = query if last is None else query.where(_after(key, last))
        with db.reading() as session:
            batch = session.execute(beyond, {"customer": customer_id}).mappings().all()
        yield from batch
        if len(batch) < BATCH:
            return
        last = [batch[-1][column] for column in key]


def _after(key: tuple[Any, ...], last: Sequence[Any]) -> Any:
    values = [bindparam(None, value, column.type) for column, value in zip(key, last, strict=True)]
    return tuple_(*key) > tuple_(*values)


def _plain(held: Held, row: RowMapping, own: frozenset[str]) -> dict[str, Any]:
    table = rows.table_of(held)
    return {name: _told(table, name, value, own) for name, value in row.items() if name not in held.secret}


def _told(table: Table, name: str, value: Any, own: frozenset[str]) -> Any:
    if value is None or isinstance(value, int | float | dict | list):
        return value
    if isinstance(value, date | datetime):
        return value.isoformat()
    if _names_a_person(table, name) and value not in own:
        return STAFF
    return str(value)


def _names_a_person(table: Table, name: str) -> bool:
    column = table.c[name]
    return name in {"actor_id", "paid_by", "created_by"} or any(
        key.target_fullname == _USERS for key in column.foreign_keys
    )


def _people_of(customer_id: str) -> frozenset[str]:
    with db.reading() as session:
        return frozenset(
            session.scalars(select(User.id).where(User.customer_id == customer_id, User.role == Role.CUSTOMER))
        )


def _documents(customer_id: str) -> Iterator[Document]:
    last: Document | None = None
    while True:
        with db.reading() as session:
            batch = documents.wanted_of(session, customer_id, Wanted(), last, BATCH)
        yield from batch
        if len(batch) < BATCH:
            return
        last = batch[-1]
