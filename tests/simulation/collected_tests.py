"""Tests that are collected once and then shown one defect after another: importing and collecting takes half a minute, a fork milliseconds.

`python -m tests.simulation.collected_tests SOCKET TEST…` is pytest in a copy of the portal. The first line that it is sent is a list of
tests as JSON, which run before anything is forked: routes, templates and statements are compiled then, and the sandbox is started. Each
further line is a request: the files that a defect changes with their texts, and the tests. They run in a forked child until the first
that fails. There the functions that were imported get the code of the defect, and so do the files, for what is imported later and for
other processes. A test that fails without the defect as well says nothing: it is left out from then on.

What was computed before the fork may hide a defect here. So one that no test notices is shown to them once more in a process of its own.
"""

from __future__ import annotations

import gc
import inspect
import json
import os
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from threading import Lock
from types import CodeType, FunctionType
from typing import Any, Final

import pytest
from urllib3 import PoolManager

from deploy.dev.processes import until_the_starter_dies
from tests.processes import end_with_parent

# One database shows a defect as well as two. A defect may let a test wait for what never comes.
_PYTEST: Final = ("-q", "-p", "no:cacheprovider", "--no-header", "-k", "not postgresql", "--timeout=30")
# What a child ends with; an exit by pytest's limit for one test counts as a failure.
_PASSED, _FAILED = 0, 1

Functions = Mapping[tuple[str, int, str], Sequence[FunctionType]]


class CollectedTests:
    """The session for one copy, as the campaign sees it: it starts with the first question."""

    def __init__(self, root: Path, tests: Sequence[str], first: Sequence[str]) -> None:
        """`first` are those that run before anything is forked."""
        self._root = root
        self._tests = tests
        self._first = first
        self._process: Popen[bytes] | None = None
        self._starting = Lock()
        self._is_over = False
        self._ours, self._theirs = socket.socketpair()

    def first_to_fail(self, changed: Mapping[str, str], tests: Sequence[str]) -> str | None:
        """The first of these tests that fails when these files hold these texts; empty for none.

        None when it cannot be known here, because the defect is in what runs when the module is imported.
        """
        with self._starting:
            if self._is_over:
                raise RuntimeError("the session has ended")
            is_new = self._process is None
            if is_new:
                self._process = self._start()
        if is_new:
            self._ask(self._first)
        self._ask([dict(changed), list(tests)])
        answer = self._lines.readline()
        if not answer:
            raise RuntimeError((self._root / "collected-tests.log").read_text()[-2_000:])
        return json.loads(answer)  # type: ignore[no-any-return]

    def _start(self) -> Popen[bytes]:
        here = [*until_the_starter_dies(), sys.executable, "-m", __name__]
        command = [*here, str(self._theirs.fileno()), *self._tests]
        with (self._root / "collected-tests.log").open("wb") as log:
            process = Popen(command, cwd=self._root, pass_fds=[self._theirs.fileno()], stdout=log, stderr=log)
        self._theirs.close()
        self._lines = self._ours.makefile("r")
        return process

    def _ask(self, what: object) -> None:
        self._ours.sendall(json.dumps(what).encode() + b"\n")

    def end(self) -> None:
        """With its clean-up, also in the midst of a question of another thread; none is answered from then on."""
        with self._starting:
            self._is_over = True
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


class _Shown:
    """Instead of running what was collected, pytest answers requests until nobody asks any more."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._healthy: set[str] = set()
        self._unfit: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        requests = self._asked.makefile("r")
        self._run_first(session, json.loads(requests.readline() or "[]"))
        self._functions = _functions(Path.cwd() / "portal")
        self._imported = {module.__file__ for module in list(sys.modules.values()) if hasattr(module, "__file__")}
        for line in requests:
            changed, tests = json.loads(line)
            texts = {Path(file).absolute(): text for file, text in changed.items()}
            self._asked.sendall(json.dumps(self._first_to_fail(texts, tests)).encode() + b"\n")
        return True

    def _run_first(self, session: pytest.Session, tests: Sequence[str]) -> None:
        for item in self._named(tests):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=self._elsewhere(item))
        session.testsfailed = 0
        for one in gc.get_objects():
            if isinstance(one, PoolManager):  # two children may not speak over one connection
                one.clear()

    def _elsewhere(self, item: pytest.Item) -> pytest.Item | None:
        """One of another directory: pytest then ends what was made for this test, and not what the whole session has in common."""
        return next((one for one in self._items.values() if one.path.parent != item.path.parent), None)

    def _first_to_fail(self, changed: Mapping[Path, str], tests: Sequence[str]) -> str | None:
        codes: dict[tuple[str, int, str], CodeType] = {}
        for file, text in changed.items():
            if str(file) not in self._imported:  # it will be read when it is
                continue
            found = changed_functions(file, file.read_text(), text)
            if found is None:
                return None
            codes |= found
        if any(key not in self._functions for key in codes):
            return None
        while True:
            items = [item for item in self._named(tests) if item.nodeid not in self._unfit]
            with _holding(changed):
                failed = self._run(items, codes)
            if not failed or failed in self._healthy:
                return failed
            if not self._run([self._items[failed]], {}):
                self._healthy.add(failed)
                return failed
            self._unfit.add(failed)

    def _named(self, tests: Sequence[str]) -> list[pytest.Item]:
        """Those of these names; a directory, a file or a function stands for all that are of it."""
        named: dict[str, pytest.Item] = {}
        for test in tests:
            inside = (test + "/", test + "::", test + "[")
            found = [test] if test in self._items else [name for name in self._items if name.startswith(inside)]
            named.update((name, self._items[name]) for name in found)
        return list(named.values())

    def _run(self, items: Sequence[pytest.Item], codes: Mapping[tuple[str, int, str], CodeType]) -> str:
        """The first of these that fails in a child with this code."""
        running = os.memfd_create("running")
        starter = os.getpid()
        child = os.fork()
        if child == 0:
            end_with_parent(starter)
            os.setsid()
            self._become(items, codes, running)
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        with os.fdopen(running, "rb") as file:
            file.seek(0)
            last = file.read().decode()
        return "" if status == _PASSED else last

    def _become(
        self, items: Sequence[pytest.Item], codes: Mapping[tuple[str, int, str], CodeType], running: int
    ) -> None:
        """In the child: change the code, run the tests, and end."""
        try:
            for key, code in codes.items():
                for function in self._functions[key]:
                    function.__code__ = code
            for item in items:
                os.ftruncate(running, 0)
                os.pwrite(running, item.nodeid.encode(), 0)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=self._elsewhere(item))
                if item.session.testsfailed:
                    os._exit(_FAILED)
            os._exit(_PASSED)
        finally:  # whatever else ends it, Ctrl-C among it
            os._exit(_FAILED)


@contextmanager
def _holding(texts: Mapping[Path, str]) -> Iterator[None]:
    """These files hold these texts meanwhile. Their times are put back, so that what was compiled of them stays good."""
    before = {file: (file.read_text(), file.stat()) for file in texts}
    for file, text in texts.items():
        file.write_text(text)
    try:
        yield
    finally:
        for file, (text, state) in before.items():
            file.write_text(text)
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def changed_functions(file: Path, old: str, new: str) -> dict[tuple[str, int, str], CodeType] | None:
    """The code of each function that differs, by its file, line and name; none when something differs outside of functions."""
    found: dict[tuple[str, int, str], CodeType] = {}
    is_same = _compare(compile(old, str(file), "exec"), compile(new, str(file), "exec"), found)
    return found if is_same else None


def _compare(old: CodeType, new: CodeType, found: dict[tuple[str, int, str], CodeType]) -> bool:
    if old == new:
        return True
    if old.co_flags & inspect.CO_OPTIMIZED:  # a function, with all that is defined in it
        found[old.co_filename, old.co_firstlineno, old.co_qualname] = new
        return True
    if (old.co_code, old.co_names, len(old.co_consts)) != (new.co_code, new.co_names, len(new.co_consts)):
        return False
    return all(
        _compare(one, other, found)
        if isinstance(one, CodeType) and isinstance(other, CodeType)
        else (type(one), one) == (type(other), other)
        for one, other in zip(old.co_consts, new.co_consts, strict=True)
    )


def _functions(place: Path) -> Functions:
    """All functions of the files below, as they are now; what the garbage collector was told to leave alone, too."""
    gc.unfreeze()
    found: defaultdict[tuple[str, int, str], list[FunctionType]] = defaultdict(list)
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename.startswith(str(place)):
            code = one.__code__
            found[code.co_filename, code.co_firstlineno, code.co_qualname].append(one)
    gc.freeze()
    return found


def main(arguments: Sequence[Any]) -> int:
    number, *tests = arguments
    return pytest.main([*_PYTEST, *tests], plugins=[_Shown(socket.socket(fileno=int(number)))])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
