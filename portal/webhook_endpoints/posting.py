"""One POST to an address outside of the house: to a number that was checked, within a time, and reading little of the answer.

No redirect is followed: it would lead to an address that nobody has checked.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from portal.core import card_numbers, config, db
from portal.webhook_endpoints.addresses import Target, Unreachable, resolve
from portal.webhook_endpoints.models import LONGEST_ANSWER

# For everything after the name is resolved, in seconds; and, of it, for the connection and for TLS each. Far shorter than a job's lease.
WITHIN_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 4.0
# So many of a host's numbers are tried.
MOST_NUMBERS: Final = 2
# What comes after it is not read.
LARGEST_ANSWER_BYTES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is the beginning of what was said, at most LONGEST_ANSWER characters that can be shown."""

    status: int
    text: str

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def post(target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
    """Raises Unreachable when there is no answer in time, or when the address may not be reached. May take WITHIN_SECONDS."""
    db.refuse_inside_transaction("sending an event")
    numbers = resolve(target)[:MOST_NUMBERS]
    deadline = time.monotonic() + WITHIN_SECONDS
    connection: HTTPConnection | None = None
    try:
        connection = _opened(target, numbers)
        with _cut_at(deadline, connection):
            connection.request(
                "POST",
                target.path,
                body=body,
                headers={**headers, "Host": target.host_header},
                preload_content=False,
                decode_content=False,
            )
            response = connection.getresponse()
            if time.monotonic() >= deadline:  # cut off among the headers, which look complete then
                raise TimeoutError
            return Answer(response.status, _beginning(response))
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(f"the certificate is not good: {error.verify_message}") from error
    except (OSError, HTTPError, HTTPException, ValueError) as error:
        raise Unreachable(_reason(error, late=time.monotonic() >= deadline)) from error
    finally:
        if connection is not None:
            connection.close()


def _opened(target: Target, numbers: list[str]) -> HTTPConnection:
    """A connection to the first of the host's numbers that takes one: a machine may have an IPv6 address and no way to others."""
    *firsts, last = numbers
    for number in firsts:
        with suppress(OSError, HTTPError):
            return _open(_connection(target, number))
    return _open(_connection(target, last))


def _open(connection: HTTPConnection) -> HTTPConnection:
    try:
        connection.connect()
    except BaseException:
        connection.close()
        raise
    return connection


def _connection(target: Target, number: str) -> HTTPConnection:
    """Not open yet. Under TLS the certificate must be the name's, whatever the number."""
    if target.scheme == "http":
        return HTTPConnection(number, target.port, timeout=CONNECT_SECONDS)
    trusted = ssl.create_default_context()
    more = config.current().endpoint_ca_file
    if more is not None:
        trusted.load_verify_locations(more)
    return HTTPSConnection(
        number,
        target.port,
        timeout=CONNECT_SECONDS,
        server_hostname=target.host,
        ssl_context=trusted,
    )


@contextmanager
def _cut_at(deadline: float, connection: HTTPConnection) -> Iterator[None]:
    """Cut the connection at the deadline: a limit on each read alone would let one byte a while keep us for ever."""
    sock = connection.sock
    if sock is None:
        raise OSError("the connection is gone")
    left = max(deadline - time.monotonic(), 0.0)
    sock.settimeout(left or None)

    def cut() -> None:
        with suppress(OSError):  # it is closed already
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not TLS's own shutdown, which says good-bye and waits

    timer = threading.Timer(left, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _beginning(response: BaseHTTPResponse) -> str:
    """The status says whether the event arrived; what is said besides is only for whoever looks, so its end may be missing."""
    read = bytearray()
    with suppress(OSError, HTTPError, HTTPException):
        while len(read) < LARGEST_ANSWER_BYTES:
            more = response.read(min(1_000, LARGEST_ANSWER_BYTES - len(read)), decode_content=False)
            if not more:
                break
            read += more
    text = card_numbers.masked(bytes(read).decode("utf-8", errors="replace"))
    return "".join(mark if mark.isprintable() or mark == "\n" else " " for mark in text)[:LONGEST_ANSWER].strip()


def _reason(error: Exception, *, late: bool) -> str:
    """What went wrong, without where: the text of urllib3's errors begins with an object of theirs."""
    cause = error.__cause__ or error
    if late or isinstance(cause, TimeoutError):
        return "no answer within the time"
    words = cause.strerror if isinstance(cause, OSError) else None
    return f"no answer: {words or type(cause).__name__}"
