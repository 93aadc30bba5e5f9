"""Several things at once."""

from __future__ import annotations

import threading
from collections.abc import Callable


def run_concurrently(*works: Callable[[], object]) -> list[object]:
    """What they return, or raise, when all begin at once."""
    outcomes: list[object] = []
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        gate.wait(30)
        try:
            outcomes.append(work())
        except Exception as error:  # noqa: BLE001  # each is looked at
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == len(works)
    return outcomes
