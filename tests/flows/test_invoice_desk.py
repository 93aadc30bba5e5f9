"""An invoice from the price list to a reversed part payment, by two people: in Chromium, before the whole running portal."""

from __future__ import annotations

import io
import re

import pypdf
import pytest
from playwright.sync_api import Browser, Page, expect

from portal.core import company_days, db
from portal.identity.models import User
from portal.invoices import price_list
from portal.invoices.price_list import ItemDraft
from tests import factories
from tests.browsing import Console, context_options
from tests.flows.conftest import PATIENCE_MS
from tests.front.axe import FOR_AXE, Axe
from tests.front.signing_in import sign_in
from tests.live import LivePortal

pytestmark = pytest.mark.database("sqlite")


class Person:
    """Somebody at the desk, whose pages are looked at by axe."""

    def __init__(self, portal: LivePortal, browser: Browser, console: Console, user: User) -> None:
        context = browser.new_context(**context_options(**FOR_AXE))
        console.listen(context)
        self.page, self._axe = context.new_page(), Axe()
        sign_in(self.page, portal.url, user)

    def is_fine(self) -> Page:
        """Nothing is wrong with the page that is open."""
        self.page.wait_for_load_state("networkidle")
        assert self._axe.violations(self.page) == []
        return self.page


@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:100")
def test_a_line_from_the_price_list_becomes_an_invoice_and_a_wrong_part_payment_is_reversed_by_two(
    live_portal: LivePortal, browser: Browser, console: Console
) -> None:
    price_list.create(ItemDraft("Advice", "Advice on site", "HUR", 95_00, "eur", 1900, "services"))
    price_list.create(ItemDraft("Advice abroad", "", "HUR", 99_00, "usd", 0, "services"))
    with db.transaction() as session:
        factories.customer(session)
        mia, tom = (factories.staff(session, "approver", name=name) for name in ("Mia Vogel", "Tom Staff"))
    first = Person(live_portal, browser, console, mia)
    page = first.page

    # The customer
    page.goto(f"{live_portal.url}/support/invoices/new")
    first.is_fine()
    customer = page.get_by_role("combobox", name="Customer")
    customer.press_sequentially("spree")
    expect(page.get_by_role("option", name=re.compile("Spree Bikes"))).to_be_visible(timeout=PATIENCE_MS)
    first.is_fine()
    customer.press("ArrowDown")
    customer.press("Enter")
    expect(page.locator(".picker [data-picked]").first).to_contain_text("Spree Bikes GmbH")

    # A line from the price list
    item = page.get_by_role("combobox", name="From the price list")
    item.press_sequentially("adv")
    expect(page.locator("#item-options").get_by_role("option")).to_have_count(2, timeout=PATIENCE_MS)
    expect(page.get_by_role("option", name=re.compile("Advice abroad"))).to_have_attribute("aria-disabled", "true")
    first.is_fine()
    item.press("ArrowDown")
    item.press("Enter")
    quantity = page.get_by_label("Quantity")
    expect(quantity).to_be_focused(timeout=PATIENCE_MS)
    expect(page.get_by_label("Description")).to_have_value("Advice on site")
    expect(page.get_by_label("Unit", exact=True)).to_have_value("HUR")
    expect(page.get_by_label("Unit price, net")).to_have_value("95.00")
    first.is_fine()

    # Its total, while it is typed
    quantity.fill("2.5")
    expect(page.locator("#invoice-total")).to_contain_text("€282.63", timeout=PATIENCE_MS)

    # The preview, and its PDF
    quantity.press("Enter")
    expect(page.get_by_role("heading", name="Preview of an invoice")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("2.5 hours")).to_be_visible()
    first.is_fine()
    page.get_by_role("button", name="Create the PDF").click()
    link = page.get_by_role("link", name="Open the PDF")
    expect(link).to_be_visible(timeout=PATIENCE_MS)
    first.is_fine()
    pdf = page.request.get(f"{live_portal.url}{link.get_attribute('href')}").body()
    assert "PREVIEW – NOT AN INVOICE" in " ".join(pypdf.PdfReader(io.BytesIO(pdf)).pages[0].extract_text().split())

    # Issued
    page.get_by_role("button", name="Issue invoice").click()
    expect(page.get_by_text(re.compile(r"Invoice INV-\d{4}-\d{6} is issued"))).to_be_visible(timeout=PATIENCE_MS)
    first.is_fine()
    address = page.url

    # A part of it came by bank; from 100 euros on a second person looks
    page.get_by_role("button", name="Record as paid").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Amount").fill("120")
    dialog.get_by_label("Paid on").fill(company_days.today().isoformat())
    dialog.get_by_label("Reason").fill("On the statement of today")
    first.is_fine()
    dialog.get_by_role("button", name="Record as paid").click()
    expect(page.get_by_text("€120.00 waits for a colleague")).to_be_visible(timeout=PATIENCE_MS)
    first.is_fine()

    second = Person(live_portal, browser, console, tom)
    approve(second, live_portal, "Approve this payment of €120.00?")
    expect(second.page.get_by_text("€120.00 is recorded as paid.")).to_be_visible(timeout=PATIENCE_MS)
    expect(second.page.get_by_text("Partly paid")).to_be_visible()
    second.is_fine()

    # It was another customer's money after all
    page.goto(address)
    expect(page.get_by_text(re.compile("€120.00 of €282.63 is paid"))).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Reverse").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("Another customer's transfer")
    first.is_fine()
    page.get_by_role("dialog").get_by_role("button", name="Reverse").click()
    expect(page.get_by_text("The reversal of €120.00 waits for a colleague")).to_be_visible(timeout=PATIENCE_MS)
    approve(second, live_portal, "Approve the reversal of €120.00?")
    expect(second.page.get_by_text("€120.00 is reversed, and due again.")).to_be_visible(timeout=PATIENCE_MS)
    expect(second.page.get_by_text("Partly paid")).to_have_count(0)
    second.is_fine()


def approve(person: Person, portal: LivePortal, title: str) -> None:
    """From the list of what waits for a second person."""
    page = person.page
    page.goto(f"{portal.url}/support/invoices/second-approvals")
    person.is_fine()
    page.get_by_role("link", name=re.compile("INV-")).first.click()
    page.get_by_role("button", name="Approve").click()
    dialog = page.get_by_role("dialog", name=title)
    expect(dialog).to_be_visible(timeout=PATIENCE_MS)
    person.is_fine()
    dialog.get_by_role("button", name="Approve").click()
