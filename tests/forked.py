"""Starting the portal's processes by the fork server (tests/fork_server.py) instead of from nothing."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from deploy.dev.processes import Process
from tests.run import process_environment

START_SECONDS = 60.0


class ForkServer:
    """One for all tests of a process; it starts with the first thing that is asked of it."""

    def __init__(self, directory: Path, templates: Path) -> None:
        """`templates` is the folder of compiled templates; see tests/preloading.py."""
        self._directory = directory
        self._templates = templates
        self._address = str(directory / f"fork-{os.getpid()}")
        self._server: Process | None = None

    def fork(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
        """Start `python -m` with these words, in a session of its own; returns its number."""
        request = {"command": list(command), "log": str(log), "environment": dict(environment)}
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(START_SECONDS)
            asking.connect(self._running())
            asking.sendall(json.dumps(request).encode() + b"\n")
            with asking.makefile("r") as answer:
                return int(answer.readline())

    def stop(self) -> None:
        if self._server is not None:
            self._server.end()

    def _running(self) -> str:
        if self._server is None:
            log = self._directory / "log" / f"fork-{os.getpid()}.log"
            command = [sys.executable, "-m", "tests.fork_server", self._address, str(self._templates)]
            settings = process_environment(PORTAL_DATABASE_URL="sqlite://")
            server = Process("fork server", command, log=log, environment=settings)
            server.wait_until(lambda: "fork server ready" in server.said(), within=START_SECONDS)
            self._server = server
        return self._address


class ForkedProcess(Process):
    """A process of the portal like any other, but for how it begins, and that what it ended with is not known."""

    def __init__(
        self, server: ForkServer, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str]
    ) -> None:
        """`command` is what stands behind `python -m`."""
        self._server = server
        super().__init__(name, command, log=log, environment=environment)

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        self.log.touch()  # it is read at once
        return cast("subprocess.Popen[bytes]", _Forked(self._server.fork(command, self.log, environment)))


class _Forked:
    """What Process asks of subprocess.Popen, for a process that is another one's child."""

    returncode = "unknown"

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle: int | None = os.pidfd_open(pid)

    def poll(self) -> str | None:
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> str:
        if self._handle is not None:
            ended = select.poll()
            ended.register(self._handle, select.POLLIN)
            if not ended.poll(None if timeout is None else timeout * 1_000):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            os.close(self._handle)
            self._handle = None
        return self.returncode
