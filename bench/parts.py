"""The parts of the table, and how each is measured in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from multiprocessing.connection import Connection

from bench.lines import Line
from deploy.dev.processes import end_with_clean_up_on_sigterm
from tests.run import SETTINGS

PARTS = (
    "pages",
    "start",
    "webhooks",
    "dj_stripe",
    "payment",
    "receipts",
    "history",
    "search",
    "misspelled",
    "size",
    "sandbox",
)


def measured(part: str, quick: bool) -> list[Line]:
    # The portal asks for its settings at many places. A part that connects to a database does so itself.
    os.environ.update(SETTINGS | {"PORTAL_DATABASE_URL": "sqlite://"})
    lines: list[Line] = import_module(f"bench.{part}").measure(quick=quick)
    return lines


def all_measured(parts: Sequence[str], *, quick: bool) -> list[Line]:
    """Settings, databases and memory are a process's own, so each part gets a new one. Tells how long each took, as it ends.

    Raises RuntimeError for a part that fails. Whatever ends this ends the part, too, and what it started.
    """
    spawning = multiprocessing.get_context("spawn")
    lines: list[Line] = []
    begun = time.monotonic()
    for part in parts:
        ours, its = spawning.Pipe(duplex=False)
        process = spawning.Process(target=_measured_into, args=(its, part, quick))
        process.start()
        its.close()
        try:
            lines += ours.recv()
            process.join()
        except EOFError:
            raise RuntimeError(f"{part} failed: see above") from None
        finally:
            if process.is_alive():
                process.terminate()
                process.join()
        print(f"{part}: after {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return lines


def _measured_into(ours: Connection, part: str, quick: bool) -> None:
    end_with_clean_up_on_sigterm()
    found = measured(part, quick)
    ours.send(found)
    ours.close()
