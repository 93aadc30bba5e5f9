"""axe, which looks at a page as people do who read by ear, by keyboard or with little contrast."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# axe sets styles of its own while it looks, which the policy would stop. That our pages keep to the policy is told by
# the tests that open them without it.
FOR_AXE = {"bypass_csp": True}
# What it found in order would be a megabyte a page.
_OPTIONS = {"preload": False, "resultTypes": ["violations"]}


def violations(page: Page) -> list[str]:
    """What axe finds, one line a rule with the first element it is about."""
    found: list[dict[str, Any]] = Axe().run(page, options=_OPTIONS).response["violations"]
    return [f"{rule['id']} ({len(rule['nodes'])}): {rule['nodes'][0]['html']}" for rule in found]
