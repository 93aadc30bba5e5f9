"""A `Kind` says where objects of one sort live and which of their fields are references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
"""One stored object, as its JSON. Keys that start with an underscore are the sandbox's own and never leave it."""


@dataclass(frozen=True)
class Kind:
    """One sort of object.

    `columns` are the top-level fields that lists filter by, so they are kept in indexed columns beside the JSON.
    `expandable` maps a field (dots reach into nested objects) to the object name it refers to.
    `included` is what a response holds only when it is expanded, such as a charge's refunds.
    What fills it in takes the call at work, a `Call`, which knows kinds and is not known here.
    `noun` is the name that messages use, where it is not the object's: "No such setupintent".
    """

    object: str
    table: str
    prefix: str
    url: str
    other_prefixes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    expandable: Mapping[str, str] = field(default_factory=dict)
    included: Mapping[str, Callable[[Any, Row], Row | None]] = field(default_factory=dict)
    view: Callable[[Any, Row], Row] | None = None
    """Fills in what is derived when an object is shown, such as the status of a balance transaction."""
    noun: str = ""

    def __post_init__(self) -> None:
        if not self.noun:
            object.__setattr__(self, "noun", self.object.rsplit(".", maxsplit=1)[-1])


def copied(row: Row) -> Row:
    """The object as it is now, untouched by later changes. Rows are plain JSON, so this is a quarter of what deepcopy costs."""
    return {key: _copied_value(value) for key, value in row.items()}


def _copied_value(value: Any) -> Any:
    if isinstance(value, dict):
        return copied(value)
    if isinstance(value, list):
        return [_copied_value(item) for item in value]
    return value


def public(row: Row) -> Row:
    """The part of a stored object that may leave the sandbox."""
    return {key: value for key, value in row.items() if key[0] != "_"}
