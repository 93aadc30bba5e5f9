"""The proxy that is shipped, in front of gunicorn as it is shipped: slow clients, bodies without end, and requests within requests.

nginx is the installed one, or the one that `make security` unpacks into var/tools. Where there is none gunicorn is asked alone: it has to
hold its own.
"""

from __future__ import annotations

import re
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from deploy.dev.processes import ROOT, Process, answers, free_port
from tests import nginx
from tests.nginx import NAME
from tests.run import process_environment

MOST_BYTES = 1_100 * 1024


@dataclass(frozen=True)
class Front:
    """Where to ask: with TLS, or without where there is no nginx."""

    port: int
    tls: bool

    def open(self, seconds: float = 15) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=seconds)
        if not self.tls:
            return plain
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain, server_hostname=NAME)

    def say(self, sent: bytes, seconds: float = 15) -> bytes:
        """All that is answered until the connection is closed, or nothing comes for a while."""
        with self.open(seconds) as connection:
            heard = b""
            try:
                connection.sendall(sent)
                while piece := connection.recv(65_536):
                    heard += piece
            except (TimeoutError, ConnectionError, ssl.SSLError):
                pass
            return heard


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    behind, https, http = free_port(), free_port(), free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--bind", f"127.0.0.1:{behind}"]
    command += ["--workers", "1", "--graceful-timeout", "1", "tests.infrastructure.waiting_app:app"]
    environment = process_environment(PORTAL_DATABASE_URL="sqlite://", PYTHONPATH=str(ROOT))
    server = Process("gunicorn", command, log=folder / "gunicorn.log", environment=environment)
    proxy: Process | None = None
    try:
        server.wait_until(lambda: answers(f"http://127.0.0.1:{behind}/healthz"), within=60)
        program = nginx.binary()
        if program is None:
            yield Front(behind, tls=False)
            return
        proxy = nginx.start(program, folder, https=https, http=http, behind=behind)
        whole = Front(https, tls=True)
        proxy.wait_until(lambda: b"HTTP/1.1" in _tried(whole), within=20)
        yield whole
    finally:
        if proxy is not None:
            proxy.kill()
        server.kill()


def _tried(front: Front) -> bytes:
    try:
        return front.say(request("/healthz"), seconds=2)
    except OSError:
        return b""


def request(path: str = "/healthz", *headers: str, method: str = "GET", body: bytes = b"", close: bool = True) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {NAME}", *(["Connection: close"] if close else []), *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def statuses(heard: bytes) -> list[int]:
    return [int(number) for number in re.findall(rb"^HTTP/1\.[01] (\d{3})", heard, re.MULTILINE)]


def test_two_hundred_who_say_nothing_keep_nobody_waiting(front: Front) -> None:
    """Idle connections, half a line, half a header, half a body: the next one is answered as before."""
    halves = (
        b"",
        b"GET / HT",
        request().removesuffix(b"\r\n"),
        request("/", "Content-Length: 1000", method="POST", body=b"x"),
    )
    held = []
    try:
        for number in range(200):
            connection = front.open()
            connection.sendall(halves[number % len(halves)])
            held.append(connection)
        began = time.monotonic()
        # From another address: the proxy lets nobody hold more than forty at once for long.
        assert 200 in statuses(front.say(request(), seconds=5))
        assert time.monotonic() - began < 2
    finally:
        for connection in held:
            connection.close()


def test_headers_that_come_too_slowly_are_closed_in_time(front: Front) -> None:
    with front.open(seconds=25) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        began = time.monotonic()
        try:
            while connection.recv(4096):
                pass
        except (ConnectionError, ssl.SSLError):
            pass
        assert 5 < time.monotonic() - began < 20


def test_a_body_over_the_limit_is_refused_by_what_it_says_of_its_length(front: Front) -> None:
    if not front.tls:
        pytest.skip("there is no nginx; gunicorn hands it on, and the portal refuses it: tests/core/test_pages.py")
    heard = front.say(
        request("/", f"Content-Length: {MOST_BYTES + 200_000}", method="POST", body=b"x" * 1_000), seconds=5
    )
    assert statuses(heard)[:1] == [413]


def test_headers_over_the_limit_are_refused(front: Front) -> None:
    heard = front.say(request("/healthz", "X-Long: " + "x" * 100_000), seconds=5)
    assert statuses(heard)[:1] in ([400], [431], [494], [])
    assert 200 not in statuses(heard)


SMUGGLED = request("/smuggled", close=False)
# Each says two things of where it ends. Whoever believes the one finds another request in what follows.
TWO_ENDS = {
    "a length and chunks": request(
        "/", f"Content-Length: {len(SMUGGLED) + 5}", "Transfer-Encoding: chunked", method="POST", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "two lengths": request("/", "Content-Length: 0", f"Content-Length: {len(SMUGGLED)}", method="POST", body=SMUGGLED),
    "chunks by another name": request("/", "Transfer-Encoding: xchunked", "Content-Length: 0", method="POST", body=SMUGGLED),
    "chunks after a space": request("/", "Transfer-Encoding : chunked", "Content-Length: 0", method="POST", body=SMUGGLED),
    "chunks twice": request(
        "/", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", method="POST", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "a length with a sign": request("/", "Content-Length: +0", method="POST", body=SMUGGLED),
    "a length in hexadecimal": request("/", "Content-Length: 0x0", method="POST", body=SMUGGLED),
    "a chunk with a wrong size": request("/", "Transfer-Encoding: chunked", method="POST", body=b"g\r\n" + SMUGGLED),
    "a header by a bare line feed": request("/", "X-A: 1\nTransfer-Encoding: chunked", "Content-Length: 0", method="POST", body=SMUGGLED),
    "a header in the next line": request("/", "X-A: 1\r\n Transfer-Encoding: chunked", "Content-Length: 0", method="POST", body=SMUGGLED),
}  # fmt: skip


@pytest.mark.parametrize("how", TWO_ENDS)
def test_a_request_that_ends_in_two_places_brings_no_other_with_it(front: Front, how: str) -> None:
    """Refused, or read as one request whose connection is closed: never a second one that nobody checked."""
    heard = front.say(TWO_ENDS[how].replace(b"Connection: close\r\n", b"Connection: keep-alive\r\n"), seconds=3)
    assert b"/smuggled" not in heard
    found = statuses(heard)
    # What follows a request that is whole may be the next one of the same client; nobody else's, and answered apart.
    assert len(found) <= (
        2 if how in {"chunks after a space", "a header by a bare line feed", "a header in the next line"} else 1
    ) or (400 in found), found


def test_who_comes_after_a_broken_request_gets_their_own_answer(front: Front) -> None:
    """The connection between proxy and portal is shared: a rest left in it would be the next one's."""
    with ThreadPoolExecutor(8) as pool:
        broken = [pool.submit(front.say, one, 3) for one in TWO_ENDS.values()]
        good = [pool.submit(front.say, request("/healthz"), 5) for _ in range(20)]
        for answer in good:
            assert statuses(answer.result()) in ([200], [429]), answer.result()[:200]
        for one in broken:
            one.result()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_only_current_versions_of_tls_are_spoken(front: Front) -> None:
    if not front.tls:
        return  # TLS is the proxy's
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, version
        with (
            socket.create_connection(("127.0.0.1", front.port), timeout=5) as plain,
            pytest.raises((ssl.SSLError, OSError)),
        ):
            context.wrap_socket(plain, server_hostname=NAME)
    with front.open() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        assert connection.version() in {"TLSv1.2", "TLSv1.3"}
