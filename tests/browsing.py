"""Chromium for the tests, and an ear for what its console complains about."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Playwright,
    WebError,
    sync_playwright,
)

CHROMIUM: dict[str, Any] = {
    "executable_path": "/usr/bin/chromium",
    "args": [
        *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
        # Nothing but this machine can be found, whatever a page asks for.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    ],
}
# The browser's own line for an answer that tells a person what to mend: a wrong form, a declined card.
_REFUSED = re.compile(r"the server responded with a status of 4\d\d")


class Chromium:
    """The browser of a process of the tests, opened again when it or its connection was closed: one test's end is not the next one's."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    @property
    def playwright(self) -> Playwright:
        if self._playwright is None:
            self._playwright = sync_playwright().start()
        return self._playwright

    def browser(self) -> Browser:
        """One that answers."""
        if self._browser is not None and not self._answers(self._browser):
            self.close()
        if self._browser is None:
            self._browser = self.playwright.chromium.launch(**CHROMIUM)
        return self._browser

    def close(self) -> None:
        """A second call does nothing."""
        playwright, self._playwright, self._browser = self._playwright, None, None
        if playwright is not None:
            with suppress(Error):
                playwright.stop()

    @staticmethod
    def _answers(browser: Browser) -> bool:
        # Whether the connection still stands is only learnt by using it.
        try:
            browser.new_context().close()
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
