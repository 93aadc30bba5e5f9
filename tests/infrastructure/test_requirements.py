"""Each requirement has its number once, and names tests that exist."""

from __future__ import annotations

import re

from deploy.dev.processes import ROOT
from tests.infrastructure.test_security_page import A_TEST, names_in

PAGE = ROOT / "docs/requirements.md"


def test_requirements_are_numbered_without_gaps_and_name_tests_that_exist() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    assert [int(number) for number, *_ in rows] == list(range(1, len(rows) + 1))
    named = [(file, name) for _number, _what, proof in rows for file, name in A_TEST.findall(proof)]
    assert len(named) == PAGE.read_text().count("::"), "a name is written in another way"
    for number, what, proof in rows:
        assert len(what) > 20 and A_TEST.search(proof), number
    for file, name in named:
        assert name.startswith("test_") and name in names_in(file), f"there is no {file}::{name}"
