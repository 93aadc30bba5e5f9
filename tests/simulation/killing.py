"""Processes that are killed at one line of the portal's own code: which lines a piece of work executes, and a SIGKILL at each.

The work runs in a child that is forked from the test's process, with connections of its own. It dies as with a power cut, or by the
out-of-memory killer: no `finally` runs, nothing is rolled back by it, and what was in memory is gone.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
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


def lines_of(act: Act, *, ready: Act) -> list[Line]:
    """The distinct lines that this work executes, in the order in which they are first reached; done in a child.

    What the child does before, in `ready`, does not count.
    """
    with tempfile.NamedTemporaryFile("r") as written:

        def note_lines() -> None:
            ready()
            seen: dict[tuple[str, int], None] = {}
            _traced(act, lambda file, number: seen.setdefault((file, number)), _OURS)
            Path(written.name).write_text("\n".join(f"{number} {file}" for file, number in seen))

        status = _in_a_child(note_lines)
        assert status == 0, f"the work itself failed: {status}"
        found = (line.partition(" ") for line in written.read().splitlines())
        return [Line(file, int(number)) for number, _, file in found]


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
