"""Commands that a campaign starts: when it ends before they do, they are asked to end, with their clean-up, and waited for."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Lock
from typing import Final

# pytest ends its workers and servers first.
_GRACE_SECONDS: Final = 60.0
_starting, _over = Lock(), Event()
_running: Final[set[subprocess.Popen[str]]] = set()


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    is_shown: bool = False,
) -> subprocess.CompletedProcess[str]:
    """As subprocess.run. All that it wrote is in `stdout`, or is shown at once. Raises TimeoutExpired when it has ended after that."""
    stdout, stderr = (None, None) if is_shown else (subprocess.PIPE, subprocess.STDOUT)
    with _starting:
        if _over.is_set():
            raise RuntimeError("the campaign has ended")
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=stdout, stderr=stderr, text=True)
        _running.add(process)
    with process:
        try:
            said, _ = process.communicate(timeout=timeout)
        except BaseException:
            process.terminate()
            try:
                process.communicate(timeout=_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
        finally:
            _running.discard(process)
    return subprocess.CompletedProcess(command, process.returncode, said)


def end_all() -> None:
    """Ask every one that runs, in whatever thread, to end; no other one starts from then on."""
    with _starting:
        _over.set()
    for process in list(_running):
        process.terminate()
