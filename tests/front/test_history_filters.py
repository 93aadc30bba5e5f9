"""The filters of the history over htmx: the table, the address, the export and the messages stay in step."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from portal.core import db
from portal.core.config import Settings
from tests import factories
from tests.front.signing_in import sign_in
from tests.live import LivePortal


def test_filters_swap_the_table_and_all_that_hangs_on_them(
    settings: Settings, live_portal: LivePortal, page: Page
) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        user = factories.user(session, customer)
        factories.payment(session, customer, description="Deposit for a bicycle")
        factories.payment(session, customer, description="Order 4711")
    sign_in(page, live_portal.url, user)
    page.goto(f"{live_portal.url}/payments")
    page.evaluate("window.sameDocument = true")

    page.get_by_label("Search").fill("bicycle")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=bicycle"))
    expect(page.get_by_role("link", name="CSV for spreadsheets")).to_have_attribute("href", re.compile(r"q=bicycle"))
    expect(page.locator("#live")).to_have_text("1 payment shown")
    assert page.evaluate("window.sameDocument")

    page.get_by_label("Amount from").fill("much")
    page.get_by_role("button", name="Apply").click()
    summary = page.locator("[data-error-summary]")
    expect(summary).to_be_focused()
    summary.get_by_role("link").first.click()
    expect(page.get_by_label("Amount from")).to_be_focused()
    expect(page.get_by_label("Search")).to_have_value("bicycle")

    page.get_by_role("link", name="Clear filters").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.go_back()
    expect(summary).to_be_visible()
