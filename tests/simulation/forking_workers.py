"""`python -m tests.simulation.forking_workers COUNT`: so many of the real `flask worker`, each forked anew at once when it dies."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from flask.cli import ScriptInfo

from tests.processes import end_with_parent
from tests.simulation.preloaded import app


def become_worker(parent: int) -> None:
    """In the child: end with the parent, and be `flask worker`."""
    end_with_parent(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    app.cli.commands["worker"].main(
        args=[], prog_name="worker", obj=ScriptInfo(create_app=lambda: app), standalone_mode=False
    )


def main(count: int) -> None:
    parent = os.getpid()
    children: set[int] = set()

    def end(_number: int, _frame: FrameType | None) -> None:
        for child in children:
            os.kill(child, signal.SIGTERM)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    while True:
        while len(children) < count:
            child = os.fork()
            if child == 0:
                try:
                    become_worker(parent)
                finally:
                    os._exit(1)
            children.add(child)
        ended, _status = os.wait()
        children.discard(ended)


if __name__ == "__main__":
    main(int(sys.argv[1]))
