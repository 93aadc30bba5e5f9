"""docs/reference/personal-data.md: the record of processing, made from the inventory of portal.privacy."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import JSON, Column, LargeBinary, String

from portal.core.db import Base
from portal.core.enums import EnumText
from portal.privacy.held import PLAIN
from portal.privacy.inventory import BY_TABLE, TABLES
from portal.privacy.kinds import KINDS, Kind

Row = tuple[str, ...]
KINDS_HEAD: Row = ("data", "what for", "ground (GDPR)", "kept", "when a customer is erased", "removed by")
FIELDS_HEAD: Row = ("field", "what for", "a copy is handed out", "when a customer is erased")
INTRO = (
    "Which data about people the portal keeps: what for, on which ground, for how long. "
    "[Who else gets them, and what to do when somebody asks](../explanation/data-and-retention.md)."
)


def kinds() -> list[Row]:
    return [
        (kind.what, kind.purpose, kind.ground, kind.keeps, _fate(kind), " ".join(f"`{job}`" for job in kind.jobs))
        for kind in KINDS
    ]


def _fate(kind: Kind) -> str:
    return f"{kind.at_erasure}: {kind.law}" if kind.law else str(kind.at_erasure)


def holds_text(column: Column[object]) -> bool:
    """Whether a person's data could be in it: a text, a document of JSON or bytes, which is neither a reference nor a word of an enum."""
    is_text = isinstance(column.type, String | JSON | LargeBinary)
    return is_text and not column.foreign_keys and not isinstance(column.type, EnumText)


def undecided() -> list[str]:
    """Tables and columns of the database of which the inventory does not tell whether they hold anything about a person."""
    found = []
    for name, table in Base.metadata.tables.items():
        held = BY_TABLE.get(name)
        if held is None:
            found.append(name)
        else:
            known = {*held.personal, *PLAIN}
            found += [f"{name}.{one.name}" for one in table.columns if holds_text(one) and one.name not in known]
    return sorted(found)


def fields() -> Iterator[Row]:
    """Each column that tells of a person. Raises ValueError where something is not decided."""
    if missing := undecided():
        raise ValueError(f"say in portal/privacy/inventory.py whose these are, and what for: {', '.join(missing)}")
    for held in TABLES:
        for name, purpose in held.personal.items():
            is_shown = held.is_exported and name not in held.secret
            fate = "replaced" if name in held.replaced else str(held.erase) if held.by else "not the customer's"
            if fate == "replace":
                fate = "keep"
            yield f"`{held.table}.{name}`", purpose, "yes" if is_shown else "", fate
