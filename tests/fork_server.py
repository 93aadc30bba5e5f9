"""A process that has imported the portal, of which the portal's own processes are forked: an import takes seconds, a fork milliseconds.

What is started is what `python -m gunicorn` and `python -m flask` start, with an environment, a log and a session of its own. Nothing
that belongs to settings or to a database is there before the fork: an application and a document are made with some settings, and only
what is the same for all of them is kept.

Started with the path of a socket and the folder of compiled templates as its arguments; a request is a line of JSON at the socket, the
answer the new process's number.
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


def main(address: str, templates: Path) -> None:
    gc.disable()
    _make_all(templates)
    gc.freeze()
    gc.enable()
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


def _make_all(templates: Path) -> None:
    """What the portal's processes import and make, at their start or at the first need."""
    import gunicorn.app.wsgiapp
    import stripe
    from sqlalchemy.orm import configure_mappers

    import deploy.web_worker
    from portal import gateway
    from portal.app import create_app
    from portal.core import config, db
    from tests.preloading import keep_routes, keep_templates, render_a_receipt

    keep_routes()
    keep_templates(templates)
    create_app()
    configure_mappers()
    render_a_receipt()
    db.disconnect()
    config.forget()
    gateway.forget()
    del gunicorn, stripe, deploy


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
    main(sys.argv[1], Path(sys.argv[2]))
