"""Columns that hold a word of an enum, and words of Stripe's that this version does not know.

An enum stands once, in the package of its noun; the column's CHECK (db.one_of), the schemas of the API and the forms are made of it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

Word = TypeVar("Word", bound=StrEnum)


class Unknown(str):
    """A word that its enum does not have, since Stripe may invent one: kept and shown as it is, and equal to none that is known."""

    __slots__ = ()


def parse(kind: type[Word], word: str) -> Word | Unknown:
    """The member of `kind` that is written like this, or the word itself, as one that nobody knows."""
    try:
        return kind(word)
    except ValueError:
        return Unknown(word)


class EnumText(TypeDecorator[Any]):
    """A text column that holds a word of an enum. Where all of them are ours, its table needs db.one_of; a word that the enum does not have
    is read as Unknown.
    """

    impl = String
    cache_ok = True

    def __init__(self, kind: type[StrEnum], length: int) -> None:
        super().__init__(length)
        self.kind, self.length = kind, length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | Unknown | None:  # noqa: ARG002
        return None if value is None else parse(self.kind, value)
