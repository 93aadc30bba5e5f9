"""The parts of the table, and how each is measured in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module

from bench.lines import Line
from tests.run import SETTINGS

PARTS = ("pages", "start", "webhooks", "payment", "receipts", "history", "search", "size")


def measured(part: str, quick: bool) -> list[Line]:
    # The portal asks for its settings at many places. A part that connects to a database does so itself.
    os.environ.update(SETTINGS | {"PORTAL_DATABASE_URL": "sqlite://"})
    lines: list[Line] = import_module(f"bench.{part}").measure(quick=quick)
    return lines


def all_measured(parts: Sequence[str], *, quick: bool) -> list[Line]:
    """Settings, databases and memory are a process's own, so each part gets a new one."""
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawning, max_tasks_per_child=1) as processes:
        return [line for lines in processes.map(measured, parts, [quick] * len(parts)) for line in lines]
