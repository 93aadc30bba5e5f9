"""The contract itself: many behaviours, each a sentence, each with the page it comes from."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent
LEAST_BEHAVIOURS = 150


def behaviours() -> list[ast.FunctionDef]:
    return [
        node
        for path in sorted(HERE.glob("test_*.py"))
        if path.name != Path(__file__).name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def test_there_are_enough_behaviours_to_believe() -> None:
    assert len({node.name for node in behaviours()}) >= LEAST_BEHAVIOURS


def test_every_behaviour_is_a_sentence_that_names_its_page() -> None:
    lacking = [
        node.name
        for node in behaviours()
        if len(node.name.split("_")) < 5 or "docs.stripe.com/" not in (ast.get_docstring(node) or "")
    ]
    assert lacking == []
