"""A customer with a browser, before a whole running portal."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage
from io import BytesIO

import pytest
from playwright.sync_api import FrameLocator, Locator, Page, expect
from pypdf import PdfReader
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import db
from portal.invoices.models import Invoice
from portal.jobs.models import JobRow
from portal.payments import queries
from portal.payments.models import Payment
from tests import factories
from tests.live import Clock, LivePortal
from tests.smtp import attachment, text_of
from tests.waiting import eventually

VISA = "4242424242424242"
DECLINED = "4000000000000002"
ASKS_FOR_3DS = "4000002760003184"

# A page, a frame and Stripe's stand-in on two busy cores.
PATIENCE_MS = 20_000
# Several jobs, one after the other, and perhaps a clock that was moved.
MAIL_SECONDS = 60.0


class Shopper:
    """Ada of Spree Bikes, who owes 119 euros and has a phone in her hand."""

    def __init__(self, page: Page, portal: LivePortal) -> None:
        self.page = page
        self.portal = portal
        with db.transaction() as session:
            customer = factories.customer(session)
            self.user = factories.user(session, customer)
            self.customer_id = customer.id
        self.invoice_id = self.owe()

    def owe(
        self,
        lines: Sequence[tuple[str, int, int, int]] = (("Green electricity", 1_000, 100_00, 1900),),
        currency: str = "eur",
    ) -> str:
        """One more open invoice; returns its id."""
        with db.transaction() as session:
            customer = session.get_one(Customer, self.customer_id)
            return factories.invoice(session, customer, lines, currency=currency).id

    # Pages

    def sign_in(self) -> Shopper:
        self.page.goto(self.portal.url)
        self.page.get_by_label("E-mail").fill(self.user.email)
        self.page.get_by_label("Password").first.fill(factories.PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_text("Amount due")).to_be_visible(timeout=PATIENCE_MS)
        return self

    def open_pay_page(self, page: Page | None = None) -> Shopper:
        (page or self.page).goto(f"{self.portal.url}/payments/invoices/{self.invoice_id}")
        return self

    # The card's form

    def form(self, page: Page | None = None) -> FrameLocator:
        return (page or self.page).frame_locator('iframe[title="Secure payment input frame"]')

    def type_card(self, number: str, page: Page | None = None) -> Shopper:
        form = self.form(page)
        form.locator("[name=number]").fill(number, timeout=PATIENCE_MS)
        form.locator("[name=expiry]").fill("12 / 34")
        form.locator("[name=cvc]").fill("123")
        return self

    @property
    def pay_button(self) -> Locator:
        return self.page.locator("#pay-button")

    @property
    def message(self) -> Locator:
        return self.page.locator("#pay-message")

    @property
    def bank(self) -> FrameLocator:
        """The bank's page in the 3-D Secure dialog."""
        dialog = self.page.frame_locator('iframe[src*="three-ds-2-challenge"]')
        return dialog.frame_locator('iframe[name="stripe-challenge-frame"]')

    def pay_with(self, number: str) -> Shopper:
        self.type_card(number)
        self.pay_button.click()
        return self

    def sees_success(self, page: Page | None = None) -> None:
        expect((page or self.page).get_by_text("Paid. Thank you!")).to_be_visible(timeout=PATIENCE_MS)

    # What is true

    @property
    def invoice(self) -> Invoice:
        with db.reading() as session:
            return session.get_one(Invoice, self.invoice_id)

    @property
    def payments(self) -> list[Payment]:
        with db.reading() as session:
            return queries.of_invoice(session, self.invoice_id, self.customer_id)

    @property
    def charged(self) -> list[int]:
        """The amounts that Stripe has really taken, in minor units."""
        charges = self.portal.sandbox.client.v1.charges.list({"limit": 100}).data
        return [charge.amount for charge in charges if charge.paid]

    def receipt_text(self) -> str:
        """The text of the PDF in the mailbox."""
        (mail,) = self.portal.smtp.wait_for(1, to="ada@spree-bikes.test", within=MAIL_SECONDS)
        return pdf_text(mail)

    def mail(self, words: str, times: int = 1) -> EmailMessage:
        """The newest mail with these words in its subject, once there are so many."""

        def found() -> list[EmailMessage]:
            return [mail for mail in self.portal.smtp.messages if words in mail["Subject"]]

        eventually(lambda: len(found()) >= times, within=MAIL_SECONDS, what=f"{times} × {words}")
        return found()[-1]

    def mailed(self, words: str, times: int = 1) -> str:
        """The text of that mail."""
        return text_of(self.mail(words, times))


def move(clock: Clock, **by: float) -> None:
    """Let the jobs that are being run end, then move the clock: one that a day passes for would be taken for dead, and run again."""
    eventually(_no_job_is_run, within=MAIL_SECONDS, what="the jobs that are being run to end")
    clock.move(**by)


def _no_job_is_run() -> bool:
    with db.reading() as session:
        return session.scalar(select(JobRow.id).where(JobRow.lease_until.is_not(None)).limit(1)) is None


def pdf_text(mail: EmailMessage) -> str:
    """The text of the PDF that a mail brings."""
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(attachment(mail))).pages)


@pytest.fixture
def shopper(live_portal: LivePortal, page: Page) -> Shopper:
    return Shopper(page, live_portal)
