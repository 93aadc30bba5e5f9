"""The whole life of an invoice: previewed, issued, mailed, paid by its link, corrected in part, on the statement and in the ZIP, and a
forged copy of it found out. In Chromium, before the whole running portal.
"""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from portal.core import db
from portal.documents import queries
from portal.documents.models import Document
from portal.invoices import service as invoices
from tests import factories
from tests.browsing import Console, context_options
from tests.flows.conftest import PATIENCE_MS, VISA, Shopper, pdf_text
from tests.flows.test_invoice_desk import Person
from tests.flows.test_refunds import Seat, approve, ask_and_be_heard, open_payment, seat, take_request
from tests.live import LivePortal
from tests.smtp import attachment, text_of
from tests.verification.test_files import redrawn

__all__ = ["seat"]

COMPANY = {
    "PORTAL_COMPANY_COUNTRY": "DE",
    "PORTAL_COMPANY_TAX_ID": "DE136695976",
    "PORTAL_COMPANY_NAME": "Nordlicht",
    "PORTAL_COMPANY_IBAN": "DE02120300000000202051",
}

pytestmark = [pytest.mark.database("sqlite"), pytest.mark.settings(**COMPANY)]


@pytest.mark.timeout(400)
def test_an_invoice_is_issued_paid_corrected_taken_home_and_its_forged_copy_found_out(
    live_portal: LivePortal, browser: Browser, console: Console, shopper: Shopper, seat: Seat
) -> None:
    console.expect("status of 404")
    invoices.void(shopper.invoice_id, "Another one is issued here")
    with db.transaction() as session:
        mia = factories.staff(session, "approver", name="Mia Vogel")

    # Preview, then issued
    office = Person(live_portal, browser, console, mia)
    page = office.page
    page.goto(f"{live_portal.url}/support/invoices/new?customer={shopper.customer_id}")
    page.get_by_label("Description").fill("Green electricity")
    page.get_by_label("Quantity").fill("1")
    page.get_by_label("Unit price, net").fill("100.00")
    page.get_by_label("Tax rate").fill("19")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="Preview of an invoice")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Issue invoice").click()
    told = page.get_by_text(re.compile(r"Invoice INV-\d{4}-\d{6} is issued"))
    expect(told).to_be_visible(timeout=PATIENCE_MS)
    shopper.invoice_id = page.url.rstrip("/").rpartition("/")[2]

    # By mail, with the PDF and the link by which anyone pays it
    mail = shopper.mail(shopper.invoice.number)
    printed = " ".join(pdf_text(mail).split())
    assert "€119.00" in printed and "DE02 1203 0000 0000 2020 51" in printed
    link = re.search(r"http://\S+/pay/open/\S+", text_of(mail))
    assert link is not None
    stranger = browser.new_context(**context_options())
    console.listen(stranger)
    purse = stranger.new_page()
    purse.goto(link[0])
    expect(purse.get_by_text("DE02 1203 0000 0000 2020 51")).to_be_visible(timeout=PATIENCE_MS)
    shopper.type_card(VISA, purse)
    # A stranger's country is that of their browser, where it is not said; there cards ask for a post code.
    shopper.form(purse).locator("[name=country]").select_option("DE")
    purse.locator("#pay-button").click()
    shopper.sees_success(purse)
    expect(purse.get_by_text("Pay by bank transfer")).to_be_hidden()
    stranger.close()
    assert shopper.charged == [119_00]
    assert "€119.00" in pdf_text(shopper.mail("Your payment confirmation"))

    # A part goes back, with its credit note
    home = shopper.page
    home.goto(live_portal.url)
    home.get_by_label("E-mail").fill(shopper.user.email)
    home.get_by_label("Password").first.fill(factories.PASSWORD)
    home.get_by_role("button", name="Sign in").click()
    expect(home.get_by_role("link", name="Payments", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    open_payment(shopper)
    ask_and_be_heard(home, "23.80")
    desk = seat()
    take_request(desk, "€23.80")
    approve(desk)
    note = " ".join(pdf_text(shopper.mail("Your credit note")).split())
    assert shopper.invoice.number in note and "€23.80" in note and "€3.80" in note

    # On the statement, and in the ZIP
    home.goto(f"{live_portal.url}/receipts/")
    home.get_by_role("link", name="Statement of account").click()
    for words in (shopper.invoice.number, "€119.00", "€23.80"):
        expect(home.get_by_text(words).first).to_be_visible(timeout=PATIENCE_MS)
    home.goto(f"{live_portal.url}/receipts/")
    home.get_by_role("button", name="Download all as ZIP").click()
    ready = home.get_by_role("link", name="Download", exact=True)
    expect(ready).to_be_visible(timeout=PATIENCE_MS)
    with home.expect_download() as download:
        ready.click()
    names = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())).namelist()
    assert [name.partition("/")[0] for name in names] == [
        "invoices",
        "payment-confirmations",
        "credit-notes",
        "index.csv",
    ]

    # A forged copy: another amount, and another account
    with db.reading() as session:
        document: Document | None = queries.of_issued_invoice(session, shopper.invoice_id)
        assert document is not None
        document = queries.with_pdf(session, document.id)
    home.goto(f"{live_portal.url}/verify")
    chosen, result = home.get_by_label("PDF file"), home.locator("#file-result")
    chosen.set_input_files(FilePayload(name="invoice.pdf", mimeType="application/pdf", buffer=attachment(mail)))
    expect(result).to_contain_text("This file is genuine and unchanged", timeout=PATIENCE_MS)
    forged = redrawn(document, total_minor=1_190_00, note="New account: DE89 3704 0044 0532 0130 00")
    chosen.set_input_files(FilePayload(name="invoice.pdf", mimeType="application/pdf", buffer=forged))
    expect(result).to_contain_text("This is not the file that was issued", timeout=PATIENCE_MS)
    result.get_by_role("button", name="Send the file and compare its pages").click()
    for words in ("DE89370400440532013000", "1,190.00"):
        expect(result).to_contain_text(f"in this file, but not in the document as issued: {words}", timeout=PATIENCE_MS)
