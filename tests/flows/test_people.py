"""An owner lets colleagues in: in Chromium, against the web server, the worker, the sandbox and SMTP."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.browsing import Console, context_options
from tests.flows.conftest import PATIENCE_MS, VISA, Shopper
from tests.smtp import text_of

PASSWORD = "nine slow ferries at dusk"
START = """address => fetch(address, {
  method: "POST",
  headers: {"X-CSRFToken": JSON.parse(document.body.getAttribute("hx-headers:inherited"))["X-CSRFToken"]},
  body: new URLSearchParams({client_key: "a-click-that-is-not-hers"}),
}).then(answer => answer.status)"""


def accept_invitation(shopper: Shopper, page: Page) -> None:
    """By the link in the mailbox."""
    (mail,) = shopper.portal.smtp.wait_for(1, to="eve@spree-bikes.test", within=30)
    link = re.search(r"https?://\S+/invitation/\S+", text_of(mail))
    assert link is not None
    page.goto(link[0])
    expect(page.get_by_text("This account belongs to Spree Bikes GmbH")).to_be_visible()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)
    page.get_by_role("button", name="Open my account").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible(timeout=PATIENCE_MS)


def test_a_colleague_looks_until_the_owner_lets_her_pay(shopper: Shopper, browser: Browser, console: Console) -> None:
    page = shopper.sign_in().page
    page.goto(f"{shopper.portal.url}/account")
    page.get_by_role("link", name="Invite and manage people").click()
    page.get_by_label("Name").fill("Eve Lang")
    page.get_by_label("E-mail address").fill("eve@spree-bikes.test")
    expect(page.get_by_role("radio", name=re.compile("^Viewer")).last).to_be_checked()
    page.get_by_role("button", name="Send the invitation").click()
    row = page.get_by_role("row", name=re.compile("Eve Lang"))
    expect(row).to_contain_text("Invited until", timeout=PATIENCE_MS)

    context = browser.new_context(**context_options())
    console.listen(context)
    try:
        hers = context.new_page()
        accept_invitation(shopper, hers)
        expect(hers.get_by_text("€119.00").first).to_be_visible()
        offered = hers.get_by_role("main").get_by_role("link", name=re.compile("^Pay"))
        expect(offered).to_have_count(0)
        hers.get_by_role("link", name=shopper.invoice.number, exact=True).click()
        expect(hers.get_by_text("Green electricity")).to_be_visible()
        expect(hers.get_by_text("Your role does not include")).to_be_visible()
        assert hers.evaluate(START, f"/payments/invoices/{shopper.invoice_id}/start") == 403
        assert shopper.payments == []

        page.reload()
        row.get_by_role("button", name="Change role").click()
        page.get_by_role("dialog").get_by_role("radio", name=re.compile("^Payer")).check()
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(page.get_by_text("The role is changed.")).to_be_visible(timeout=PATIENCE_MS)

        hers.reload()
        hers.get_by_role("link", name="Pay €119.00").click()
        shopper.type_card(VISA, hers)
        hers.locator("#pay-button").click()
        shopper.sees_success(hers)
        assert shopper.charged == [119_00]
    finally:
        context.close()
