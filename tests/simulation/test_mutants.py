"""That the list of defects fits the code as it is; `make mutants` puts them in, and takes minutes."""

from __future__ import annotations

import ast
from pathlib import Path

from deploy.dev.processes import ROOT
from tests.simulation import random_defects
from tests.simulation.mutants import ALL, misplaced


def test_the_place_of_each_defect_is_found_once() -> None:
    assert [sentence for defect in ALL for sentence in misplaced(defect)] == []


def test_each_defect_leaves_a_program() -> None:
    for defect in ALL:
        for change in defect.changes:
            compile((ROOT / change.file).read_text().replace(change.old, change.new), change.file, "exec")


def test_each_defect_has_a_name_of_its_own_and_names_tests_that_are_there() -> None:
    assert len({defect.name for defect in ALL}) == len(ALL)
    for test in {test for defect in ALL for test in defect.tests}:
        file, _, name = test.partition("::")
        functions = [
            node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef)
        ]
        assert not name or name in functions, test


def test_random_defects_turn_one_expression_each_and_leave_a_program(tmp_path: Path) -> None:
    file = tmp_path / "shares.py"
    file.write_text(
        'def share(part: "int | None", whole: int) -> int:\n'
        '    """Not 1 of these words is turned."""\n'
        '    name = f"ü {part + 1}" + "1"\n'
        "    if part is None or not whole > 0:\n"
        "        return 7 if name else whole - part\n"
    )
    found = random_defects.of(file, ("tests/core",), tmp_path)
    assert [defect.name.partition(": ")[2] for defect in found] == [
        "part is None or not whole > 0 -> part is None and (not whole > 0)",
        "part is None -> part is not None",
        "not whole > 0 -> whole > 0",
        "whole > 0 -> whole >= 0",
        "0 -> 1",
        "7 -> 8",
        "whole - part -> whole + part",
    ]
    for defect in found:
        (change,) = defect.changes
        compile(change.new, change.file, "exec")
        differing = zip(change.old.splitlines(), change.new.splitlines(), strict=True)
        assert sum(old != new for old, new in differing) == 1


def test_a_seed_chooses_the_same_random_defects() -> None:
    first, again, other = (random_defects.chosen(30, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 30
    assert all((ROOT / test).exists() for defect in first for test in defect.tests)
