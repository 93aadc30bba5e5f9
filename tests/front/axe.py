"""axe, which looks at a page as people do who read by ear, by keyboard or with little contrast."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# axe sets styles of its own while it looks, which the policy would stop. That our pages keep to the policy is told by
# the tests that open them without it.
FOR_AXE = {"bypass_csp": True}
# Only what is wrong leaves the browser: all that axe found would be a megabyte a page.
_OPTIONS = {"preload": False, "resultTypes": ["violations"]}
_RUN = """async (options) => {
    const found = await axe.run(options);
    return found.violations.map((rule) => `${rule.id} (${rule.nodes.length}): ${rule.nodes[0].html}`);
}"""


def violations(page: Page) -> list[str]:
    """What axe finds, one line a rule with the first element it is about."""
    page.evaluate(AXE_SCRIPT)
    return list(page.evaluate(_RUN, _OPTIONS))
