"""Chromium for the tests, and an ear for what its console complains about."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, WebError

CHROMIUM = {
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
