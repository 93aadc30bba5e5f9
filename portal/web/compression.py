"""Pages and answers of the API travel compressed.

A page holds the form token of its session beside words that a reader sent, such as what was searched for. Whoever could let a browser
send such words and watch the length of the answers would guess the token from it, letter by letter (the BREACH attack). So each answer gets
a name of random length in its gzip header, which hides differences of a few bytes, as Django does. Source: "Heal The Breach" (IEEE
Access, 2022) and RFC 1952 section 2.3.
"""

from __future__ import annotations

import gzip
import io
import secrets
from typing import Final

from flask import Flask, Response, request

# Shorter answers fit into one packet either way.
LEAST_BYTES: Final = 1_000
LONGEST_PADDING: Final = 100
# Of gzip's levels the one after which more work saves little on pages of tables.
_LEVEL: Final = 4
_KINDS: Final = frozenset({"text/html", "text/css", "text/csv", "application/json", "application/problem+json"})


def install(app: Flask) -> None:
    """Compress what browsers can read compressed. To be installed first, since the first to be installed is the last to run."""
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if response.mimetype not in _KINDS or response.is_streamed or "Content-Encoding" in response.headers:
        return response
    response.vary.add("Accept-Encoding")
    length = response.content_length
    if length is None or length < LEAST_BYTES or response.status_code == 206 or not request.accept_encodings["gzip"]:
        return response
    response.set_data(gzipped(response.get_data()))
    response.headers["Content-Encoding"] = "gzip"
    if "ETag" in response.headers:
        tag, _ = response.get_etag()
        response.set_etag(tag or "", weak=True)
    return response


def gzipped(content: bytes) -> bytes:
    """A gzip file of this content, whose length says little: each call gives another one."""
    name = "a" * secrets.randbelow(LONGEST_PADDING)
    packed = io.BytesIO()
    with gzip.GzipFile(name, "wb", _LEVEL, packed, mtime=0) as file:
        file.write(content)
    return packed.getvalue()
