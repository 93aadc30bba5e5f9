"""That the list of defects fits the code as it is; `make mutants` puts them in, and takes minutes."""

from __future__ import annotations

import ast
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.dev.processes import ROOT, until_the_starter_dies
from tests.processes import marked
from tests.simulation import collected_tests, line_tests, random_defects
from tests.simulation.defects import PROMISES, Change, NotFoundOnce
from tests.simulation.mutants import ALL, misplaced
from tests.waiting import eventually


def test_the_place_of_each_defect_is_found_once() -> None:
    assert [sentence for defect in ALL for sentence in misplaced(defect)] == []


def test_each_defect_leaves_a_program() -> None:
    for defect in ALL:
        for change in defect.changes:
            compile(change.applied((ROOT / change.file).read_text()), change.file, "exec")


def test_each_defect_breaks_a_promise_and_each_promise_has_one() -> None:
    assert {defect.breaks for defect in ALL} == PROMISES.keys()
    told = (ROOT / "docs" / "reliability.md").read_text()
    assert [number for number, promise in PROMISES.items() if f"| {number} | {promise} |" not in told] == []


CODE = """
def share(whole, parts):
    if parts == 0:  # nobody
        return 0
    return whole // parts

KIND = Kind(key=lambda row: share(row.whole, 1))
"""


@pytest.mark.parametrize(
    ("where", "old", "new", "becomes"),
    [
        ("share", "parts==0", "parts > 0", "if parts > 0:"),
        ("share", "whole \n // parts", "whole", "return whole\n"),
        ("KIND", "share(row.whole, 1)", "1", "lambda row: 1)"),
        ("share", "if parts == 0:\n    return 0", "", "def share(whole, parts):\n    return whole // parts"),
        ("share", "return 0", "", "if parts == 0:\n        pass\n"),
        ("share", "return 0", "parts = 1\nreturn whole", "        parts = 1\n        return whole\n"),
    ],
)
def test_a_place_is_found_by_its_syntax(where: str, old: str, new: str, becomes: str) -> None:
    assert becomes in Change("shares.py", where, old, new).applied(CODE)


@pytest.mark.parametrize(
    ("where", "old"), [("share", "parts"), ("share", "whole + parts"), ("part", "parts == 0"), ("KIND", "return 0")]
)
def test_a_place_that_is_not_there_once_is_told(where: str, old: str) -> None:
    with pytest.raises(NotFoundOnce):
        Change("shares.py", where, old, "1").applied(CODE)


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
        turned = change.applied(file.read_text())
        compile(turned, change.file, "exec")
        differing = zip(file.read_text().splitlines(), turned.splitlines(), strict=True)
        assert sum(old != new for old, new in differing) == 1


def test_no_random_defect_is_made_where_it_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "shares.py"
    file.write_text(
        "MOST: Final = 60 * 60\n"
        "WITHIN = timedelta(hours=1)\n"
        "LATE = Paid.at < now\n"
        "class Paid(Base):\n"
        "    size: Mapped[int] = column(1 + 1)\n"
        "def paid(since):\n"
        '    log.info("paid", late=1 < 2)\n'
        "    if clock.now() - since < WITHIN:\n"
        "        return select(Paid).where(Paid.at > since).limit(1)\n"
    )
    assert [defect.name.partition(" ")[2] for defect in random_defects.of(file, (), tmp_path)] == [
        "module: Paid.at < now -> Paid.at <= now",
        "paid: clock.now() - since < WITHIN -> clock.now() - since >= WITHIN",
        "paid: clock.now() - since -> clock.now() + since",
        "paid: Paid.at > since -> Paid.at >= since",
    ]


def test_what_is_said_to_be_no_defect_is_in_the_code() -> None:
    places = {ROOT / name.partition(" ")[0] for name in random_defects.EQUAL}
    names = {random_defects.without_line(defect) for place in places for defect in random_defects.of(place, ())}
    assert random_defects.EQUAL.keys() - names == set()


SHARES = """
LIMIT = 1

class Sum:
    least: int = 0

    def of(self, parts):
        return [part + 1 for part in parts]

def share(whole):
    return whole - 1
"""


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("whole - 1", "whole + 1", ["share"]),
        ("part + 1", "part - 1", ["Sum.of"]),
        ("LIMIT = 1", "LIMIT = 2", None),
        ("int = 0", "int = 1", None),
    ],
)
def test_functions_that_were_imported_get_the_code_of_a_defect(
    tmp_path: Path, old: str, new: str, changed: list[str] | None
) -> None:
    found = collected_tests.changed_functions(tmp_path / "shares.py", SHARES, SHARES.replace(old, new))
    assert (None if found is None else [name for _file, _line, name in found]) == changed


def test_a_seed_chooses_the_same_random_defects() -> None:
    first, again, other = (random_defects.chosen(30, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 30
    assert all((ROOT / test).exists() for defect in first for test in defect.tests)


def test_code_tells_which_of_its_lines_are_run() -> None:
    text = (
        "def share(whole, parts):\n"
        '    """Of all."""\n'
        "    if parts > 0 and (\n"
        "        whole > 0\n"
        "    ):\n"
        "        return whole // parts\n"
        "    elif parts == 0:\n"
        "        return [\n"
        "            whole,\n"
        "        ]\n"
        "    least = lambda: 0\n"
        "    try:\n"
        "        return least()\n"
        "    finally:\n"
        "        whole = 1\n"
        "\n"
        "class Least:\n"
        "    least = 0\n"
        "    def of(self):\n"
        "        return 0\n"
    )
    told: list[tuple[str, int]] = []
    names: dict[str, Any] = {line_tests.TELL: lambda file, lines: told.append((file, lines))}
    exec(compile(line_tests.telling(text, "shares.py"), "shares.py", "exec"), names)  # noqa: S102
    assert names["share"].__doc__ == "Of all."

    def lines_of(act: Callable[[], object]) -> list[int]:
        told.clear()
        act()
        assert {file for file, _lines in told} <= {"shares.py"}
        return [line for line in range(30) if any(lines >> line & 1 for _file, lines in told)]

    assert lines_of(lambda: names["share"](4, 2)) == [3, 4, 5, 6]
    assert lines_of(lambda: names["share"](4, 0)) == [3, 4, 5, 7, 8, 9, 10]
    assert lines_of(lambda: names["share"](4, -1)) == [3, 4, 5, 7, 11, 12, 13, 15]
    assert lines_of(names["Least"]().of) == [20]


def test_a_defect_is_shown_to_the_tests_of_its_lines_the_quick_ones_first() -> None:
    runs = {
        "tests/a/test_a.py::test_wide": line_tests.Run(0.1, {"portal/shares.py": 0b1111_0000}),
        "tests/a/test_a.py::test_narrow": line_tests.Run(0.1, {"portal/shares.py": 0b1000_0000}),
        "tests/b/test_b.py::test_slow": line_tests.Run(2.0, {"portal/shares.py": 0b1000_0000}),
        "tests/b/test_b.py::test_for_minutes": line_tests.Run(60.0, {"portal/shares.py": 0b1000_0000}),
        "tests/b/test_b.py::test_elsewhere": line_tests.Run(0.1, {"portal/sums.py": 0b1000_0000}),
    }
    lines = line_tests.LineTests(runs)
    wide, narrow, slow = list(runs)[:3]
    assert lines.of(Path("portal/shares.py"), 6, 7) == (narrow, wide, slow)
    assert lines.of(Path("portal/shares.py"), 4, 6) == (wide,)
    assert lines.of(Path("portal/shares.py"), 8, 30) == ()
    assert lines.of(Path("portal/parts.py"), 1, 30) == ()
    assert lines.widest() == [wide, slow]


def test_sigterm_leaves_no_copy_and_no_process_behind(tmp_path: Path) -> None:
    """As soon as its session of tests is started, of which nobody has asked anything yet."""
    mark = secrets.token_hex(8)
    command = [sys.executable, "-m", "tests.simulation.mutants", "--jobs", "1", ALL[0].name]
    campaign = subprocess.Popen(
        [*until_the_starter_dies("KILL"), *command],
        cwd=ROOT,
        env=os.environ | {"RUN_MARK": mark, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: list(tmp_path.glob("portal-mutants-*/0/collected-tests.log")), within=60)
        campaign.terminate()
        campaign.wait(40)
    finally:
        campaign.kill()
        campaign.wait()
    eventually(lambda: not marked(f"RUN_MARK={mark}"), within=10)
    assert list(tmp_path.glob("portal-mutants-*")) == []
