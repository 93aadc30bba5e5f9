"""Which tests run which lines of the portal: a defect at a line is shown to these alone, which takes seconds instead of minutes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import coverage

# One database runs the same lines as two.
_PYTEST: Final = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=short", "-k", "not postgresql")
_COVERAGE: Final = ("--cov=portal", "--cov-context=test", "--cov-report=")


@dataclass(frozen=True)
class LineTests:
    """What one run of tests has measured."""

    # Of each file below the repository, the tests of each line; the run may have been in a copy.
    lines: Mapping[str, Mapping[int, frozenset[str]]]
    # How many lines each test runs: one that runs few is about these.
    reach: Counter[str]

    def of(self, file: Path, first: int, last: int) -> tuple[str, ...]:
        """The tests that run one of these lines, those first that run little else; none for what runs when it is imported."""
        lines = self.lines.get(str(file), {})
        found = frozenset[str]().union(*(lines.get(number, frozenset()) for number in range(first, last + 1)))
        return tuple(sorted(found, key=lambda test: (self.reach[test], test)))


def measure(tests: Sequence[str], root: Path, jobs: int, written: Path) -> bool:
    """Run these tests in the copy at `root` and keep in the file `written` which lines each has run; whether all of them passed."""
    command = [sys.executable, *_PYTEST, *_COVERAGE, "--numprocesses", str(jobs), *tests]
    return (
        subprocess.run(command, cwd=root, env={**os.environ, "COVERAGE_FILE": str(written)}, check=False).returncode
        == 0
    )


def read(written: Path) -> LineTests:
    data = coverage.CoverageData(str(written))
    data.read()
    lines: dict[str, dict[int, frozenset[str]]] = {}
    reach: Counter[str] = Counter()
    for file in data.measured_files():
        name = "portal/" + file.rpartition("/portal/")[2]
        lines[name] = {
            number: frozenset(map(_test, contexts)) - {""} for number, contexts in data.contexts_by_lineno(file).items()
        }
        for tests in lines[name].values():
            reach.update(tests)
    return LineTests(lines, reach)


def _test(context: str) -> str:
    """The test of a context, which names the phase of the test behind a bar; empty for no test."""
    return context.rpartition("|")[0]
