"""The addresses of the files under static/ in pages, and how they are served.

They travel as portal.web.static_build has built them. Where nothing was built of the files as they are now, as while somebody works on
them, they are served as they lie there.
"""

from __future__ import annotations

import base64
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


def content(name: str) -> bytes:
    """The bytes of a script, as they are served."""
    built = _built()
    return (built / name if built and (built / name).is_file() else STATIC / name).read_bytes()


@cache
def integrity(name: str) -> str:
    """What a browser holds a script against before it runs it. Source: W3C, "Subresource Integrity"."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content(name)).digest()).decode()


@cache
def closure(names: tuple[str, ...], *, at_once: bool = False) -> dict[str, str]:
    """These scripts and all that they import, each with its address; `at_once` without those that are loaded only where they are needed."""
    found: dict[str, str] = {}
    waiting = [(name, url(name)) for name in names]
    while waiting:
        name, address = waiting.pop(0)
        if name in found:
            continue
        found[name] = address
        folder, beside = name.rpartition("/")[0], url(name).partition("?")[0].rpartition("/")[0]
        for dynamic, module in _IMPORTS.findall(content(name).decode()) if name.startswith("js/") else ():
            if not (at_once and dynamic):
                waiting.append((f"{folder}/{module}", f"{beside}/{module}"))
    return found


_IMPORTS: Final = re.compile(r"""(?:\bfrom\s*|\bimport\s*|(\bimport\s*\())["']\./([\w-]+\.js)["']""")


@cache
def modules(*names: str) -> tuple[tuple[str, str], ...]:
    """The address and the hash of each module that these scripts import: told before, so that the browser holds them against it."""
    told = closure(names, at_once=True)
    return tuple((address, integrity(name)) for name, address in told.items() if name not in names)


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
