"""The sandbox's pages for people: templates, and what every page has in common."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-src 'self'"
)


def _moment(unix: float | None) -> str:
    """A Unix time as people read it, in UTC."""
    return "–" if unix is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(unix))


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


_templates.filters |= {"moment": _moment, "pretty": _pretty}


def page(
    template: str, status: int = 200, policy: str = f"{POLICY}; frame-ancestors 'none'", **values: Any
) -> Response:
    text = _templates.get_template(template).render(**values)
    return Response(
        text,
        status,
        {"Content-Security-Policy": policy, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
        mimetype="text/html",
    )


def static_file(name: str) -> Response:
    """One of the sandbox's own few files."""
    path = _HERE / "static" / name
    if path.parent != _HERE / "static" or not path.is_file():
        raise NotFound
    return Response(
        path.read_bytes(),
        headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"},
        mimetype=_TYPES[path.suffix],
    )
