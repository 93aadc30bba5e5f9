"""What gunicorn serves in test_slow_clients: an application of which some requests never end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from deploy.web_worker import BufferingWorker

NEVER = threading.Event()


class ShortWorker(BufferingWorker):
    """With times that a test can wait for."""

    header_seconds = 1.0
    body_seconds = 2.0


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/stuck":
        NEVER.wait()
    body = environ["wsgi.input"].read()
    told = f"{environ['PATH_INFO']} {len(body)}".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(told)))]
    start_response("200 OK", [*headers, ("X-Scheme", environ["wsgi.url_scheme"])])
    return [told]
