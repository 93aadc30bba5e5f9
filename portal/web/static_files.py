"""The addresses of the files under static/ in pages, and how they are served.

They travel as portal.web.static_build has built them. Where nothing was built of the files as they are now, as while somebody works on
them, they are served as they lie there.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final
from wsgiref.headers import Headers

from flask import Flask
from whitenoise import WhiteNoise

from portal.core import config
from portal.web import static_build
from portal.web.static_build import BUILT, SHEETS, STATIC

_CACHE_SECONDS: Final = 31_536_000
_FOR_EVER: Final = re.compile(rf"^/static/({BUILT}|vendor)/")


@cache
def url(name: str) -> str:
    """The address of a file under static/ ("js/app.js"), which browsers may keep: it changes when the file does."""
    built = _built()
    if built and (built / name).is_file():
        return f"/static/{built.relative_to(STATIC).as_posix()}/{name}"
    return f"/static/{name}" if name.startswith("vendor/") else f"/static/{name}?v={_digest(name)}"


@cache
def sheets() -> tuple[tuple[str, str], ...]:
    """The address and the media of each style sheet of every page."""
    if _built():
        return ((url("css/portal.css"), "all"),)
    return (*((url(f"css/{name}.css"), "all") for name in ("pico", *SHEETS)), (url("css/print.css"), "print"))


@cache
def _built() -> Path | None:
    folder = static_build.folder()
    return folder if folder.is_dir() else None


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def serve(app: Flask, headers: dict[str, str]) -> None:
    """Answer for the files before the application does, with these headers."""

    def add_headers(target: Headers, _path: str, address: str) -> None:
        for name, value in headers.items():
            target[name] = value
        # Modules import each other by their plain names, so the browser asks each time whether they are still the same.
        if address.startswith("/static/js/"):
            target["Cache-Control"] = "no-cache"

    files = WhiteNoise(
        app.wsgi_app,
        max_age=_CACHE_SECONDS,
        add_headers_function=add_headers,
        allow_all_origins=False,
        immutable_file_test=lambda _path, address: bool(_FOR_EVER.match(address)),
        autorefresh=config.current().environment == "development",  # else a file that grew is sent cut off
    )
    files.add_files(str(STATIC), prefix="static/")
    app.wsgi_app = files  # type: ignore[method-assign]
