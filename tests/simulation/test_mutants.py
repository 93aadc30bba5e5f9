"""That the list of defects fits the code as it is; `make mutants` puts them in, and takes minutes."""

from __future__ import annotations

import ast

from deploy.dev.processes import ROOT
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
