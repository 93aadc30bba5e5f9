"""What holds for every page, checked on each one that a test looks at."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import html5lib
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.test import TestResponse

# The parser needs to know where a fragment will stand: a row outside a table is an error.
_CONTAINERS = {
    "tr": "tbody",
    "td": "tr",
    "th": "tr",
    "tbody": "table",
    "thead": "table",
    "tfoot": "table",
    "option": "select",
    "li": "ul",
}
_HTMX_METHODS = {f"hx-{method}": method.upper() for method in ("get", "post", "put", "patch", "delete")}


class CheckingClient(FlaskClient):
    """Flask's test client, which looks at every HTML answer and every cookie as a careful browser would."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        # A body of more than 500 kB is in a file of the client's own, which would stay open until the answer is closed.
        response.request.environ["wsgi.input"].close()
        for cookie in response.headers.getlist("Set-Cookie"):
            assert "; HttpOnly" in cookie and "; SameSite=Lax" in cookie, f"{response.request.path}: {cookie}"
        if (
            response.request.method == "GET"
            and response.mimetype == "text/html"
            and not 300 <= response.status_code < 400
        ):
            check(response, self.application)
        return response


def check(response: TestResponse, app: Flask) -> None:
    """Raises AssertionError naming the address and what is wrong with its HTML."""
    content = response.get_data()
    html = (gzip.decompress(content) if response.headers.get("Content-Encoding") == "gzip" else content).decode()
    address = response.request.path
    whole = html.lstrip().lower().startswith("<!doctype")
    document = _parse(html, whole, address)
    elements = [element for element in document.iter() if isinstance(element.tag, str)]
    if whole:
        assert (document.findtext(".//title") or "").strip(), f"{address}: no title"
        assert document.get("lang"), f"{address}: no language"
        headings = [heading for heading in elements if heading.tag == "h1"]
        assert len(headings) == 1, f"{address}: {len(headings)} h1 elements"
    ids = [element.get("id", "") for element in elements if "id" in element.attrib]
    doubles = [name for name, times in Counter(ids).items() if times > 1]
    assert not doubles, f"{address}: ids used twice: {doubles}"
    for problem in (*_inline_code(elements), *_dead_ends(elements, address, app)):
        raise AssertionError(f"{address}: {problem}")


def _parse(html: str, whole: bool, address: str) -> Element:
    parser = html5lib.HTMLParser(strict=True, tree=html5lib.getTreeBuilder("etree"), namespaceHTMLElements=False)
    try:
        if whole:
            return parser.parse(html)  # type: ignore[no-any-return]
        first_tag = html.lstrip().removeprefix("<").split(maxsplit=1)[0].rstrip(">").lower() if html.strip() else ""
        return parser.parseFragment(html, container=_CONTAINERS.get(first_tag, "div"))  # type: ignore[no-any-return]
    except html5lib.html5parser.ParseError as error:
        raise AssertionError(f"{address}: not valid HTML: {error}, near {_near(html, parser)!r}") from error


def _near(html: str, parser: Any) -> str:
    line, _column = parser.tokenizer.stream.position()
    return "\n".join(html.splitlines()[max(0, line - 2) : line])


def _inline_code(elements: list[Element]) -> Iterator[str]:
    """Code and style that the Content-Security-Policy would not run."""
    for element in elements:
        is_data = element.get("type") == "application/json"
        if element.tag == "style" or (element.tag == "script" and "src" not in element.attrib and not is_data):
            yield f"inline <{element.tag}>"
        for name, value in element.attrib.items():
            if (
                name == "style"
                or name.startswith(("on", "hx-on"))
                or value.strip().lower().startswith(("javascript:", "js:"))
            ):
                yield f'<{element.tag} {name}="{value}">'


def _dead_ends(elements: list[Element], address: str, app: Flask) -> Iterator[str]:
    """Forms and htmx requests to an address, or by a method, that no route takes."""
    for element in elements:
        if element.tag == "form":
            yield from _unroutable(element.get("action") or address, (element.get("method") or "get").upper(), app)
        elif "formaction" in element.attrib:
            yield from _unroutable(element.get("formaction", ""), "POST", app)
        for name, method in _HTMX_METHODS.items():
            if name in element.attrib:
                yield from _unroutable(element.get(name) or address, method, app)


def _unroutable(target: str, method: str, app: Flask) -> Iterator[str]:
    path = urlsplit(target).path
    if not path:
        return
    try:
        app.url_map.bind("").match(path, method=method)
    except RequestRedirect:
        yield f"{method} {path} is redirected, which loses the form"
    except HTTPException as error:
        yield f"nothing answers {method} {path}: {error.code}"
