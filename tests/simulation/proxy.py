"""An HTTP proxy between the portal's SDK and the sandbox, through which calls fail as networks and servers fail: by chance, from a seed.

What happens to a call that is hit:

- `reset_before`, `reset_after`: the connection breaks before the call reached Stripe, or after it was carried out.
- `hang_before`, `hang_after`: likewise, after a silence.
- `late`: the connection breaks, and the call is carried out a while later.
- `error_before`: a 500 without effect, which Stripe does not keep. `error_after`: a 500 after the effect, kept under the call's key.
- `error_kept`: a 500 that has no effect, and is kept all the same.
- `conflict`, `rate_limit`: two kinds of 429, as Stripe words them; it asks to be called again after the first.
- `truncate`: the call is carried out and its answer breaks off half way.
- `twice`: the call arrives two times at once, as a network may deliver it.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

from tests.live import SandboxServer

# How often each kind is drawn, relative to the others.
WEIGHTS: Final = {
    "reset_before": 3,
    "reset_after": 4,
    "hang_before": 1,
    "hang_after": 2,
    "late": 2,
    "error_before": 2,
    "error_after": 2,
    "error_kept": 2,
    "conflict": 2,
    "rate_limit": 1,
    "truncate": 3,
    "twice": 3,
}
# Silences are far below the portal's timeout, so that a run of half a minute holds many. Seconds.
SHORTEST_HANG: Final = 0.1
LONGEST_HANG: Final = 1.0
SANDBOX_ANSWERS_WITHIN: Final = 20.0

_HOP: Final = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "host", "content-length"})
_ERRORS: Final = {
    "error_before": (500, {"type": "api_error", "message": "An unknown error occurred."}),
    "conflict": (429, {"type": "invalid_request_error", "code": "lock_timeout", "message": "Please retry."}),
    "rate_limit": (429, {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."}),
}

Answer = tuple[int, list[tuple[str, str]], bytes]


class Broken(Exception):
    """The caller sees its connection break."""


class FaultProxy:
    """Listens on a port of 127.0.0.1 from `start` to `stop`; calls fail while it is stormy."""

    def __init__(
        self, sandbox: SandboxServer, seed: object, share: float, weights: Mapping[str, int] = WEIGHTS
    ) -> None:
        self.done = Counter[str]()
        self.calls = 0
        self._sandbox = sandbox
        self._upstream = urlsplit(sandbox.url).netloc
        self._share = share
        self._weights = weights
        self._chance = random.Random(f"{seed}:proxy")
        self._lock = threading.Lock()
        self._stormy = False
        self._calm = threading.Event()
        self._late: list[threading.Thread] = []
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="proxy", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def faults(self) -> int:
        return sum(self.done.values())

    def start(self) -> FaultProxy:
        self._thread.start()
        return self

    def storm(self) -> None:
        self._stormy = True

    def calm(self) -> None:
        """From now on every call passes; what was to happen late has happened when this returns."""
        self._stormy = False
        self._calm.set()
        for thread in self._late:
            thread.join()
        self._sandbox.control("faults/clear")

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[Answer, bool]:
        """What the caller gets, and whether only half of it. Raises Broken."""
        fault, seconds = self._drawn(method)

        def forward() -> Answer:
            return self._forward(method, path, headers, body)

        if fault in _ERRORS:
            status, error = _ERRORS[fault]
            retry = "true" if fault == "conflict" else "false"
            headed = [("Content-Type", "application/json"), ("Stripe-Should-Retry", retry)]
            return (status, headed, json.dumps({"error": error}).encode()), False
        if fault in {"reset_before", "hang_before"}:
            self._wait(seconds if fault == "hang_before" else 0)
            raise Broken
        if fault == "late":
            self._later(forward, seconds)
            raise Broken
        if fault in {"error_after", "error_kept"}:
            self._sandbox.control("faults", fault=fault, method=method, path=path.partition("?")[0])
        if fault == "twice":
            other = threading.Thread(target=forward, daemon=True)
            other.start()
        answer = forward()
        if fault in {"reset_after", "hang_after"}:
            self._wait(seconds if fault == "hang_after" else 0)
            raise Broken
        return answer, fault == "truncate"

    def _drawn(self, method: str) -> tuple[str, float]:
        """What goes wrong with the next call, if anything does, and how many seconds it takes."""
        with self._lock:
            self.calls += 1
            if not self._stormy or self._chance.random() >= self._share:
                return "", 0.0
            fault = self._chance.choices(list(self._weights), weights=list(self._weights.values()))[0]
            seconds = self._chance.uniform(SHORTEST_HANG, LONGEST_HANG)
            if method == "GET" and fault in {"late", "twice", "error_after", "error_kept"}:
                fault = "reset_after"  # nothing is changed by it, so nothing can be late or double
            self.done[fault] += 1
            return fault, seconds

    def _later(self, forward: Callable[[], Answer], seconds: float) -> None:
        def carry_out() -> None:
            self._wait(seconds)
            forward()

        thread = threading.Thread(target=carry_out, daemon=True)
        self._late.append(thread)
        thread.start()

    def _wait(self, seconds: float) -> None:
        self._calm.wait(seconds)

    def _forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self._upstream, timeout=SANDBOX_ANSWERS_WITHIN)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            content = response.read()
            return response.status, response.getheaders(), content
        except (OSError, http.client.HTTPException) as error:
            raise Broken from error
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that was killed leaves its connection; nothing is wrong here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: FaultProxy

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # its sender was killed before it had sent all: nobody takes that for a request
            self._reset()
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        try:
            (status, answered, content), half = self.proxy.answer(self.command, self.path, headers, body)
        except Broken:
            self._reset()
            return
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
        lines += [f"{name}: {value}" for name, value in answered if name.lower() not in _HOP]
        lines += [f"Content-Length: {len(content)}", "", ""]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + (content[: len(content) // 2] if half else content))
        if half:
            self.close_connection = True

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # the names that http.server looks for

    def _reset(self) -> None:
        """So that the caller sees a reset, and no answer."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Nobody reads it."""
