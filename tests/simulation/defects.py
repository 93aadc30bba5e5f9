"""What a defect is: a small change of our own code that somebody could make, and the tests that must notice it.

`mutants` puts them in. A place is named by its text, which must stand exactly once in its file.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Defect:
    name: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


def defect(name: str, file: str, old: str, new: str, *tests: str) -> Defect:
    """A defect in one place."""
    return Defect(name, (Change(file, old, new),), tests)
