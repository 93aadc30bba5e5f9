"""The company's logo: one picture under static/, which pages, documents and mails show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from portal.core import config

STATIC: Final = Path(__file__).resolve().parents[2] / "static"
# Every mail carries it. Bytes.
MOST_BYTES: Final = 200_000
# By how a file of each kind begins.
_KINDS: Final = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}
_SVG: Final = "{http://www.w3.org/2000/svg}"
# What a picture does not need, and a browser that opens it by itself would carry out or fetch.
_ACTIVE: Final = frozenset({"script", "foreignObject", "handler", "listener", "iframe"})
_OWN_PARTS: Final = re.compile(r"\s*(#|data:image/(png|jpeg);base64,)")
_FETCHED: Final = re.compile(r"@import|url\(\s*['\"]?(?!#|data:image/(png|jpeg);base64,)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as mails carry it; `kind` is "png" or "jpeg"."""

    kind: str
    content: bytes


def check(name: str) -> None:
    """Raises config.WrongSettings for a logo that is not there, is no PNG, JPEG or SVG, is too large for mails, or is not safe: an SVG
    with scripts, or with anything from elsewhere. Does nothing without a logo.
    """
    if not name:
        return
    path = (STATIC / name).resolve()
    if not path.is_relative_to(STATIC) or not path.is_file():
        raise config.WrongSettings(f"PORTAL_COMPANY_LOGO: there is no file static/{name}")
    content = path.read_bytes()
    if len(content) > MOST_BYTES:
        raise config.WrongSettings(
            f"PORTAL_COMPANY_LOGO: static/{name} has more than {MOST_BYTES // 1000} kB, and each mail carries it"
        )
    if _kind(content) is None:
        _check_svg(name, content)


def for_mails() -> Picture | None:
    """The logo as mails carry it. Mail programs show no SVG: of one the PNG of the same name beside it is taken, or else none."""
    name = config.current().company.logo
    if not name:
        return None
    path = STATIC / name
    return _picture(path.with_suffix(".png") if path.suffix == ".svg" else path)


@lru_cache(maxsize=4)
def _picture(path: Path) -> Picture | None:
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        return None
    content = path.read_bytes()
    kind = _kind(content)
    return None if kind is None else Picture(kind, content)


def _kind(content: bytes) -> str | None:
    return next((kind for start, kind in _KINDS.items() if content.startswith(start)), None)


def _check_svg(name: str, content: bytes) -> None:
    from lxml import etree

    try:
        root: Any = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        root = None
    if root is None or root.tag != f"{_SVG}svg":
        raise config.WrongSettings(f"PORTAL_COMPANY_LOGO: static/{name} is no PNG, JPEG or SVG")
    if unsafe := next((found for one in root.iter() if (found := _unsafe(one))), None):
        raise config.WrongSettings(
            f"PORTAL_COMPANY_LOGO: static/{name} is not safe to show, because of {unsafe}; save it as a plain SVG, without it"
        )


def _unsafe(element: Any) -> str | None:
    """What of an element makes a picture more than a picture."""
    if not isinstance(element.tag, str):
        return "an entity or an instruction" if element.tag.__name__ in {"Entity", "ProcessingInstruction"} else None
    tag = element.tag.rpartition("}")[2]
    if tag in _ACTIVE:
        return f"<{tag}>"
    if tag == "style" and _FETCHED.search(element.text or ""):
        return "a style that fetches something"
    for key, value in element.attrib.items():
        attribute = key.rpartition("}")[2]
        if attribute.lower().startswith("on"):
            return f"the attribute {attribute}"
        if attribute in {"href", "src"} and not _OWN_PARTS.match(value):
            return f"the link {value[:60]}"
        if _FETCHED.search(value):
            return f"the attribute {attribute}, which fetches something"
    return None
