"""The search from every page, and lists by keys: in Chromium, before the running portal."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from portal.core import db
from portal.identity import service as identity
from tests import factories
from tests.browsing import Console, context_options
from tests.flows.conftest import PATIENCE_MS
from tests.front.axe import FOR_AXE, Axe
from tests.front.signing_in import sign_in
from tests.live import LivePortal

pytestmark = pytest.mark.database("sqlite")


class Desk:
    """A member of staff in a browser, and customers with an invoice each."""

    def __init__(self, live_portal: LivePortal) -> None:
        self.url = live_portal.url
        with db.transaction() as session:
            self.staff = factories.staff(session, "admin")
            self.bakery = factories.customer(session, name="Bakery Sternschanze", email="post@sternschanze.test")
            for number in range(5):
                customer = factories.customer(session, name=f"Boats {number}", email=f"post{number}@boats.test")
                factories.invoice(session, customer, number=f"INV-2026-00010{number}")
            payment = factories.payment(session, self.bakery)
            undecided = {"status": "requested", "succeeded_at": None, "stripe_refund_id": None}
            self.refund = factories.refund(session, payment, amount_minor=48_00, **undecided).id

    def open(self, browser: Browser, console: Console, **options: object) -> Page:
        context = browser.new_context(**context_options(**options))
        console.listen(context)
        page = context.new_page()
        sign_in(page, self.url, self.staff)
        return page


def quick(page: Page) -> Page:
    """The search is open, with what was opened last."""
    expect(page.locator("#search-dialog")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#quick-q")).to_be_focused()
    return page


def ready(page: Page) -> None:
    """The page listens to keys."""
    page.wait_for_load_state("networkidle")


def test_the_search_opens_by_its_keys_finds_with_a_slip_and_gives_the_focus_back(
    live_portal: LivePortal, browser: Browser, console: Console
) -> None:
    desk = Desk(live_portal)
    page = desk.open(browser, console)
    page.goto(f"{desk.url}/support/customers/{desk.bakery.id}")
    page.goto(f"{desk.url}/support/invoices")
    ready(page)
    opener = page.locator("[data-open-search]")
    opener.focus()
    page.keyboard.press("/")
    recent = quick(page).get_by_role("list", name="Opened last")
    expect(recent.get_by_role("link")).to_have_text([re.compile("Bakery Sternschanze")], timeout=PATIENCE_MS)
    page.keyboard.press("Escape")
    expect(page.locator("#search-dialog")).to_be_hidden()
    expect(opener).to_be_focused()

    # On the home the search has the focus: "/" is no sign to look for there, unless something was typed before.
    page.goto(f"{desk.url}/support")
    ready(page)
    home = page.locator("#q")
    expect(home).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#search-dialog")).to_be_hidden()
    expect(home).to_have_value("")
    expect(home).to_be_focused()
    page.keyboard.type("a/b")
    expect(home).to_have_value("a/b")
    page.goto(f"{desk.url}/support/invoices")
    ready(page)

    # In a field "/" is a sign, and Ctrl-K opens the search all the same.
    field = page.locator("main input[type=search], main input[type=text]").first
    field.focus()
    page.keyboard.press("/")
    expect(page.locator("#search-dialog")).to_be_hidden()
    page.keyboard.press("Control+k")
    quick(page)
    page.keyboard.type("sternshcanze")
    customers = page.get_by_role("list", name="Customers")
    expect(customers.get_by_role("link")).to_have_count(1, timeout=PATIENCE_MS)
    page.keyboard.press("ArrowDown")
    expect(customers.get_by_role("link")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#quick-q")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{desk.url}/support/customers/{desk.bakery.id}")

    # A refund by its amount, from another page, by the button.
    opener.click()
    quick(page)
    page.keyboard.type("48,00")
    refunds = page.get_by_role("list", name="Refunds")
    expect(refunds.get_by_role("link")).to_have_attribute(
        "href", f"/support/refunds/{desk.refund}", timeout=PATIENCE_MS
    )

    # Of what there is more, all of its kind.
    page.locator("#quick-q").fill("boats")
    page.get_by_role("link", name=re.compile("All results of this kind")).click()
    expect(page.get_by_role("heading", name="Customers")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("main tbody tr")).to_have_count(5)


def test_lists_are_walked_by_keys_unless_they_are_turned_off(
    live_portal: LivePortal, browser: Browser, console: Console
) -> None:
    desk = Desk(live_portal)
    page = desk.open(browser, console)
    page.goto(f"{desk.url}/support/invoices")
    ready(page)
    rows = page.locator("main [data-row] .row-link")
    page.keyboard.press("j")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(rows.nth(1)).to_be_focused()
    expect(page.locator("#live")).to_have_text("Row 2 of 5")
    page.keyboard.press("Escape")
    expect(rows.nth(1)).not_to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    expect(page.get_by_text("Select the row")).to_be_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("k")
    expect(rows.nth(4)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/support/invoices/inv_"))

    page.goto(f"{desk.url}/support/refunds")
    ready(page)
    page.keyboard.press("j")
    box = page.locator("main [data-row] input[type=checkbox]").first
    page.keyboard.press("x")
    expect(box).to_be_checked()
    expect(page.locator("#live")).to_have_text("Selected")
    page.keyboard.press("x")
    expect(box).not_to_be_checked()

    identity.choose_shortcuts(desk.staff.id, on=False)
    page.goto(f"{desk.url}/support/invoices")
    ready(page)
    for key in ("j", "/", "?"):
        page.keyboard.press(key)
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("main [data-row] :focus")).to_have_count(0)
    page.keyboard.press("Control+k")
    quick(page)


def test_customers_walk_their_lists_by_keys_and_turn_them_off_themselves(
    live_portal: LivePortal, browser: Browser, console: Console
) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        user = factories.user(session, customer)
        for number in range(3):
            factories.invoice(session, customer, number=f"INV-2026-00020{number}")
    context = browser.new_context(**context_options())
    console.listen(context)
    page = context.new_page()
    sign_in(page, live_portal.url, user)
    page.goto(f"{live_portal.url}/invoices")
    ready(page)
    page.keyboard.press("j")
    expect(page.locator("main [data-row] .row-link").first).to_be_focused()
    page.goto(f"{live_portal.url}/account")
    page.get_by_label("Use single keys as shortcuts").uncheck()
    page.locator("#keyboard button[type=submit]").click()
    expect(page.get_by_text("Saved.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_label("Use single keys as shortcuts")).not_to_be_checked()
    page.goto(f"{live_portal.url}/invoices")
    ready(page)
    page.keyboard.press("j")
    page.keyboard.press("Tab")
    expect(page.locator("main [data-row] :focus")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everyone_can_read_the_search_and_the_keys(
    live_portal: LivePortal, browser: Browser, console: Console, theme: str
) -> None:
    desk = Desk(live_portal)
    page = desk.open(browser, console, color_scheme=theme, **FOR_AXE)
    page.goto(f"{desk.url}/support/invoices")
    ready(page)
    axe = Axe()
    page.keyboard.press("Control+k")
    quick(page)
    page.keyboard.type("boats")
    expect(page.get_by_role("list", name="Customers")).to_be_visible(timeout=PATIENCE_MS)
    assert axe.violations(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#search-dialog")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert axe.violations(page) == []
