"""What gunicorn serves in test_start: an application that tells which process made it, and which one answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

MADE_IN = os.getpid()


def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    told = f"{MADE_IN} {os.getpid()}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(told)))])
    return [told]
