"""What auditors read of security names tests that exist, and leaves out no line of the checklist."""

from __future__ import annotations

import ast
import re
from functools import cache

from deploy.dev.processes import ROOT

PAGE = ROOT / "docs/explanation/security.md"
LINES = 43
A_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
# What no test proves is said so, in a sentence.
A_REASON = re.compile(r"(Not built|Not tested|The operator|The company): [^|]{20,}")


def checklist() -> dict[int, tuple[str, str, str]]:
    """number → requirement, how it is met, and what proves it. Raises AssertionError for a number that comes twice."""
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    assert len({number for number, *_ in rows}) == len(rows)
    return {int(number): (requirement, how, proof) for number, requirement, how, proof in rows}


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_line_of_the_checklist_is_missing() -> None:
    assert list(checklist()) == list(range(1, LINES + 1))


def test_each_line_has_a_test_or_the_reason_why_there_is_none() -> None:
    for number, (requirement, how, proof) in checklist().items():
        assert len(requirement) > 10 and len(how) > 10, number
        assert A_TEST.search(proof) or A_REASON.search(proof), number


def test_each_test_that_is_named_exists() -> None:
    named = A_TEST.findall(PAGE.read_text())
    assert len(named) == PAGE.read_text().count("::"), "a name is written in another way"
    for file, name in named:
        assert name.startswith("test_") and name in names_in(file), f"there is no {file}::{name}"
