"""What it costs to start: processor time of a new process until the application is there, and the memory that it holds then."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from bench.lines import Line
from tests.run import process_environment

ROOT = Path(__file__).parents[1]
_MEMORY = "; import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
# What only the tests have installed, and structlog imports where it is there: a web server has none of it.
_WITHOUT_RICH = "import sys; sys.modules['rich'] = None; "
# What no portal on these libraries can do without.
LAZY_STACK = "import flask, sqlalchemy.orm, psycopg"
APPLICATION = "import wsgi"

SECONDS, SECONDS_AIM = 2.3, 1.8
MEMORY, MEMORY_AIM = 1.95, 1.2


def measure(*, quick: bool) -> list[Line]:
    rounds = 1 if quick else 7
    for program in (LAZY_STACK, APPLICATION):
        _run(program)  # so that what is imported is compiled
    runs = [(_run(LAZY_STACK), _run(APPLICATION)) for _ in range(rounds)]
    stack, application = (
        tuple(statistics.median(of) for of in zip(*side, strict=True)) for side in zip(*runs, strict=True)
    )
    return [
        Line(
            "start: the application",
            application[0],
            "s",
            application[0] / stack[0],
            "the lazy stack",
            SECONDS,
            SECONDS_AIM,
        ),
        Line(
            "memory: the application",
            application[1],
            "MiB",
            application[1] / stack[1],
            "the lazy stack",
            MEMORY,
            MEMORY_AIM,
        ),
    ]


def _run(program: str) -> tuple[float, float]:
    """Processor seconds of a Python that does this and ends, and the most memory that it held, in MiB."""
    environment = process_environment(PORTAL_DATABASE_URL="sqlite://")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        [sys.executable, "-c", _WITHOUT_RICH + program + _MEMORY],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    memory = process.stdout.read()
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, program
    return used.ru_utime + used.ru_stime, int(memory) / 1024
