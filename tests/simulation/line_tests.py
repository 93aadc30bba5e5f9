"""Which tests run which lines of the code that deals with money: a defect at a line is shown to these alone.

As a plugin of pytest (`-p tests.simulation.line_tests`) it keeps, for each file of tests, what these run and how long they take. That
stays good until the portal, what the tests share, or that file changes. The code that deals with money tells by itself what is run,
with a call that is put before each statement: a tracer would be asked at every call of all other code, too, and take as long again as
the tests.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

import pytest

from tests.simulation import commands

# One database runs the same lines as two. Schemathesis tries for minutes what others tell in a moment.
_PYTEST: Final = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line")
_LEFT_OUT: Final = "not postgresql and not fuzz"
# A test that takes longer tells a whole way, of which others tell the parts.
_LONGEST_SECONDS: Final = 8.0
# A line that many tests run is run by most of them on their way to something else: those that are about it are among the first.
MOST_ASKED: Final = 300
# Tells the plugin where to keep what: a file of tests a name.
_KEPT_IN: Final = "LINES_OF_TESTS"


@dataclass(frozen=True)
class Run:
    """What one test runs: of each file below the repository a number with a bit for each line, and what it took."""

    seconds: float
    lines: Mapping[str, int]


class LineTests:
    """What was measured of each test that passed."""

    def __init__(self, runs: Mapping[str, Run]) -> None:
        self._by_file: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        self._cost: dict[str, float] = {}  # seconds by lines
        for test, run in runs.items():
            if run.seconds > _LONGEST_SECONDS:
                continue
            self._cost[test] = run.seconds * sum(lines.bit_count() for lines in run.lines.values())
            for file, lines in run.lines.items():
                self._by_file[file].append((test, lines))

    def of(self, file: Path, first: int, last: int) -> tuple[str, ...]:
        """The tests that run one of these lines, those first that are quick and run little else; none for what runs when it is imported."""
        wanted = (1 << last + 1) - (1 << first)
        found = [test for test, lines in self._by_file[str(file)] if lines & wanted]
        return tuple(sorted(found, key=lambda test: (self._cost[test], test))[:MOST_ASKED])

    def widest(self) -> list[str]:
        """Of each directory the test that runs the most of all."""
        of_directory: defaultdict[str, list[str]] = defaultdict(list)
        for test in sorted(self._cost):
            of_directory[test.partition("::")[0].rpartition("/")[0]].append(test)
        return [max(tests, key=self._cost.__getitem__) for tests in of_directory.values()]


def measure(tests: Sequence[str], root: Path, kept: Path) -> LineTests:
    """What these directories and files of tests run in the copy at `root`; what `kept` does not hold yet is measured, and kept there."""
    kept.mkdir(parents=True, exist_ok=True)
    shared = _digest([*(root / "portal").rglob("*.py"), *filter(_is_shared, (root / "tests").rglob("*.py"))], root)
    wanted = {
        str(file.relative_to(root)): kept / f"{_digest([file], root, shared)}.json"
        for place in tests
        for file in ([root / place] if place.endswith(".py") else sorted((root / place).rglob("test_*.py")))
    }
    missing = {name: str(file.absolute()) for name, file in wanted.items() if not file.exists()}
    if missing:
        command = [sys.executable, *_PYTEST, "-p", __name__, "-k", _LEFT_OUT, *missing]
        # It tells which tests fail without any defect: they are not asked.
        commands.run(command, cwd=root, env={**os.environ, _KEPT_IN: json.dumps(missing)}, is_shown=True)
    for file in set(kept.glob("*.json")) - set(wanted.values()):
        file.unlink()
    return LineTests(
        {
            test: Run(seconds, {name: int(lines, 16) for name, lines in files.items()})
            for file in wanted.values()
            if file.exists()
            for test, (seconds, files) in json.loads(file.read_text()).items()
        }
    )


def _is_shared(file: Path) -> bool:
    """What tests have in common, but for this campaign's own."""
    return not file.name.startswith("test_") and file.parent.name != "simulation"


def _digest(files: Iterable[Path], root: Path, more: str = "") -> str:
    digest = hashlib.sha256(more.encode())
    for file in sorted(files):
        digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


# The plugin, in the process of pytest


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before anything of the portal is imported."""
    if _KEPT_IN in os.environ:
        early_config.pluginmanager.register(_Measuring(json.loads(os.environ.pop(_KEPT_IN))))


class _Measuring:
    def __init__(self, kept: Mapping[str, str]) -> None:
        self._kept = kept
        self._ran: defaultdict[str, int] = defaultdict(int)
        self._runs: defaultdict[str, dict[str, tuple[float, dict[str, str]]]] = defaultdict(dict)
        self._left: Counter[str] = Counter()
        self._failed: set[str] = set()
        setattr(builtins, TELL, self._tell)
        sys.meta_path.insert(0, _Telling())

    def _tell(self, file: str, lines: int) -> None:
        self._ran[file] |= lines

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._left.update(_file(item.nodeid) for item in session.items)
        for name in self._kept.keys() - self._left.keys():  # none of its tests is of these
            self._keep(name)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._ran.clear()
        started = time.process_time()
        result = yield
        took = time.process_time() - started
        name = _file(item.nodeid)
        if item.nodeid not in self._failed:
            self._runs[name][item.nodeid] = round(took, 4), {file: f"{lines:x}" for file, lines in self._ran.items()}
        self._left[name] -= 1
        if not self._left[name]:
            self._keep(name)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)

    def _keep(self, name: str) -> None:
        written = Path(self._kept[name])
        written.with_suffix(".new").write_text(json.dumps(self._runs.pop(name, {})))
        written.with_suffix(".new").rename(written)


def _file(test: str) -> str:
    return test.partition("::")[0]


# How code tells which of its lines are run

TELL: Final = "tell_that_lines_run"


class _Telling(PathFinder):
    """Finds the modules that deal with money, and lets them tell."""

    def __init__(self) -> None:
        from tests.simulation.random_defects import PLACES

        self._names = tuple(place.removesuffix(".py").replace("/", ".") for place in PLACES)

    def find_spec(  # type: ignore[override]  # the finder that is inherited from is a class without instances
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not any(name == one or name.startswith(one + ".") for one in self._names):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _TellingLoader(spec.loader.name, spec.loader.path)
        return spec


class _TellingLoader(SourceFileLoader):
    def get_code(self, _name: str) -> CodeType:
        """Compiled anew, and kept nowhere."""
        return compile(telling(Path(self.path).read_text(), os.path.relpath(self.path)), self.path, "exec")


def telling(text: str, file: str) -> ast.Module:
    """The program, which calls `tell_that_lines_run(file, lines)` before each statement of its functions, with the lines as bits."""
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(one): one for function in functions for one in ast.walk(function) if one is not function}
    blocks = [*functions, *(one for one in inside.values() if not isinstance(one, ast.ClassDef))]
    for node in blocks:
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                setattr(node, field, [one for each in statements for one in (*_told(each, file), each)])
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            told = _call(file, node.body.lineno, node.body.end_lineno or node.body.lineno)
            node.body = ast.Subscript(ast.Tuple([told, node.body], ast.Load()), ast.Constant(1), ast.Load())
    return ast.fix_missing_locations(tree)


def _told(statement: ast.stmt, file: str) -> list[ast.stmt]:
    """What is put before a statement: of one with a block only the head is run by it, but for the cases of a match."""
    if isinstance(statement, ast.Global | ast.Nonlocal) or _is_docstring(statement):
        return []
    block = getattr(statement, "body", None)
    last = max(block[0].lineno - 1, statement.lineno) if block else statement.end_lineno or statement.lineno
    return [ast.copy_location(ast.Expr(_call(file, statement.lineno, last)), statement)]


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _call(file: str, first: int, last: int) -> ast.Call:
    lines = (1 << last + 1) - (1 << first)
    return ast.Call(ast.Name(TELL, ast.Load()), [ast.Constant(file), ast.Constant(lines)], [])
