"""The parts of the table, and how each is measured in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module

from bench.lines import Line
from tests.run import SETTINGS

PARTS = ("pages", "start", "webhooks", "dj_stripe", "payment", "receipts", "history", "search", "size", "sandbox")


def measured(part: str, quick: bool) -> list[Line]:
    # The portal asks for its settings at many places. A part that connects to a database does so itself.
    os.environ.update(SETTINGS | {"PORTAL_DATABASE_URL": "sqlite://"})
    lines: list[Line] = import_module(f"bench.{part}").measure(quick=quick)
    return lines


def all_measured(parts: Sequence[str], *, quick: bool) -> list[Line]:
    """Settings, databases and memory are a process's own, so each part gets a new one. Tells how long each took, as it ends."""
    spawning = multiprocessing.get_context("spawn")
    lines: list[Line] = []
    begun = time.monotonic()
    with ProcessPoolExecutor(1, mp_context=spawning, max_tasks_per_child=1) as processes:
        for part, found in zip(parts, processes.map(measured, parts, [quick] * len(parts)), strict=True):
            lines += found
            print(f"{part}: after {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return lines
