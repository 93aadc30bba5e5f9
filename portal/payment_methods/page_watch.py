"""Once a day: is the page that takes a card what this release sends? It is fetched by the address that customers use, through all that
stands in front. Source: PCI DSS 4.0.1, 6.4.3 and 11.6.1.

A browser would run the scripts; here each is fetched and held against the file of this release. Stripe's own changes at any time, so of it
only the address is looked at. What differs is named, written to the audit trail, and mailed to staff once a day while it lasts.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core import audit, company_days, config, db
from portal.core.audit import AuditEvent
from portal.identity import tokens
from portal.payment_methods import jobs
from portal.web import pages, static_files

log = structlog.get_logger(__name__)

TEMPLATES: Final = Path(__file__).parents[2] / "templates"
PATH: Final = "/payment-methods/watched/"
LOOKED: Final = "payment_page.looked_at"
# The scripts of the page, and of its frame of ours.
SCRIPTS: Final = ("vendor/htmx-4.0.1.min.js", "js/app.js", "js/add_method.js")
SECONDS: Final = 15
MOST_BYTES: Final = 2_000_000
MOST_NAMED: Final = 20
# Elements that a page of ours has none of, and that could take what is typed elsewhere.
_NONE_OF: Final = frozenset({"iframe", "object", "embed", "base", "applet", "portal"})


class NotFetched(Exception):
    """Its text is the kind of what went wrong."""


def token() -> str:
    """What opens the page today. It shows nothing of anybody; but for us nobody need mount a form of Stripe's."""
    return tokens.derive(f"payment-page:{company_days.today().isoformat()}")


def is_todays(given: str) -> bool:
    return hmac.compare_digest(given.encode(), token().encode())


@dataclass(slots=True)
class _Read(HTMLParser):
    """What a page is made of: its scripts, what could act, and the order of its elements with the names of their attributes."""

    scripts: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    _in_script: bool = False

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.append(f"{tag} {' '.join(sorted(given))}")
        self._in_script = tag == "script"
        if tag == "script" or given.get("rel") == "modulepreload":
            self.scripts[given.get("src") or given.get("href", "")] = given.get("integrity", "")
        if tag in _NONE_OF or given.get("http-equiv"):
            self.wrong.append(f"an element <{tag}> that this release does not send")
        for name, value in given.items():
            if name.startswith("on") or "javascript:" in value.replace(" ", "").lower():
                self.wrong.append(f"code in the attribute {name} of <{tag}>")
        action = given.get("action") or given.get("formaction") or ""
        if urlsplit(action).netloc:
            self.wrong.append(f"a form that is sent to {urlsplit(action).netloc}")

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.wrong.append("a script that is written into the page")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False

    @property
    def skeleton(self) -> str:
        return hashlib.sha256("\n".join(self.elements).encode()).hexdigest()


def look() -> list[str]:
    """Fetch the page and its scripts; returns what differs from this release, in words for staff, and writes down that it was looked at."""
    settings = config.current()
    found, skeleton = _differences(settings.base_url, settings.stripe_js_url)
    release = _release()
    with db.transaction() as session:
        before = _last(session)
        if before and skeleton and before.facts.get("release") == release:
            known = before.facts.get("skeleton")
            if known and known != skeleton:
                found.append("elements of the page that were not there when the same release was looked at last")
        named = found[:MOST_NAMED]
        facts = {"differs": named, "skeleton": skeleton, "release": release}
        audit.record(session, LOOKED, "payment_page", facts)
        if named:
            jobs.mail_changed_page.enqueue(session, day=company_days.today().isoformat(), differs="\n".join(named))
    if named:
        log.error("payment_page_changed", differs=named)
    return named


def _release() -> str:
    """What the page is made of here: with another release, other elements are no news."""
    made_of = hashlib.sha256(repr((config.current().languages, config.current().company)).encode())
    for file in sorted(TEMPLATES.rglob("*.html")):
        made_of.update(file.read_bytes())
    return made_of.hexdigest()[:16]


def watch() -> None:
    """What the worker does each day, where customers are: with an address that begins with https."""
    if config.current().base_url.startswith("https://"):
        look()


def _last(session: Session) -> AuditEvent | None:
    mine = select(AuditEvent).where(AuditEvent.action == LOOKED)
    return session.scalar(mine.order_by(AuditEvent.number.desc()).limit(1))


def _differences(base_url: str, stripe_js_url: str) -> tuple[list[str], str]:
    """And the skeleton of the page; "" where it could not be read."""
    try:
        page = _get(base_url + PATH + token())
    except NotFetched as error:
        return [f"the page could not be fetched: {error}"], ""
    if page.status != 200:
        return [f"the page answers {page.status}"], ""
    found = [
        f"the header {name}"
        for name, value in pages.security_headers(with_stripe=True).items()
        if page.headers.get(name) != value
        and not (name == "Referrer-Policy" and page.headers.get(name) == "no-referrer")
    ]
    read = _Read()
    read.feed(page.body.decode(errors="replace"))
    found += list(dict.fromkeys(read.wrong))
    expected = {static_files.url(name): static_files.integrity(name) for name in SCRIPTS} | {stripe_js_url: ""}
    expected |= dict(static_files.modules(*SCRIPTS[1:]))
    found += [f"the script {address or 'without an address'}" for address in read.scripts if address not in expected]
    found += [f"the script {address} is missing" for address in expected if address not in read.scripts]
    found += [
        f"the hash that the page gives for {address}"
        for address, integrity in read.scripts.items()
        if address in expected and integrity != expected[address]
    ]
    for name, address in static_files.closure(SCRIPTS).items():
        try:
            if _get(base_url + address).body != static_files.content(name):
                found.append(f"the file {address}")
        except NotFetched as error:
            found.append(f"the file {address} could not be fetched: {error}")
    return found, read.skeleton


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Any
    body: bytes


def _get(address: str) -> _Answer:
    """As a browser that has never been there. No redirect is followed: the page has none. Raises NotFetched."""
    import requests  # and urllib3 with it, which web servers never need

    asked = {"Accept": "text/html,*/*", "Accept-Language": "en", "Cache-Control": "no-cache"}
    try:
        with requests.get(address, headers=asked, timeout=SECONDS, allow_redirects=False, stream=True) as answer:
            body = answer.raw.read(MOST_BYTES, decode_content=True)
            return _Answer(answer.status_code, answer.headers, body)
    except (requests.RequestException, OSError) as error:
        raise NotFetched(type(error).__name__) from error
