"""Processes that live no longer than the one that started them: for the demo and for the tests. Standard library only."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
# How long a process may take to end by itself before it is killed, in seconds.
GRACE_SECONDS = 10.0


class Died(RuntimeError):
    """A process ended, or never answered; the message holds the end of what it wrote."""


class Process:
    """One command in a process group of its own, writing into a log file.

    Its own group, so that Ctrl-C in a terminal reaches the starter alone, which then ends its children in order. Should the
    starter be killed, the kernel sends the child SIGTERM.
    """

    def __init__(self, name: str, command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log_start = log.stat().st_size if log.exists() else 0
        self._process = self._start([str(part) for part in command], environment)

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as sink:
            return subprocess.Popen(
                [*until_the_starter_dies(), *command],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """What it ended with, negative for a signal; None while it runs."""
        return self._process.poll()

    def wait_until(self, ready: Callable[[], bool], *, within: float) -> None:
        """Return when `ready()` is true. Raises Died when the process ends before, or after `within` seconds."""
        deadline = time.monotonic() + within
        while not ready():
            if not self.running and not ready():
                raise Died(f"{self.name} ended with status {self._process.returncode}:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise Died(f"{self.name} did not answer within {within:.0f} seconds:\n{self.last_words()}")
            time.sleep(0.05)

    def said(self) -> str:
        """All that it wrote so far."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def last_words(self, lines: int = 20) -> str:
        return "\n".join(self.said().splitlines()[-lines:])

    def ask_to_end(self) -> None:
        if self.running:
            self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Return when no process of the group is left. A second call does nothing."""
        self.ask_to_end()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self._signal(signal.SIGKILL)  # the group may outlive its first process
        self._process.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def until_the_starter_dies(signal_name: str = "TERM") -> list[str]:
    """What to put before a command so that the kernel signals it when the thread that starts it is gone, even by kill -9.

    util-linux's setpriv does it and then becomes the command; without that program (outside Linux) nothing is put before it.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, f"--pdeathsig={signal_name}", "--"] if setpriv else []


def end_with_clean_up_on_sigterm() -> None:
    """From now on SIGTERM ends this process as Ctrl-C does, with its clean-up, which a second SIGTERM does not cut short.

    Call it before the first child is started. `make` and a shell may both hand on the one signal that somebody sent.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)  # SIG_IGN would be inherited by the commands of the clean-up
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@contextmanager
def ending_waits() -> Iterator[None]:
    """SIGTERM and Ctrl-C that come within are obeyed at its end, so that what is started there is known to its clean-up.

    Between the start of a child and the moment its number is noted nobody could end it. For the main thread, as signals are.
    """
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def end_all(processes: Sequence[Process]) -> None:
    """End the last started first, since it may need the others until then; all are asked before any is waited for."""
    for process in reversed(processes):
        process.ask_to_end()
    for process in reversed(processes):
        process.end()


def answers(url: str) -> bool:
    """Whether a GET of this URL is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  # our own http:// addresses
            return bool(response.status < 400)
    except (urllib.error.URLError, OSError):
        return False


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port
