"""A process that has imported the portal, of which the portal's own processes are forked: an import takes seconds, a fork milliseconds.

What is started is what `python -m gunicorn` and `python -m flask` start, with an environment, a log and a session of its own. Nothing
that belongs to settings or to a database is there before the fork.

Started with the path of a socket as its argument; a request is a line of JSON there, the answer the new process's number.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from tests.processes import end_with_parent


def main(address: str) -> None:
    _import_all()
    gc.collect()
    gc.freeze()
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    sys.stdout.write("fork server ready\n")
    sys.stdout.flush()
    while True:
        asked, _ = server.accept()
        with asked, asked.makefile("r") as lines:
            request = json.loads(lines.readline())
            # Those that have ended are let go of only now: until then their numbers are nobody else's.
            _reap()
            starter = os.getpid()
            child = os.fork()
            if child == 0:
                server.close()
                asked.close()
                _become(request, starter)
                return
            asked.sendall(f"{child}\n".encode())


def _import_all() -> None:
    """What the portal's processes import, at their start or at the first need."""
    import gunicorn.app.wsgiapp
    import stripe
    import weasyprint

    import deploy.web_worker
    import portal.app

    del gunicorn, stripe, weasyprint, deploy, portal


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _become(request: dict[str, Any], starter: int) -> None:
    """In the child: be `python -m MODULE ARGUMENTS`, until that ends."""
    os.setsid()
    end_with_parent(starter, signal.SIGTERM)
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.environ.clear()
    os.environ.update(request["environment"])
    module, *arguments = request["command"]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(str(Path(sys.argv[1])))
