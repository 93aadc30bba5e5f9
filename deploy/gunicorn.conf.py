"""How gunicorn serves the portal. WEB_CONCURRENCY says how many processes, GUNICORN_CMD_ARGS overrides anything.

Most of a payment is waiting for Stripe, so threads carry more than processes do: many of them wait while one computes.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

# Where the processes add up what they count for /metrics: before anything is imported that counts. In memory, and gone at the end.
COUNTED = "PROMETHEUS_MULTIPROC_DIR"
if os.environ.get("PORTAL_METRICS_TOKEN"):
    os.environ[COUNTED] = tempfile.mkdtemp(prefix="portal-metrics-", dir="/dev/shm")

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy.orm import configure_mappers  # noqa: E402

from portal.core import db  # noqa: E402

# gunicorn reads this file before it looks for the application
from portal.core.config import WrongSettings, load  # noqa: E402

# gunicorn's threads, which get a request when it is whole: slow clients keep none of them waiting. At most 24 of them may be at Stripe
# (portal.gateway.http_client), so that 16 are left for everything else, whatever Stripe does.
worker_class = "deploy.web_worker.BufferingWorker"
threads = 40

# A thread waits at most 10 s for Stripe and tries once more; nothing that is well takes longer than this, in seconds.
timeout = 45
graceful_timeout = 30
# Longer than the usual reverse proxy keeps its connections, so that it and not we closes them.
keepalive = 75

# Heartbeats through memory: a slow disk must not make a worker look dead.
worker_tmp_dir = "/dev/shm"
# A worker makes room after this many requests, not all of them at once.
max_requests = 20_000
max_requests_jitter = 2_000

control_socket_disable = True
# As in wsgi.py.
umask = 0o077

# What a proxy says is believed by the portal alone, and only as far as PORTAL_PROXIES goes. gunicorn would believe whoever calls from
# 127.0.0.1, and FORWARDED_ALLOW_IPS.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""


def on_starting(server: Any) -> None:
    """Make the application once, for all processes, which share the memory that it takes.

    Before that, say how many processes there will be, however that was decided, and stop here, with a sentence, if the settings are wrong.
    So a new release or new settings need a restart: with SIGHUP the processes begin anew with the old ones.
    """
    os.environ["WEB_CONCURRENCY"] = str(server.cfg.workers)
    try:
        load()
    except WrongSettings as error:
        print(
            f"The portal cannot start with these settings.\n{error}", file=sys.stderr
        )  # not one line for each in a log
        sys.exit(1)
    server.app.wsgi()
    configure_mappers()


def child_exit(_server: Any, worker: Any) -> None:
    """What was in use in a process that is gone is in use no more; what it counted stays."""
    if COUNTED in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    if COUNTED in os.environ:
        shutil.rmtree(os.environ[COUNTED], ignore_errors=True)


def post_fork(_server: Any, _worker: Any) -> None:
    """A connection to the database belongs to one process: none that the first one may have opened is used by another."""
    db.after_fork()
