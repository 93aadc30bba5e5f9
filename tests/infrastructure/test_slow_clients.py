"""Clients that are slow keep no thread of the web server waiting, and what is stuck keeps neither /healthz nor webhooks waiting."""

from __future__ import annotations

import re
import runpy
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest

from deploy.dev.processes import ROOT, Process, answers, free_port
from deploy.web_worker import HEADER_SECONDS, MOST_BODY_BYTES, SEND_SECONDS, expects_continue, whole
from tests.run import process_environment

HALVES = (
    b"GET / HTTP/1.1\r\nHos",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc",
    b"",
)
MANY = 60  # more than the server has threads


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    """The port of a gunicorn on what is shipped, with an application of which some requests never end."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--bind", f"127.0.0.1:{port}"]
    command += [
        "--workers",
        "1",
        "--worker-class",
        "tests.infrastructure.waiting_app.ShortWorker",
        "--graceful-timeout",
        "1",
    ]
    environment = process_environment(PORTAL_DATABASE_URL="sqlite://", PYTHONPATH=str(ROOT))
    process = Process(
        "gunicorn", [*command, "tests.infrastructure.waiting_app:app"], log=tmp_path / "log", environment=environment
    )
    try:
        process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), within=60)
        yield port
    finally:
        process.kill()


def ask(port: int, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Within a second, or TimeoutError."""
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def opened(port: int, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(sent)
    return client


def test_half_requests_stop_nobody_and_are_closed_in_time(server: int) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(opened(server, half)) for half in HALVES * (MANY // 4)]
        for path in ("/", "/healthz", "/api/webhooks/stripe"):
            assert ask(server, path) == (200, f"{path} 0")
        told = [client.recv(1_000).partition(b"\r\n")[0] for client in slow]
    assert set(told) == {b"HTTP/1.1 408 Request Timeout", b""}
    assert told.count(b"") == MANY // 4  # who never said a word


def test_what_is_stuck_keeps_neither_health_nor_webhooks_waiting(server: int) -> None:
    with ExitStack() as stack:
        for _ in range(MANY):
            stack.enter_context(opened(server, b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n"))
        with pytest.raises(TimeoutError):
            ask(server, "/")
        assert ask(server, "/healthz") == (200, "/healthz 0")
        assert ask(server, "/api/webhooks/stripe", method="POST", body=b"{}") == (200, "/api/webhooks/stripe 2")


def test_requests_arrive_whole_however_they_are_sent(server: int) -> None:
    client = opened(server, b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Le")
    with client, client.makefile("rb") as answers:
        client.sendall(b"ngth: 5\r\n\r\nab")
        # The rest of it, a whole one, and the beginning of a third in one piece.
        client.sendall(
            b"cdePOST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /c HT"
        )
        client.sendall(b"TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        told = answers.read()
    assert [told.count(body) for body in (b"/a 5", b"/b 3", b"/c 0")] == [1, 1, 1]
    assert ask(server, "/", method="POST", body=b"x" * 900_000) == (200, "/ 900000")
    connection = HTTPConnection("127.0.0.1", server, timeout=5)
    for _ in range(3):  # kept alive
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"/ 0"
    connection.close()


def test_whoever_asks_before_sending_the_body_is_told_to(server: int) -> None:
    with opened(server, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n") as client:
        assert client.recv(100).startswith(b"HTTP/1.1 100 Continue")
        client.sendall(b"abc")
        with client.makefile("rb") as answers:
            assert any(line.startswith(b"HTTP/1.1 200") for line in answers)


def test_headers_without_end_are_refused(server: int) -> None:
    with opened(server, b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000) as client:
        assert client.recv(100).startswith(b"HTTP/1.1 431")


def test_no_header_of_a_proxy_is_believed_by_gunicorn(server: int) -> None:
    connection = HTTPConnection("127.0.0.1", server, timeout=1)
    connection.request(
        "GET", "/", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on", "Script-Name": "/evil"}
    )
    answer = connection.getresponse()
    assert (answer.headers["X-Scheme"], answer.read()) == ("http", b"/ 0")
    connection.close()


def test_the_proxy_that_is_shipped_bounds_times_and_sizes_as_we_do() -> None:
    config = re.sub(r"#.*", "", (ROOT / "deploy/nginx.conf").read_text())
    said = dict(re.findall(r"^ {4}(\w+) +([^;{]+);", config, re.MULTILINE))
    assert said["client_header_timeout"] == said["client_body_timeout"] == f"{HEADER_SECONDS:.0f}s"
    assert said["send_timeout"] == f"{SEND_SECONDS}s"
    assert said["client_max_body_size"] == f"{MOST_BODY_BYTES // 1000}k"
    assert said["proxy_request_buffering"] == "on"
    served = runpy.run_path(str(ROOT / "deploy/gunicorn.conf.py"))
    assert said["proxy_read_timeout"] == f"{served['timeout']}s"
    assert int(said["keepalive_timeout"].removesuffix("s")) < served["keepalive"]
    headers = dict(re.findall(r"proxy_set_header (\S+) +([^;]+);", config))
    assert headers["X-Forwarded-For"] == "$remote_addr" and headers["Forwarded"] == '""'
    places = dict(re.findall(r"location (?:= )?(\S+) \{([^}]*)\}", config))
    assert [place for place, inside in places.items() if "limit_" in inside] == ["/"]
    assert set(places) == {"/", "/healthz", "/api/webhooks/stripe"}
    assert "proxy_read_timeout 2s" in places["/healthz"]


@pytest.mark.parametrize(
    ("request_head", "body", "expected"),
    [
        (b"GET / HTTP/1.1", b"", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 2", b"a", False),
        (b"POST / HTTP/1.1\r\nCONTENT-LENGTH:2", b"ab", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999", b"", True),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5_000, b"", True),
        (b"POST / HTTP/1.1\r\nContent-Length: -1", b"", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked", b"2\r\nab", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked", b"2\r\nab\r\n0\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked", b"2;x=y\r\nab\r\n0\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked", b"0\r\nX: y\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked", b"zz\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked", b"5\r\n0\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked", b"a" * (MOST_BODY_BYTES + 1), True),
    ],
)
def test_when_a_request_is_whole(request_head: bytes, body: bytes, *, expected: bool) -> None:
    assert whole(bytearray(request_head + b"\r\n\r\n" + body)) is expected
    assert not whole(bytearray(request_head))
    assert not expects_continue(bytearray(request_head))
