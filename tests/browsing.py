"""Chromium for the tests, and an ear for what its console complains about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    WebError,
    sync_playwright,
)

# The same browser without windows of its own, which costs a third less for each page; where it is missing, the whole one.
_HEADLESS = Path("/usr/bin/chromium-headless-shell")
CHROMIUM: dict[str, Any] = {
    "executable_path": str(_HEADLESS) if _HEADLESS.exists() else "/usr/bin/chromium",
    "args": [
        *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
        # Nothing but this machine can be found, whatever a page asks for.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    ],
}
# The browser's own line for an answer that tells a person what to mend: a wrong form, a declined card.
_REFUSED = re.compile(r"the server responded with a status of 4\d\d")


class KeptContext:
    """A context that serves test after test, each of which finds it without pages, cookies, permissions, routes and stored data.

    Making a context, and a process for its first page, takes as long as half of what a test does in it. An empty page stays open, and
    with it that process.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self._stays: Page = context.new_page()
        self._tools: CDPSession = context.new_cdp_session(self._stays)

    def make_as_new(self) -> None:
        """Raises playwright's Error when it cannot be: somebody closed it."""
        for page in self.context.pages:
            if page is not self._stays:
                self._forget_what_was_stored(page)
                page.close()
        self.context.clear_cookies()
        self.context.clear_permissions()
        self.context.unroute_all()
        self.context.set_offline(False)

    def _forget_what_was_stored(self, page: Page) -> None:
        """In the local storage; what is in a session's goes with its page."""
        parts = (urlsplit(frame.url) for frame in page.frames)
        for origin in {f"{part.scheme}://{part.netloc}" for part in parts if part.netloc}:
            self._tools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage"})


class Chromium:
    """The browser of a process of the tests, opened again when it or its connection was closed: one test's end is not the next one's."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._asked: CDPSession | None = None
        self._kept: dict[str, KeptContext] = {}

    @property
    def playwright(self) -> Playwright:
        if self._playwright is None:
            self._playwright = sync_playwright().start()
        return self._playwright

    def browser(self) -> Browser:
        """One that answers."""
        if self._browser is not None and not self._answers():
            self.close()
        if self._browser is None:
            self._browser = self.playwright.chromium.launch(**CHROMIUM)
            self._asked = self._browser.new_browser_cdp_session()
        return self._browser

    @contextmanager
    def context(self, options: dict[str, Any]) -> Iterator[BrowserContext]:
        """A context with these options, as new; it may have served tests before. Its clock stays real: that cannot be taken back."""
        browser, name = self.browser(), repr(sorted(options.items()))
        if name not in self._kept:
            self._kept[name] = KeptContext(browser.new_context(**options))
        kept = self._kept[name]
        try:
            yield kept.context
        finally:
            try:
                kept.make_as_new()
            except Error:
                self._kept.pop(name, None)

    def close(self) -> None:
        """A second call does nothing."""
        self._kept.clear()
        playwright, self._playwright, self._browser, self._asked = self._playwright, None, None, None
        if playwright is not None:
            with suppress(Error):
                playwright.stop()

    def _answers(self) -> bool:
        # Whether the connection still stands is only learnt by using it.
        assert self._asked is not None
        try:
            self._asked.send("Browser.getVersion")
        except Error:
            return False
        return True


class Console:
    """What the pages of a context complained about: errors, warnings, exceptions, broken rules of the CSP."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._expected: list[str] = []

    def expect(self, part: str) -> None:
        """Complaints with this text belong to the test."""
        self._expected.append(part)

    def listen(self, context: BrowserContext) -> None:
        context.on("console", self._message)
        context.on("weberror", self._error)

    def leave(self, context: BrowserContext) -> None:
        """Listen no more; what was complained about stays to be checked."""
        context.remove_listener("console", self._message)
        context.remove_listener("weberror", self._error)

    def check(self) -> None:
        """Raises AssertionError with the complaints that nobody expected."""
        left = [text for text in self.complaints if not any(part in text for part in self._expected)]
        assert left == [], "the browser complained"

    def _message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _REFUSED.search(message.text):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _error(self, error: WebError) -> None:
        self.complaints.append(f"exception: {error.error}")


def context_options(**options: Any) -> dict[str, Any]:
    return {"locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce"} | options
