"""A small HTTP server for a WSGI application on loopback, one thread a connection.

Unlike the development servers of werkzeug and the standard library it keeps connections open between requests, as Stripe does and as the
SDK expects; a new connection and a new thread for each call would cost more than the call.
"""

from __future__ import annotations

import io
import logging
import socket
import socketserver
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

IDLE_SECONDS = 75.0
"""How long a connection may wait for its next request."""
MOST_BODY_BYTES = 6_500_000

SOCKET = "sandbox.socket"
"""Where the environment holds the connection itself, for faults that break it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: HttpServer

    def _answer(self) -> None:
        body = self._body()
        if body is None:
            return
        head: list[bytes] = []

        def start_response(
            status: str,
            headers: list[tuple[str, str]],
            problem: tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None = None,
        ) -> Callable[[bytes], object]:
            del problem
            lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
            if self.close_connection:
                lines.append("Connection: close")
            head[:] = ["\r\n".join([*lines, "", ""]).encode("latin-1")]
            return lambda _: None

        try:
            chunks = self.server.application(self._environment(body), start_response)
            content = b"".join(chunks)
        except ConnectionError:
            self.close_connection = True
            return
        except Exception:
            log.exception("the sandbox failed to answer %s %s", self.command, self.path)
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self.wfile.write(head[0] if self.command == "HEAD" else head[0] + content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815 - the names http.server looks for

    def _body(self) -> bytes | None:
        """The body of the request; None when it was refused, or did not arrive whole."""
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if length < 0 or "Transfer-Encoding" in self.headers:
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
            return None
        if length > MOST_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        body = self.rfile.read(length) if length else b""
        if len(body) < length:  # the caller died before it had sent all: that is no request
            self.close_connection = True
            return None
        return body

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self.wfile.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode("ascii")
        )

    def _environment(self, body: bytes) -> WSGIEnvironment:
        path, _, query = self.path.partition("?")
        environment: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": _unquoted(path),
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            SOCKET: self.connection,
        }
        for name, value in self.headers.items():
            key = f"HTTP_{name.upper().replace('-', '_')}"
            if key not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
                environment[key] = f"{environment[key]},{value}" if key in environment else value
        return environment

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        log.debug(format, *args)


class HttpServer(socketserver.ThreadingTCPServer):
    """Serves an application until `stop`, which also ends the connections that are open."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, application: WSGIApplication) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.application = application
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, name="sandbox-http", kwargs={"poll_interval": 0.1}, daemon=True
        )

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()
        with self._lock:
            still_open = list(self._open)
        for connection in still_open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was quicker

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request
        log.debug("a connection from %s broke: %s", client_address, sys.exc_info()[1])


def _unquoted(path: str) -> str:
    """PATH_INFO as WSGI wants it, in latin-1: percent signs decoded, and a plus sign as the space that Stripe reads in it."""
    return unquote_to_bytes(path.replace("+", " ")).decode("latin-1")
