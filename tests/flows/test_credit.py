"""A part of an invoice is credited, and its customer pays the rest: in Chromium, before the whole running portal."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from portal.core import db
from tests import factories
from tests.browsing import Console
from tests.flows.conftest import PATIENCE_MS, VISA, Shopper, pdf_text
from tests.flows.test_invoice_desk import Person
from tests.live import LivePortal

pytestmark = pytest.mark.database("sqlite")


def test_a_credited_line_makes_less_due_and_the_rest_is_paid(
    live_portal: LivePortal, browser: Browser, console: Console, shopper: Shopper
) -> None:
    with db.transaction() as session:
        mia = factories.staff(session, "approver", name="Mia Vogel")
    desk = Person(live_portal, browser, console, mia)
    page = desk.page
    page.goto(f"{live_portal.url}/support/invoices/{shopper.invoice_id}")
    page.get_by_role("link", name="Credit invoice", exact=True).click()
    expect(page.get_by_text("€119.00").first).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("These lines").check()
    page.get_by_label(re.compile("or net amount")).fill("20.00")
    page.get_by_label("Reason").fill("A fifth of the days was dark")
    desk.is_fine()
    page.get_by_role("button", name="Credit invoice").click()
    expect(page.get_by_text("€23.80 is credited.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("€23.80 of €119.00 was credited.")).to_be_visible()
    desk.is_fine()

    told = " ".join(pdf_text(shopper.mail("Your credit note")).split())
    assert f"Correction of invoice {shopper.invoice.number}" in told
    assert "A fifth of the days was dark" in told and "€95.20 of invoice" in told

    page = shopper.sign_in().page
    expect(page.get_by_text("€95.20").first).to_be_visible()
    shopper.open_pay_page().pay_with(VISA)
    shopper.sees_success()
    assert shopper.charged == [95_20]
    confirmed = " ".join(pdf_text(shopper.mail("Your payment confirmation")).split())
    assert "€95.20" in confirmed and "€119.00" not in confirmed
    assert (shopper.invoice.status, shopper.invoice.paid_minor, shopper.invoice.credited_minor) == (
        "paid",
        95_20,
        23_80,
    )
    page.goto(f"{live_portal.url}/invoices/{shopper.invoice_id}")
    expect(page.get_by_text("€95.20 of €119.00 is paid, and €23.80 was credited.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("link", name=re.compile("Download CN-"))).to_be_visible()
