"""Whose rows may be seen by what runs here: the second wall between customers. See docs/decisions/0054.

What is asked names its customer, which is the first wall. Should a question lack that, this one holds:

    on PostgreSQL   each transaction tells the server the reach, and policies of its tables (portal.privacy.walls) show what lies within
    everywhere      a question of an owned table that is bound to no row and no owner is refused before it is sent

The reach is a customer's id; EVERYONE for staff, systems of the company's, the worker and commands; or STRANGER for who has not said yet
who they are: of tables with owners they reach only those by which one is found out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from typing import Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError

from portal.core import db
from portal.core.db import REACH, Base

EVERYONE: Final = db.EVERYONE
STRANGER: Final = "-"


class WithoutOwner(RuntimeError):
    """A question for rows of one customer that would find those of all: an error of the program."""


def begin(reach: str) -> None:
    """For the rest of this context (a web request), also of a transaction that is open: a customer's id, EVERYONE or STRANGER."""
    if REACH.get() != reach:
        REACH.set(reach)
        db.tell_reach()


def narrow(customer_id: str) -> None:
    """Likewise, where it was found out for whom somebody acts who is not one of the company's, whose reach stays as it is."""
    if REACH.get() != EVERYONE:
        begin(customer_id)


@contextmanager
def everyone(why: str) -> Iterator[None]:  # noqa: ARG001  # read by people
    """In the block all rows are seen, for a reason: what is looked for says who one is, or is nobody's."""
    with _for_a_while(EVERYONE):
        yield


@contextmanager
def only(customer_id: str) -> Iterator[None]:
    """In the block the rows of this customer are seen."""
    with _for_a_while(customer_id):
        yield


@contextmanager
def everyone_elsewhere() -> Iterator[None]:
    """Likewise, for a connection of its own; a transaction that is open stays as it is."""
    token = REACH.set(EVERYONE)
    try:
        yield
    finally:
        REACH.reset(token)


@contextmanager
def _for_a_while(reach: str) -> Iterator[None]:
    before = REACH.get()
    if before == reach:
        yield
        return
    begin(reach)
    try:
        yield
    except BaseException:
        REACH.set(before)
        with suppress(
            SQLAlchemyError
        ):  # the transaction, if there is one, has failed with the block, or goes on as before
            db.tell_reach()
        raise
    begin(before)


# The question itself

_owned: set[str] = set()


def own(tables: Iterable[str]) -> None:
    """Rows of these tables have owners: questions for them are looked at from now on."""
    _owned.update(tables)


@cache
def _keys_of(name: str) -> frozenset[str]:
    """The columns that bind a question to one row or to one owner's: ids, and what is unique."""
    table = Base.metadata.tables[name]
    ids = (column.name for column in table.columns if column.unique or column.name.endswith("_id"))
    people = (key.parent.name for key in table.foreign_keys)
    return frozenset({"subject", *(column.name for column in table.primary_key), *ids, *people})


@lru_cache(maxsize=4_000)
def _tables_without_owner(statement: str) -> tuple[str, ...]:
    """The owned tables of a statement none of whose keys is held against anything; all of them, where no key is held against a value."""
    found = [(match["table"], match["name"] or match["table"]) for match in _FROM.finditer(statement)]
    owned = [(table, name) for table, name in found if table in _owned]
    bound = False
    missing = []
    for table, name in owned:
        keys = "|".join(sorted(_keys_of(table)))
        held = re.compile(
            rf"(?<![\w.])(?:{re.escape(name)}\.)?(?:{keys})\)? *(?:=|IN\b|IS\b)(?P<value> *(?:\(+)?(?:ANY\b|NULL\b|[%:?\[']|{_NOTHING}))?",
            re.IGNORECASE,
        )
        against = [bool(match["value"]) for match in held.finditer(statement)]
        bound = bound or any(against)
        if not against and not re.search(rf"= {re.escape(name)}\.(?:{keys})\b", statement):
            missing.append(table)
    return tuple(missing) if bound else tuple(table for table, _name in owned)


# What SQLAlchemy writes for a list that is empty.
_NOTHING: Final = re.escape("SELECT 1 FROM (SELECT 1)")
_FROM: Final = re.compile(
    r"(?:\b(?:FROM|JOIN|UPDATE|USING)|,)\s+(?P<table>[a-z_]+)"
    r"(?:\s+(?:AS\s+)?(?P<name>(?!(?:WHERE|ON|SET|JOIN|LEFT|INNER|ORDER|GROUP|LIMIT|FOR|USING|UNION|RETURNING|CROSS|FULL)\b)\w+))?"
    r"(?=\s|,|$|\))(?!\s*\()",
    re.IGNORECASE,
)


def refuse_without_owner(statement: str) -> None:
    """Raises WithoutOwner for a statement that reads, changes or removes rows of all owners where one alone may be reached."""
    if REACH.get() == EVERYONE or statement.startswith("INSERT INTO"):
        return
    if tables := _tables_without_owner(statement):
        raise WithoutOwner(f"no owner of {', '.join(tables)} in: {statement}")


@db.prepares_engines
def _look_at_questions(engine: Engine) -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def _look(_connection: Any, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool) -> None:
        refuse_without_owner(statement)
