"""gunicorn's threads, behind a door where slow clients wait.

gunicorn's own gthread gives a thread to a connection as soon as its first byte is there, and the thread then waits for the rest: as many
half requests as there are threads stop the process. Here the worker's event loop reads each request as it arrives, and a thread gets it
when it is whole. Who is too slow is closed after a while, whose place is needed goes first, and what is read is bounded.

Webhooks have threads of their own, and so has /healthz, so that both are answered whatever the others wait for.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker

# From the connection, or from the end of the request before, until the headers are whole; and from then until the body is. In seconds.
HEADER_SECONDS: Final = 10.0
BODY_SECONDS: Final = 30.0
# Who stops the server waits no longer than this for requests that are not whole.
STOP_SECONDS: Final = 3.0
# A thread waits no longer than this for a client to take more of its answer.
SEND_SECONDS: Final = 20

MOST_HEADER_BYTES: Final = 65_536
# A body beyond this is handed on at once: the portal refuses it by what it says of its length, or after as much.
MOST_BODY_BYTES: Final = 1_100_000
# What all requests of a process that are not whole may hold together.
MOST_HELD_BYTES: Final = 64_000_000
CHUNK: Final = 65_536
LONGEST_NUMBER: Final = 18

# Paths → threads beside the general ones. /healthz asks for nothing but the process itself.
WEBHOOKS: Final = b"/api/webhooks/"
HEALTH: Final = b"/healthz"
WEBHOOK_THREADS: Final = 4
HEALTH_THREADS: Final = 1

_END_OF_HEADERS: Final = b"\r\n\r\n"


class BufferingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    header_seconds = HEADER_SECONDS
    body_seconds = BODY_SECONDS

    def init_process(self) -> None:
        self.receiving: dict[TConn, float] = {}  # when each is closed unless it is whole; the oldest first
        self.webhooks = ThreadPoolExecutor(WEBHOOK_THREADS)
        self.health = ThreadPoolExecutor(HEALTH_THREADS)
        super().init_process()

    # Where connections come from

    def accept(self, listener: Any) -> None:
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections and self.receiving:
            self._drop(next(iter(self.receiving)), b"503 Service Unavailable")
        conn = TConn(self.cfg, client, address, listener.getsockname())
        self._receive(conn, bytearray())

    def on_client_socket_readable(self, conn: TConn, client: Any) -> None:
        """The next request of a connection that was kept alive."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._receive(conn, bytearray())

    def enqueue_req(self, conn: TConn) -> None:
        """A request was read together with the one before it, or the beginning of one."""
        self._receive(conn, bytearray(conn.parser.unreader.take_buffered()))

    # Reading

    def _receive(self, conn: TConn, received: bytearray) -> None:
        if self.cfg.is_ssl:  # which is read by gunicorn's threads: TLS belongs to a proxy in front
            super().enqueue_req(conn)
            return
        conn.received, conn.header_at, conn.is_polled = received, None, False
        self.receiving[conn] = time.monotonic() + self.header_seconds
        conn.sock.setblocking(False)
        self._read(conn)

    def _read(self, conn: TConn, _sock: Any = None) -> None:
        """Take what is there. Handed on when the request is whole; else the poller tells when there is more."""
        try:
            while not (done := whole(conn.received)):
                if conn.header_at is None and _END_OF_HEADERS in conn.received:
                    conn.header_at = time.monotonic()
                    self.receiving[conn] = conn.header_at + self.body_seconds
                    if expects_continue(conn.received):
                        conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                if conn.header_at is None and len(conn.received) > MOST_HEADER_BYTES:
                    return self._drop(conn, b"431 Request Header Fields Too Large")
                piece = conn.sock.recv(CHUNK)
                if not piece:
                    return self._drop(conn)
                conn.received += piece
        except BlockingIOError:
            if self._held() > MOST_HELD_BYTES:
                return self._drop(conn, b"503 Service Unavailable")
            return self._poll(conn)
        except OSError:
            return self._drop(conn)
        assert done  # noqa: S101  # the loop ends in no other way
        return self._hand_on(conn)

    def _poll(self, conn: TConn) -> None:
        if not conn.is_polled:
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read, conn))
            conn.is_polled = True

    def _hand_on(self, conn: TConn) -> None:
        self._forget(conn)
        conn.data_ready = True
        conn.init()
        conn.parser.unreader.unread(bytes(conn.received))
        pool = self._pool_of(conn.received)
        conn.received = bytearray()
        pool.submit(self.handle, conn).add_done_callback(
            lambda future: self.method_queue.defer(self.finish_request, conn, future)
        )

    def _pool_of(self, request: bytearray) -> ThreadPoolExecutor:
        target = request.partition(b"\r\n")[0].partition(b" ")[2]
        if target.startswith(WEBHOOKS):
            return self.webhooks
        if target.partition(b" ")[0] == HEALTH:
            return self.health
        return self.tpool  # type: ignore[no-any-return]

    def _held(self) -> int:
        return sum(len(conn.received) for conn in self.receiving)

    # Not waiting any longer

    def murder_pending(self) -> None:
        """Close who was too slow. The base calls this at least once a second, also while the worker stops."""
        super().murder_pending()
        now = time.monotonic()
        if not self.alive:
            self.receiving = {conn: min(deadline, now + STOP_SECONDS) for conn, deadline in self.receiving.items()}
        for conn, deadline in list(self.receiving.items()):
            if now >= deadline or (not self.alive and not conn.received):
                self._drop(conn, b"408 Request Timeout" if conn.received else None)

    def _drop(self, conn: TConn, status: bytes | None = None) -> None:
        self._forget(conn)
        if status is not None:
            with contextlib.suppress(OSError):
                conn.sock.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.nr_conns -= 1
        conn.close()

    def _forget(self, conn: TConn) -> None:
        self.receiving.pop(conn, None)
        if conn.is_polled:
            self.poller.unregister(conn.sock)
            conn.is_polled = False


def whole(received: bytearray) -> bool:
    """Whether a request is there from its first line to the last byte of its body, or as much of it as is read before a thread gets it."""
    head, end, _body = bytes(received[: MOST_HEADER_BYTES + 4]).partition(_END_OF_HEADERS)
    if not end:
        return False
    length = len(received) - len(head) - len(end)
    if length > MOST_BODY_BYTES:
        return True
    if b"chunked" in _field(head, b"transfer-encoding").lower():
        return _are_chunks_whole(bytes(received[len(received) - length :]))
    declared = _field(head, b"content-length")
    # What is no length is for gunicorn to refuse.
    return not declared.isdigit() or len(declared) > LONGEST_NUMBER or not (length < int(declared) <= MOST_BODY_BYTES)


def expects_continue(received: bytearray) -> bool:
    """Whether the client waits to be told that it may send the body."""
    head = bytes(received).partition(_END_OF_HEADERS)[0]
    return _field(head, b"expect").lower() == b"100-continue"


def _field(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return b""


def _are_chunks_whole(body: bytes) -> bool:
    """Source: RFC 9112, 7.1. What is malformed counts as whole: gunicorn refuses it."""
    at = 0
    while True:
        line_end = body.find(b"\r\n", at)
        if line_end < 0:
            return len(body) - at > CHUNK
        try:
            size = int(body[at:line_end].partition(b";")[0].strip(), 16)
        except ValueError:
            return True
        if size <= 0:
            return body[line_end:].startswith(b"\r\n\r\n") or _END_OF_HEADERS in body[line_end:]
        at = line_end + 2 + size + 2
        if at > len(body):
            return False
