"""The portal served by the test's own process: for browsers whose test does itself what a worker would do. Cheaper than live_portal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from werkzeug.serving import make_server

from deploy.dev.processes import free_port
from portal.core import config


@contextmanager
def served(*, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve an application with the settings in use, but for its own address; yields that. `host` may be the name "localhost", which is
    what browsers want for passkeys.
    """
    from portal.app import create_app

    port = free_port()
    url = f"http://{host}:{port}"
    config.use(config.current().model_copy(update={"base_url": url}))
    server = make_server("127.0.0.1", port, create_app(config.current()), threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
