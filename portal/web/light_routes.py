"""Routes without a session, a reader and a language: answered before the application begins a request, which costs more than their work.

What such a route cannot answer at once (it refuses, a service is away, the body comes in pieces) goes on to the application, whose route
of the same address does the work again and says what is wrong: in one place, as everywhere.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog

from portal.web import access

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def new_request_id() -> str:
    """Sixteen hexadecimal digits, one of them a letter at least: sixteen decimal ones could pass for a card's number in a log."""
    while (request_id := secrets.token_hex(8)).isdecimal():
        pass
    return request_id


@dataclass(frozen=True, slots=True)
class LightRoute:
    """A POST to `path` with a body of at most so many bytes: `answer` is given it and one header, and returns what JSON tells of it.

    `answer` bears being asked twice for the same request. `header` is spelled as WSGI has it ("HTTP_STRIPE_SIGNATURE").
    """

    path: str
    header: str
    largest_body_bytes: int
    answer: Callable[[bytes, str], Mapping[str, object]]


class LightRoutes:
    """The application with these routes in front of it; their answers carry these headers."""

    def __init__(self, app: WSGIApplication, routes: Sequence[LightRoute], headers: Mapping[str, str]) -> None:
        self._app = app
        self._routes = {route.path: route for route in routes}
        self._headers = [*headers.items(), ("Content-Type", "application/json"), ("Cache-Control", "no-store")]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        route = self._routes.get(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
        body = _body(environ, route.largest_body_bytes) if route else None
        if route is None or body is None:
            return self._app(environ, start_response)
        request_id = new_request_id()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id, method="POST", path=route.path)
        access.note(environ, route.path)
        try:
            told = route.answer(body, environ.get(route.header, ""))
        except Exception:  # noqa: BLE001  # whatever it was: the application meets it again, and logs it
            return self._app(environ | {"wsgi.input": io.BytesIO(body)}, start_response)
        answer = json.dumps(told).encode() + b"\n"
        start_response(_OK, [*self._headers, ("Content-Length", str(len(answer))), ("X-Request-Id", request_id)])
        return [answer]


_OK: Final = f"{HTTPStatus.OK.value} {HTTPStatus.OK.phrase}"


def _body(environ: Mapping[str, Any], most: int) -> bytes | None:
    """The whole body; None, with nothing read, where its length is not known or too large."""
    length = environ.get("CONTENT_LENGTH", "")
    if not (length.isascii() and length.isdigit()) or len(length) > len(str(most)) or int(length) > most:
        return None
    body: bytes = environ["wsgi.input"].read(int(length))
    return body
