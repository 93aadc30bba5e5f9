"""Processor time, taken so that a busy machine weighs on everything that is compared alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def costs(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median processor time of each work in seconds, all done in turns. Each is done once before, and not counted."""
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            begun = time.process_time()
            work()
            taken[name].append(time.process_time() - begun)
    return {name: statistics.median(times) for name, times in taken.items()}
