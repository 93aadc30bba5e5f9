"""What it costs to start: processor time of a new process until the application is there, and the memory that it holds then."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.request import urlopen

from bench.lines import Line
from deploy.dev.processes import Process, answers, free_port
from tests.run import process_environment

ROOT = Path(__file__).parents[1]
_MEMORY = "; import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
# What only the tests have installed, and structlog imports where it is there: a web server has none of it.
_WITHOUT_RICH = "import sys; sys.modules['rich'] = None; "
# What no portal on these libraries can do without.
LAZY_STACK = "import flask, sqlalchemy.orm, psycopg"
APPLICATION = "import wsgi"
COMMAND = ["-m", "flask", "--app", "wsgi", "routes"]
WEB_PROCESSES = 2

SECONDS, SECONDS_AIM = 2.8, 1.8
COMMAND_LIMIT, COMMAND_AIM = 3.1, 2.2
MEMORY, MEMORY_AIM = 2.0, 1.2
WEB_MEMORY, WEB_MEMORY_AIM = 1.35, 1.2
_ALONE = "A process alone has all of the portal's code; a web server's processes share it, as the next line tells."
_CODE = (
    "What is left is the portal's own code and its tables: 440 modules, of which a page or an operation may need any."
    " A sixth of a start makes dataclasses, a ninth compiles routes, an eighth maps tables. The same code took 1.95 to 2.6 times as"
    " long in runs of two days."
)
_SHARED = "Two processes hold what two hold: what each of them writes to, such as the counts of references, is no longer shared."


def measure(*, quick: bool) -> list[Line]:
    rounds = 1 if quick else 7
    stack_alone = ["-c", _WITHOUT_RICH + LAZY_STACK + _MEMORY]
    application_alone = ["-c", _WITHOUT_RICH + APPLICATION + _MEMORY]
    programs = (stack_alone, application_alone, COMMAND)
    for program in programs:
        _run(program)  # so that what is imported is compiled
    runs = [[_run(program) for program in programs] for _ in range(rounds)]
    seconds = [statistics.median(run[place][0] for run in runs) for place in range(len(programs))]
    stack, whole = (statistics.median(int(run[place][1]) for run in runs) / 1024 for place in (0, 1))
    web = _web_memory()
    beside = "the lazy stack"
    return [
        Line("start: the application", seconds[1], "s", seconds[1] / seconds[0], beside, SECONDS, SECONDS_AIM, _CODE),
        Line("start: a command", seconds[2], "s", seconds[2] / seconds[0], beside, COMMAND_LIMIT, COMMAND_AIM, _CODE),
        Line("memory: the application alone", whole, "MiB", whole / stack, beside, MEMORY, MEMORY_AIM, _ALONE),
        Line("memory: each of two web processes", web, "MiB", web / stack, beside, WEB_MEMORY, WEB_MEMORY_AIM, _SHARED),
    ]


def _run(words: Sequence[str]) -> tuple[float, str]:
    """Processor seconds of a Python that does this and ends, and the last word that it said."""
    process = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = process.stdout.read().split()
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return used.ru_utime + used.ru_stime, said[-1]


def _environment() -> dict[str, str]:
    environment = process_environment(PORTAL_DATABASE_URL="sqlite://")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _web_memory() -> float:
    """MiB for each process of a web server that has answered, what they share counted once."""
    port = free_port()
    gunicorn = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "deploy/gunicorn.conf.py",
        "--workers",
        str(WEB_PROCESSES),
    ]
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        command = [*gunicorn, "--bind", f"127.0.0.1:{port}", "wsgi:app"]
        server = Process("web", command, log=Path(folder) / "log", environment=_environment())
        try:
            address = f"http://127.0.0.1:{port}/sign-in"
            server.wait_until(lambda: answers(address), within=60)
            for _ in range(20):
                urlopen(address).close()
            return _share(server.pid) / WEB_PROCESSES
        finally:
            server.kill()


def _share(first: int) -> float:
    """MiB of a process and of those that it has forked."""
    pids = [str(first)]
    for pid in pids:
        pids += Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    lines = [line.split() for rollup in rollups for line in rollup.splitlines()]
    return sum(int(words[1]) for words in lines if words[0] == "Pss:") / 1024
