"""Going back shows the page as it was left; after signing out, nobody sees it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import CHROMIUM, Chromium
from tests.flows.conftest import PATIENCE_MS, Shopper
from tests.live import LivePortal

# As Chrome comes to people: it holds pages that must not be stored, in memory, until a cookie changes that scripts cannot read.
HOLDS_PAGES: dict[str, Any] = {
    "executable_path": "/usr/bin/chromium",
    "args": [
        *CHROMIUM["args"],
        "--enable-features=CacheControlNoStoreEnterBackForwardCache:level/restore-unless-http-only-cookie-change",
    ],
    "ignore_default_args": ["--disable-back-forward-cache"],
}

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def shopper_who_goes_back(chromium: Chromium, live_portal: LivePortal) -> Iterator[Shopper]:
    browser = chromium.playwright.chromium.launch(**HOLDS_PAGES)
    try:
        yield Shopper(browser.new_page(), live_portal)
    finally:
        browser.close()


def _go_to_payments(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Payments").click()
    page.wait_for_url("**/payments")


def test_going_back_is_at_once_and_not_after_signing_out(shopper_who_goes_back: Shopper) -> None:
    page = shopper_who_goes_back.sign_in().page
    page.evaluate("window.held = true")
    _go_to_payments(page)
    page.go_back(wait_until="commit")
    expect(page.get_by_text("Amount due")).to_be_visible()
    reasons = page.evaluate("JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons)")
    assert page.evaluate("window.held"), reasons
    _go_to_payments(page)
    page.get_by_label("Account:").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=PATIENCE_MS)
    for _ in range(2):
        page.go_back(wait_until="commit")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=PATIENCE_MS)
        assert not page.evaluate("window.held")
        assert "Amount due" not in page.content()
