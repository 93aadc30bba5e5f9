"""Processes that are killed at one line of the portal's own code: which lines a piece of work executes, and a SIGKILL at each.

Two lines between which nothing was called that could change anything outside of the process are one moment: a kill at either leaves the
same behind, so the first of them stands for both.

The work runs in a child that is forked from the test's process, with connections of its own. It dies as with a power cut, or by the
out-of-memory killer: no `finally` runs, nothing is rolled back by it, and what was in memory is gone.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

from deploy.dev.processes import ROOT
from portal import gateway
from portal.core import db
from tests.processes import end_with_parent

# The sandbox is Stripe, and runs elsewhere.
_OURS = f"{ROOT / 'portal'}{os.sep}"
# No piece of work takes this long; a child that waits for something is ended by the kernel, in seconds.
MOST_SECONDS = 30

Act = Callable[[], object]
# Called at each line with the file's name and the number of the line.
See = Callable[[str, int], None]


@dataclass(frozen=True, order=True)
class Line:
    file: str
    number: int

    def __str__(self) -> str:
        return f"{Path(self.file).relative_to(ROOT)}:{self.number}"


@dataclass(frozen=True)
class Way:
    """The lines that a piece of work executes, each once, in the order in which they are first reached.

    `moments` are those of them at which there is something to be learnt from a kill.
    """

    lines: list[Line]
    moments: list[Line]


def way_of(act: Act, *, ready: Act, known: Collection[Line] = ()) -> Way:
    """The way of this work; it is done in a child. What the child does before, in `ready`, does not count.

    A kill comes when its line is reached first. So a line stands for a moment if it is reached first in it, and is not one of those that
    are `known`, at which another work is killed.
    """
    with tempfile.NamedTemporaryFile("r") as written:

        def note_lines() -> None:
            ready()
            moments = _Moments({(line.file, line.number) for line in known})
            sys.setprofile(moments.called)
            try:
                _traced(act, moments.reached, _OURS)
            finally:
                sys.setprofile(None)
            Path(written.name).write_text(json.dumps([list(moments.lines), moments.first]))

        status = _in_a_child(note_lines)
        assert status == 0, f"the work itself failed: {status}"
        lines, first = ([Line(file, number) for file, number in some] for some in json.load(written))
        return Way(lines, first)


class _Moments:
    """The lines of a work, and of each moment the first one: until something may have happened outside of the process."""

    # What changes nothing but what it returns, or an object in memory, unless it calls something else that is seen in its turn.
    _OWN_MATTER = (str, bytes, int, float, tuple, list, dict, set, frozenset, type, date, re.Pattern, re.Match)
    _READS_AND_WRITES = frozenset({"open", "print", "input", "exec", "eval", "__import__", "breakpoint"})
    _OF_VALUES = (
        "<string>",
        "/enum.py",
        "/functools.py",
        "/dataclasses.py",
        "/contextlib.py",
        "/sqlalchemy/orm/attributes.py",
    )

    def __init__(self, known: Collection[tuple[str, int]]) -> None:
        self.lines: dict[tuple[str, int], None] = {}
        self.first: list[tuple[str, int]] = []
        self._known = known
        self._something_happened = True
        self._has_its_line = False

    def reached(self, file: str, number: int) -> None:
        line = file, number
        if self._something_happened:
            self._something_happened = self._has_its_line = False
        if not self._has_its_line and line not in self.lines and line not in self._known:
            self.first.append(line)
            self._has_its_line = True
        self.lines.setdefault(line)

    def called(self, frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call":
            self._something_happened |= not self._is_own_matter(called)
        elif event == "call":
            file = frame.f_code.co_filename
            self._something_happened |= not file.startswith(_OURS) and not file.endswith(self._OF_VALUES)

    def _is_own_matter(self, called: Any) -> bool:
        if isinstance(getattr(called, "__self__", None), self._OWN_MATTER):
            return True
        return getattr(called, "__module__", None) == "builtins" and called.__name__ not in self._READS_AND_WRITES


def dies_at(line: Line, act: Act, *, ready: Act) -> bool:
    """Do the work in a child that is killed when it comes to this line; False when it came to its end without."""

    def work() -> None:
        ready()
        _traced(act, kill, line.file)

    def kill(_file: str, number: int) -> None:
        if number == line.number:
            os.kill(os.getpid(), signal.SIGKILL)

    status = _in_a_child(work)
    assert status in {0, -signal.SIGKILL}, f"at {line} the work ended with {status}"
    return status == -signal.SIGKILL


def _traced(act: Act, see: See, files: str) -> None:
    """Do the work, and show every line of the files whose names begin like this."""

    def in_frame(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            see(frame.f_code.co_filename, frame.f_lineno)
        return in_frame

    def at_call(frame: FrameType, _event: str, _: Any) -> Any:
        return in_frame if frame.f_code.co_filename.startswith(files) else None

    sys.settrace(at_call)
    try:
        act()
    finally:
        sys.settrace(None)


def _in_a_child(work: Act) -> int:
    """The child's exit status, or the negative number of the signal that ended it.

    No connection is shared: this process lets go of its own before. The engine stays, with the statements that it has compiled.
    """
    db.engine().dispose()
    gateway.forget()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        end_with_parent(parent)
        _live(work)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _live(work: Act) -> None:
    """The child's whole life: it never comes back to the test that it was forked from."""
    try:
        gc.disable()  # nothing of the parent's memory is copied only to be looked at
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(MOST_SECONDS)
        faulthandler.dump_traceback_later(MOST_SECONDS - 1, file=2)  # for what it waits
        work()
    except BaseException:  # noqa: BLE001  # whatever it was, it ends here
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
