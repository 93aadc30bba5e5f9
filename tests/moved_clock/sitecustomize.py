"""Python reads this first in a process whose clock is moved: see Clock in tests/live.py.

`time.sleep` waits for a moment of the monotonic clock. libfaketime 0.9.10, which Debian has, moves that moment although it was
told to leave this clock alone, and the system refuses it as invalid. A wait for nothing to be ready takes as long and is let be.
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex, /) -> None:
    select.select([], [], [], seconds if isinstance(seconds, float) else int(seconds))


time.sleep = _sleep
