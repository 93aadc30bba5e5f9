"""The whole portal as it is deployed, in processes that come back within milliseconds when they are killed; and who kills them."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from deploy.dev.processes import Process, answers, end_all, free_port
from tests.run import process_environment

START_SECONDS: Final = 60.0
WEB_PROCESSES: Final = 2
WORKERS: Final = 2
# Between two kills.
MOST_CALLS_BETWEEN: Final = 8
LONGEST_BETWEEN_SECONDS: Final = 2.0


class Portal:
    """Web and worker on one database, each a parent that forks the processes doing the work; those are `victims`."""

    def __init__(self, logs: Path, settings: Mapping[str, str], port: int) -> None:
        self.port = port
        self.url = settings["PORTAL_BASE_URL"]
        self._logs = logs
        self._environment = process_environment(COMPILED_TEMPLATES=str(logs / "templates"), **settings)
        self._web: Process | None = None
        self._workers: Process | None = None

    def start(self) -> Portal:
        """Return when the web server answers and the workers are ready."""
        gunicorn = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--preload"]
        self._web = self._spawn(
            "web",
            [
                *gunicorn,
                "--workers",
                str(WEB_PROCESSES),
                "--bind",
                f"127.0.0.1:{self.port}",
                "tests.simulation.preloaded:app",
            ],
        )
        self._workers = self._spawn("worker", [sys.executable, "-m", "tests.simulation.forking_workers", str(WORKERS)])
        workers, web = self._workers, self._web
        workers.wait_until(lambda: "worker ready" in workers.said(), within=START_SECONDS)
        web.wait_until(lambda: answers(f"{self.url}/readyz"), within=START_SECONDS)
        return self

    def stop(self) -> None:
        if self._web is not None:
            self._web.kill()  # it would wait for open connections, and has nothing to lose
        end_all([process for process in (self._web, self._workers) if process is not None])

    def victims(self) -> list[tuple[str, int]]:
        """The processes that do the work now, as ("web" or "worker", pid): children of parents that we started."""
        return [
            (process.name, child)
            for process in (self._web, self._workers)
            if process is not None
            for child in children_of(process.pid)
        ]

    def _spawn(self, name: str, command: list[str]) -> Process:
        return Process(name, command, log=self._logs / f"{name}.log", environment=self._environment)


def children_of(pid: int) -> list[int]:
    """The process's children that live now."""
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Repeating:
    """Does something every now and then, at moments from the seed, until it is stopped; the act gets the same source of chance."""

    def __init__(
        self, name: str, seed: object, pause_seconds: tuple[float, float], act: Callable[[random.Random], None]
    ) -> None:
        self._act = act
        self._pause = pause_seconds
        self._chance = random.Random(f"{seed}:{name}")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._chance.uniform(*self._pause)):
            self._act(self._chance)


class Killer:
    """Ends one of the portal's processes with SIGKILL, once some calls to Stripe were made since the last time, or none for long.

    So a slow machine, too, gets something done between two kills, and each comes in the midst of work.
    """

    def __init__(self, portal: Portal, calls: Callable[[], int]) -> None:
        self.kills = Counter[str]()
        self._portal = portal
        self._calls = calls
        self._next_at, self._longest_wait = 0, 0.0

    def __call__(self, chance: random.Random) -> None:
        if self._calls() < self._next_at and time.monotonic() < self._longest_wait:
            return
        victims = self._portal.victims()
        if not victims:
            return
        name, pid = chance.choice(victims)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.kills[name] += 1
        self._next_at = self._calls() + chance.randint(1, MOST_CALLS_BETWEEN)
        self._longest_wait = time.monotonic() + LONGEST_BETWEEN_SECONDS


def port_and_url() -> tuple[int, str]:
    port = free_port()
    return port, f"http://127.0.0.1:{port}"
