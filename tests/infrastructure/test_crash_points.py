"""Crash points are the only way to die inside of the portal: each is one place, is documented, and has a test that dies there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.dev.processes import ROOT
from deploy.dev.reference import places_of_points
from portal.core import crash

# Replaced in tests, by a name that is not a constant's. Everything else is reached through what it does.
REPLACED = {
    "database_now": "the clock of a PostgreSQL, which no test can move",
    "database_moment": "the same clock, inside of a statement",
    "sync_dispute": "an answer of Stripe’s from a moment ago, which the sandbox does not give",
    "_declared": "which jobs there are",
    "_handlers": "which jobs there are",
    "_periodic": "which jobs there are",
}


def trees(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted((ROOT / folder).rglob("*.py")):
        yield file.relative_to(ROOT), ast.parse(file.read_text())


def test_each_point_has_one_place_and_is_explained() -> None:
    assert sorted(name for name, _ in places_of_points()) == sorted(crash.POINTS)


def test_at_each_point_some_test_lets_a_process_die() -> None:
    said = {
        node.value
        for file, tree in trees("tests")
        if file != Path(__file__).relative_to(ROOT)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert crash.POINTS.keys() - said == set()


def replaced(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The names of the portal's that a file replaces, whose name is not that of a constant (a limit that a test makes small)."""
    ours = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "portal"
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "setattr":
            continue
        target, *rest = node.args
        if isinstance(target, ast.Constant):
            path, name = str(target.value).rsplit(".", 1)
            is_ours = path.startswith("portal.")
        else:
            is_ours = ast.unparse(target).split(".")[0] in ours
            name = str(rest[0].value) if rest and isinstance(rest[0], ast.Constant) else ast.unparse(rest[0])
        if is_ours and not name.isupper():
            yield node.lineno, name


def test_nothing_of_the_portals_is_replaced_in_tests_but_its_limits() -> None:
    """So a function can be renamed, split or moved, and no test breaks."""
    found = [
        f"{file}:{line}: {name}"
        for file, tree in trees("tests")
        for line, name in replaced(tree)
        if name not in REPLACED
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('monkeypatch.setattr(service, "settle", die)', ["settle"]),
        ('cut.setattr(service._Parts, "keep", die)', ["keep"]),
        ('monkeypatch.setattr("portal.books.service._begin", die)', ["_begin"]),
        ("monkeypatch.setattr(service, place, die)", ["place"]),
        ('monkeypatch.setattr(service, "BATCH", 2)', []),
        ('monkeypatch.setattr(os, "geteuid", die)', []),
    ],
)
def test_what_is_replaced_is_seen(line: str, names: list[str]) -> None:
    tree = ast.parse(f"import os\nfrom portal.payments import service\n{line}\n")
    assert [name for _, name in replaced(tree)] == names


def test_nothing_happens_at_a_point_but_what_was_asked_for_and_while_it_was() -> None:
    passed: list[str] = []
    crash.point("order placed")
    with crash.at("order placed", lambda: passed.append("first")):
        crash.point("order checked")
        crash.point("order placed")
        with crash.at("order placed", lambda: passed.append("second")):
            crash.point("order placed")
        crash.point("order placed")
    crash.point("order placed")
    assert passed == ["first", "second", "first"]
    with pytest.raises(KeyError), crash.at("order plaecd", lambda: None):
        pass
