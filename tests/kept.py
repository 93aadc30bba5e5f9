"""What each test would make anew and find the same: kept for all tests of a process.

Each test has an application and a database of its own. What is made from their code alone stays: how addresses are built, and how
statements are written for a database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import BaseConverter, Rule
from werkzeug.routing.rules import RulePart

_STATEMENTS = 2_000


@dataclass(frozen=True)
class _Parsed:
    """What reading a route's text gives: its parts for the matcher, and what stays at the rule."""

    parts: tuple[RulePart, ...]
    trace: tuple[tuple[bool, str], ...]
    converters: dict[str, BaseConverter]


class KeptRule(Rule):
    """A route that is read once, and whose functions that build its address are compiled once.

    An application has some 190 routes: without this they are nearly all of what making it takes.
    """

    _read: ClassVar[dict[tuple[str, frozenset[tuple[str, type[BaseConverter]]]], _Parsed]] = {}
    _compiled: ClassVar[dict[tuple[object, ...], Callable[..., tuple[str, str]]]] = {}

    def _parse_rule(self, rule: str) -> Iterable[RulePart]:
        made_from = (rule, frozenset(self.map.converters.items()))
        if made_from not in self._read:
            known, traced = set(self._converters), len(self._trace)
            parts = tuple(super()._parse_rule(rule))
            converters = {name: one for name, one in self._converters.items() if name not in known}
            self._read[made_from] = _Parsed(parts, tuple(self._trace[traced:]), converters)
            return parts
        kept = self._read[made_from]
        self._trace.extend(kept.trace)
        self._converters.update(kept.converters)
        self.arguments.update(kept.converters)
        return kept.parts

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if self.defaults:
            return super()._compile_builder(append_unknown)
        made_from = (self.rule, *self._trace, append_unknown)
        if made_from not in self._compiled:
            self._compiled[made_from] = super()._compile_builder(append_unknown)
        return self._compiled[made_from]


class _Keeping(Dialect):
    """Engines of one kind of database share their written statements, as all requests of a portal's process do."""

    _statements: ClassVar[LRUCache[Any, Any]] = LRUCache(_STATEMENTS)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine.update_execution_options(compiled_cache=cls._statements)


class KeepingSQLite(_Keeping, SQLiteDialect_pysqlite):
    supports_statement_cache = True


class KeepingPostgreSQL(_Keeping, PGDialect_psycopg):
    supports_statement_cache = True


def keep_statements() -> None:
    """From now on, for each engine made in this process."""
    registry.register("sqlite", __name__, KeepingSQLite.__name__)
    registry.register("postgresql.psycopg", __name__, KeepingPostgreSQL.__name__)
