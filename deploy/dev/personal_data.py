"""docs/reference/personal-data.md: the record of processing, made from the inventory of portal.privacy."""

from __future__ import annotations

from collections.abc import Iterator

from portal.privacy.inventory import TABLES
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


def fields() -> Iterator[Row]:
    """Each column that tells of a person."""
    for held in TABLES:
        for name, purpose in held.personal.items():
            is_shown = held.is_exported and name not in held.secret
            fate = "replaced" if name in held.replaced else str(held.erase) if held.by else "not the customer's"
            if fate == "replace":
                fate = "keep"
            yield f"`{held.table}.{name}`", purpose, "yes" if is_shown else "", fate
