"""One line in the log, and a count, for each request: which page or operation, how it was answered, how long it took, and who asked.

Nothing of what was asked or answered stands there, and no address: ids lead to the rest. Files under /static are the proxy's to log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import structlog
from werkzeug.wsgi import ClosingIterator

from portal.core import metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger(__name__)

_FACTS: Final = "portal.access"
NO_ROUTE: Final = "none"
SERVER_ERROR: Final = 500
# Asked every few seconds by machines: counted, and not logged while all is well.
QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
# Of an address's own parts these are told.
_IDS: Final = ("payment_id", "invoice_id", "refund_id", "customer_id")


class Watched:
    """The application, of which each request is told when its answer is out."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.perf_counter()
        facts: dict[str, Any] = {"route": NO_ROUTE, "status": SERVER_ERROR}
        environ[_FACTS] = facts

        def start(status: str, *rest: Any) -> Callable[[bytes], object]:
            facts["status"] = int(status[:3])
            return start_response(status, *rest)

        def end() -> None:
            _tell(environ["REQUEST_METHOD"], facts, time.perf_counter() - began)

        try:
            return ClosingIterator(self._app(environ, start), [end])
        except BaseException:
            end()
            raise


def note(environ: dict[str, Any], route: str, parts: dict[str, Any] | None = None, **facts: Any) -> None:
    """Say of the request with this environment which route answers it, with what stands in its address, and who asks."""
    told = environ.get(_FACTS)
    if told is not None:  # else nobody watches, as in a test that asks a part of the application
        ids = {name: str(value) for name, value in (parts or {}).items() if name in _IDS}
        told.update({"route": route, **ids, **facts})


def _tell(method: str, facts: dict[str, Any], seconds: float) -> None:
    route, status = facts["route"], facts["status"]
    metrics.REQUESTS.labels(route, method, status).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(seconds)
    if route not in QUIET or status >= SERVER_ERROR:
        log.info("request_answered", method=method, ms=round(seconds * 1000, 1), **facts)
