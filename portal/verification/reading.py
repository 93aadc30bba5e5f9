"""Reading what the pages of a file show, in a process of its own (page_text), and one file at a time in each process of the portal."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

import structlog

from portal.core import db
from portal.core.errors import N_, PortalError

log = structlog.get_logger(__name__)

PROGRAM: Final = Path(__file__).parent / "page_text.py"
# More than the processor time that the program has, for a machine that is busy. Seconds.
LONGEST_SECONDS: Final = 15
# Whoever comes while another file is read waits so long. Seconds.
WAIT_SECONDS: Final = 10

_one: Final = threading.Semaphore()


class Busy(PortalError):
    code = "files_being_read"
    status = 503
    message = N_("Other files are being checked right now. Please try again in a minute.")


def text_of(pdf: bytes) -> str | None:
    """What its pages show, at most page_text.LONGEST_TEXT characters of them; "" where they are pictures, None for what is no readable PDF.

    Raises Busy.
    """
    db.refuse_inside_transaction("reading a file")
    if not _one.acquire(timeout=WAIT_SECONDS):
        raise Busy
    try:
        # It gets nothing of this process: no settings, and no folder to import from.
        done = subprocess.run(
            [sys.executable, "-I", str(PROGRAM)],
            input=pdf,
            capture_output=True,
            timeout=LONGEST_SECONDS,
            env={},
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired:
        log.warning("file_not_read", why="it took too long")
        return None
    finally:
        _one.release()
    if done.returncode:
        log.info("file_not_read", code=done.returncode)
        return None
    return done.stdout.decode()
