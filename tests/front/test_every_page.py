"""Every page of a customer and of the operations desk, in the whole running portal: axe finds nothing and nothing is cut off.

Desktop in light and English, phone in dark and German: between them each theme, width and language is seen on each page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from portal import anchors, audit, clock, db
from portal.cards.models import CardSetup, SavedCard
from portal.config import Settings
from portal.ledger import FEES, RECEIVABLES, STRIPE, post
from portal.receipts import service as receipts
from tests import factories
from tests.browsing import context_options
from tests.front.axe import FOR_AXE, violations
from tests.front.signing_in import sign_in
from tests.live import LivePortal

LINES = (
    ("Green electricity, 4,200 kWh in October 2026", 4_200_000, 31, 1900),
    ("Meter rental and remote reading for the workshop in Oberbaumstraße", 1_000, 12_50, 1900),
    ("Solar feed-in credit handling", 2_000, 4_90, 700),
)
VIEWS = {
    "desktop, light, English": ("en", {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}),
    "phone, dark, German": ("de", {"viewport": {"width": 320, "height": 568}, "color_scheme": "dark"}),
}


class History:
    """A customer with something on every page."""

    def __init__(self) -> None:
        now, today = clock.now(), clock.today()
        with db.transaction() as session:
            customer = factories.customer(session)
            self.user = factories.user(session, customer)
            self.due = factories.invoice(session, customer, LINES).id
            factories.invoice(session, customer, due_on=today - timedelta(days=6), issued_on=today - timedelta(days=20))
            factories.invoice(session, customer, currency="jpy")
            paid = factories.invoice(session, customer, LINES, status="paid", paid_at=now)
            self.paid = paid.id
            payment = factories.payment(session, customer, paid)
            self.succeeded = payment.id
            unpaid = {"amount_minor": 12_00, "succeeded_at": None}
            self.declined = factories.payment(
                session, customer, status="requires_payment_method", decline_code="insufficient_funds", **unpaid
            ).id
            self.processing = factories.payment(session, customer, status="processing", **unpaid).id
            self.canceled = factories.payment(session, customer, status="canceled", **unpaid).id
            for number in range(22):
                factories.payment(session, customer, created_at=now - timedelta(days=number + 1))
            for brand, last4, year in (("visa", "4242", today.year + 3), ("amex", "0005", today.year - 1)):
                session.add(_card(customer.id, brand, last4, year))
            soon = _card(customer.id, "mastercard", "4444", today.year)
            soon.exp_month = today.month
            session.add(soon)
            factories.payment(session, customer, status="requires_action", stripe_payment_method_id="pm_visa", **unpaid)
            setups = [
                _setup(customer.id, status="succeeded", outcome=outcome)
                for outcome in ("added", "renewed", "duplicate", "gone")
            ]
            setups.append(_setup(customer.id, status="requires_payment_method", failure_code="expired_card"))
            setups.append(_setup(customer.id, finding="the setup intent belongs to another customer"))
            session.add_all(setups)
            self.setups = [setup.id for setup in setups]
        self.receipt = receipts.issue(self.succeeded)

    def addresses(self) -> Iterator[str]:
        """Every page that a customer can open, in each of its states."""
        yield from ("/", "/invoices", "/invoices?status=overdue", "/invoices?status=void")
        yield from (f"/invoices/{self.due}", f"/invoices/{self.paid}", f"/payments/invoices/{self.due}")
        yield from ("/payments", "/payments?q=nothing+like+it", "/payments?least=x", "/payments/other")
        for payment in (self.succeeded, self.declined, self.processing, self.canceled):
            yield f"/payments/{payment}"
        yield f"/payments/{self.succeeded}/outcome"
        yield from ("/receipts/", f"/receipts/{self.receipt}", "/cards", "/cards/new", "/account", "/no-such-page")
        yield from (f"/cards/setups/{setup}/outcome" for setup in self.setups)


class Troubles:
    """An admin, and something on every page of the operations desk."""

    def __init__(self) -> None:
        now = clock.now()
        with db.transaction() as session:
            self.user = factories.staff(session, "admin")
            customer = factories.customer(session)
            self.event = factories.stripe_event(session, body=b'{"object": "event", "id": "' + b"x" * 200 + b'"}').id
            for number in range(22):
                factories.stripe_event(session, state="ignored", received_at=now - timedelta(minutes=number + 1))
            factories.failed_job(session, args={"event_id": self.event}, last_error="OSError: " + "no space left " * 12)
            factories.failed_job(session, state="queued", finished_at=None, tries=3)
            payment = factories.payment(session, customer, finding="the amount at Stripe differs")
            session.add(_setup(customer.id, finding="the setup intent belongs to another customer"))
            for kind, debit, credit in (("charge", STRIPE, RECEIVABLES), ("fee", FEES, STRIPE)):
                post(
                    session,
                    kind,
                    debit=debit,
                    credit=credit,
                    amount=payment.amount,
                    subject=payment.id,
                    reference=f"{kind}:{payment.stripe_intent_id}",
                )
            facts = {"status": ["created", "succeeded"], "card": {"brand": "visa"}, "finding": None}
            audit.record(session, "payment.status", payment.id, facts, customer_id=customer.id)
            anchors.take(session)

    def addresses(self) -> Iterator[str]:
        yield "/support/operations"
        for path in ("", f"/{self.event}", "?q=nothing", "?state=x"):
            yield f"/support/operations/events{path}"
        yield from ("/support/operations/jobs", "/support/operations/jobs?state=dead", "/support/operations/findings")
        yield from ("/support/operations/books", "/support/operations/books?since=2026-02-01&until=2026-01-01")
        yield from ("/support/operations/audit", "/support/operations/audit?subject=nothing")


def _card(customer_id: str, brand: str, last4: str, year: int) -> SavedCard:
    return SavedCard(
        id=db.new_id("crd"),
        customer_id=customer_id,
        stripe_payment_method_id=f"pm_{brand}",
        brand=brand,
        last4=last4,
        exp_month=12,
        exp_year=year,
        is_default=brand == "visa",
        created_at=clock.now(),
    )


def _setup(customer_id: str, **values: Any) -> CardSetup:
    now = clock.now()
    key = db.new_id("page")
    return CardSetup(
        id=db.new_id("set"), customer_id=customer_id, client_key=key, created_at=now, updated_at=now, **values
    )


def problems(page: Page) -> list[str]:
    found = violations(page)
    width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return [*found, f"{width} px are cut off"] if width > 0 else found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("view", VIEWS)
def test_every_page_can_be_read_by_everyone(
    settings: Settings, live_portal: LivePortal, browser: Browser, view: str
) -> None:
    language, options = VIEWS[view]
    history = History()
    context: Any = browser.new_context(**context_options(**options, **FOR_AXE))
    try:
        page = context.new_page()
        found: dict[str, list[str]] = {}
        page.goto(f"{live_portal.url}/language/{language}")
        for address in ("/sign-in", "/password/forgotten", "/password/forgotten/sent"):
            page.goto(live_portal.url + address)
            found[address] = problems(page)
        sign_in(page, live_portal.url, history.user)
        for address in history.addresses():
            page.goto(live_portal.url + address)
            page.wait_for_load_state("load")
            found[address] = problems(page)
        assert {address: what for address, what in found.items() if what} == {}
    finally:
        context.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("view", VIEWS)
def test_every_page_of_the_operations_desk_can_be_read_by_everyone(
    settings: Settings, live_portal: LivePortal, browser: Browser, view: str
) -> None:
    language, options = VIEWS[view]
    live_portal.stop_worker()  # what has failed stays as it is
    troubles = Troubles()
    context: Any = browser.new_context(**context_options(**options, **FOR_AXE))
    try:
        page = context.new_page()
        page.goto(f"{live_portal.url}/language/{language}")
        page.goto(f"{live_portal.url}/sign-in?next=/support/operations")
        page.locator("[name=email]").fill(troubles.user.email)
        page.locator("[name=password]").fill(factories.PASSWORD)
        page.locator("main button[type=submit]").click()
        page.wait_for_url(f"{live_portal.url}/support/operations")
        found: dict[str, list[str]] = {}
        for address in troubles.addresses():
            page.goto(live_portal.url + address)
            page.wait_for_load_state("load")
            found[address] = problems(page)
        assert {address: what for address, what in found.items() if what} == {}
    finally:
        context.close()
