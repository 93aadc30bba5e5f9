"""Staff in a browser: evidence that two people send, access that ends in mid-session, and the company's own sign-in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import func, select

from portal.accounts import access
from portal.app import create_app
from portal.core import clock, config, db
from portal.core.audit import AuditEvent
from portal.identity.models import User
from portal.jobs import outbox
from portal.refunds.models import Refund
from tests import factories
from tests.accounts.company_sign_in import person, use
from tests.accounts.conftest import issuer
from tests.browsing import Console, context_options
from tests.evidence.conftest import Answer, answer, case, checkout, people
from tests.front.signing_in import sign_in
from tests.payments.conftest import books
from tests.served import served

__all__ = ["answer", "case", "checkout", "issuer", "people"]

pytestmark = [pytest.mark.database("sqlite"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]

Browse = Callable[[], Page]


@pytest.fixture
def another_page(browser: Browser, console: Console) -> Iterator[Browse]:
    """A page in a browser of one's own, for a second person."""
    contexts = []

    def open_page() -> Page:
        contexts.append(browser.new_context(**context_options()))
        console.listen(contexts[-1])
        return contexts[-1].new_page()

    yield open_page
    for context in contexts:
        context.close()


def user(user_id: str) -> User:
    with db.reading() as session:
        return session.get_one(User, user_id)


def test_evidence_is_edited_staged_and_sent_by_two_people_and_wins(
    answer: Answer, page: Page, another_page: Browse
) -> None:
    def work() -> None:
        with create_app(config.current()).app_context():
            outbox.run_due()

    with served() as url:
        dispute = f"{url}/support/disputes/{answer.dispute_id}"
        sign_in(page, url, user(answer.first))
        page.goto(f"{dispute}/evidence")
        page.locator("[name=uncategorized_text]").fill("winning_evidence")
        page.get_by_role("button", name="Save and propose").click()
        expect(page.get_by_text("Send to the bank: Only for these roles: Approver, Admin.")).to_be_visible()
        expect(page.get_by_role("button", name="Send to the bank")).to_have_count(0)
        answer.stage()
        page.reload()
        expect(page.get_by_text("This version lies ready")).to_be_visible()
        assert (answer.at_stripe.evidence.uncategorized_text, answer.submissions) == ("winning_evidence", 0)

        approver = another_page()
        sign_in(approver, url, user(answer.second))
        approver.goto(f"{dispute}/evidence")
        approver.get_by_role("button", name="Send to the bank").click()
        approver.get_by_role("dialog").get_by_role("button", name="Send to the bank").click()
        expect(approver.get_by_text("The evidence is being sent to the bank.", exact=True)).to_be_visible()
        answer.send()
        assert answer.submissions == 1

        answer.case.checkout.sandbox.control("finish")
        answer.case.heard()
        page.goto(dispute)
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator(".status, .pill").filter(has_text="Won").first).to_be_visible()
    assert answer.case.ours.status == "won"
    returned = [minor for kind, _, minor in books() if kind == "dispute_reinstated"]
    assert returned == [answer.case.payment.amount_minor]


def test_who_loses_access_in_mid_session_decides_nothing_any_more(
    settings: config.Settings, database: str, page: Page
) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        asked = factories.refund(
            session,
            factories.payment(session, customer),
            status="requested", amount_minor=19_00, asked_minor=19_00, stripe_refund_id=None, succeeded_at=None, sent_at=None,
        )  # fmt: skip
        leaving = factories.staff(session, "approver", name="Tom Leaving")
        admin = factories.staff(session, "admin", name="Ada Admin")
    with served() as url:
        sign_in(page, url, leaving)
        page.goto(f"{url}/support/refunds/{asked.id}")
        page.get_by_role("button", name="Approve", exact=True).click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        access.end(leaving.id, by=admin.id)
        dialog.get_by_role("button", name="Approve").click()
        page.wait_for_url(re.compile("/sign-in"))
        page.locator("[name=email]").fill(leaving.email)
        page.locator("[name=password]").fill(factories.PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.locator("main [role=alert]").first).to_be_visible()
    with db.reading() as session:
        row = session.get_one(Refund, asked.id)
        decided = select(func.count()).select_from(AuditEvent).where(AuditEvent.action.startswith("refund."))
        assert (row.status, session.scalar(decided.where(AuditEvent.actor_id == leaving.id))) == ("requested", 0)


def test_staff_sign_in_at_the_companys_provider_with_the_role_it_gives(
    settings: config.Settings, database: str, issuer: str, page: Page
) -> None:
    # Its pages ask for a style sheet from elsewhere.
    page.context.route(re.compile("jsdelivr"), lambda route: route.fulfill(body="", content_type="text/css"))
    use(settings, issuer)
    known = person(issuer, "books", email="fin@portal.test")
    with served(host="localhost") as url:
        page.goto(f"{url}/sign-in?next=/support/books")
        page.get_by_role("link", name=re.compile("company account")).click()
        page.locator("[name=sub]").fill(known)
        page.get_by_role("button", name="Authorize").click()
        page.wait_for_url(f"{url}/support/books")
        navigation = page.get_by_role("navigation", name="Main")
        expect(navigation.get_by_role("link", name="Books")).to_be_visible()
        expect(navigation.get_by_role("link", name=re.compile("Operations"))).to_have_count(0)
    with db.reading() as session:
        made = session.scalars(select(User).where(User.email == known)).one()
        assert (made.role, made.active) == ("finance", True)
        assert made.created_at <= clock.now()
