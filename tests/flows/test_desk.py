"""A member of staff with a caller on the phone: in Chromium, against the web server, the worker and SMTP."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from portal.core import db
from portal.core.config import Settings
from tests import factories
from tests.flows.conftest import PATIENCE_MS
from tests.front.signing_in import sign_in
from tests.live import LivePortal


def test_staff_find_a_customer_as_they_type_and_write_a_note(
    settings: Settings, live_portal: LivePortal, page: Page
) -> None:
    with db.transaction() as session:
        spree = factories.customer(session)
        factories.user(session, spree)
        invoice = factories.invoice(session, spree)
        factories.payment(session, spree)
        factories.customer(session, name="Spree Boats AG", email="office@spree-boats.test")
        reviewer = factories.staff(session)
    sign_in(page, live_portal.url, reviewer)
    box = page.get_by_role("searchbox", name="Customer, payment, invoice or receipt")
    expect(box).to_be_focused()

    box.press_sequentially("spree")
    expect(page.get_by_role("link", name="Spree Boats AG")).to_be_visible(timeout=PATIENCE_MS)
    expect(page).to_have_url(re.compile(r"/support\?q=spree$"))
    box.press_sequentially(" bikes")
    expect(page.get_by_role("link", name="Spree Boats AG")).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.locator("#live")).to_have_text("1 result")
    expect(box).to_be_focused()
    expect(box).to_have_value("spree bikes")
    box.press("Enter")

    expect(page.get_by_role("heading", name="Spree Bikes GmbH", level=1)).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("link", name=invoice.number)).to_be_visible(timeout=PATIENCE_MS)
    note = page.get_by_label("New note")
    note.fill("Called about the meter.")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("Tom Staff, ")).to_be_visible(timeout=PATIENCE_MS)
    expect(note).to_have_value("")
    page.reload()
    timeline = page.locator("#section-timeline")
    page.evaluate("document.querySelector('#section-timeline').scrollIntoView()")  # it may be replaced in this moment
    expect(timeline.get_by_text("Note added")).to_be_visible(timeout=PATIENCE_MS)

    page.go_back()
    expect(page.get_by_role("link", name="Spree Bikes GmbH")).to_be_visible(timeout=PATIENCE_MS)
