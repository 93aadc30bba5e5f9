"""Money goes back: the customer asks, staff decide, the worker sends. In Chromium, before the whole running portal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from portal.core import db
from portal.refunds import queries
from portal.refunds.models import Refund
from tests import factories
from tests.browsing import Console, context_options
from tests.flows.conftest import PATIENCE_MS, VISA, Shopper, pdf_text
from tests.front.signing_in import sign_in
from tests.live import LivePortal
from tests.waiting import eventually

SECONDS = 60.0
# In one line, as people type: longer than a line of a mail may be.
LONG = " ".join(["Please see the report which you signed."] * 30)

Seat = Callable[..., Page]

# The worker may have sent it before the page is drawn.
APPROVED = re.compile(r"Approved\. The money (is being|has been) refunded\.")


@pytest.fixture
def seat(live_portal: LivePortal, browser: Browser, console: Console) -> Iterator[Seat]:
    """Sit down at the desk, each time with a browser of one's own: `seat("approver", name="Mia Vogel")`."""
    contexts = []

    def sit_down(role: str = "support", name: str = "Tom Staff") -> Page:
        with db.transaction() as session:
            reviewer = factories.staff(session, role, name=name)
        contexts.append(browser.new_context(**context_options()))
        console.listen(contexts[-1])
        page = contexts[-1].new_page()
        sign_in(page, live_portal.url, reviewer)
        return page

    yield sit_down
    for context in contexts:
        context.close()


# The customer


def pay(shopper: Shopper) -> Page:
    """119 euros arrive, with their receipt; the payment's page is open."""
    shopper.sign_in().open_pay_page().pay_with(VISA).sees_success()
    shopper.mail("Your payment confirmation")
    return open_payment(shopper)


def open_payment(shopper: Shopper) -> Page:
    page = shopper.page
    page.goto(shopper.portal.url)
    page.get_by_role("link", name="Payments", exact=True).click()
    page.get_by_role("link", name=shopper.invoice.number).click()
    expect(page.locator("#payment-refunds")).to_be_visible(timeout=PATIENCE_MS)
    return page


def ask(page: Page, amount: str | None = None, reason: str = "Not received") -> None:
    """From the payment's page, for all of it or for a part."""
    page.get_by_role("link", name="Request a refund").click()
    if amount is not None:
        page.get_by_label("Amount").fill(amount)
    page.get_by_text(reason, exact=True).click()
    page.get_by_label("What happened?").fill("The meter was never installed.")
    page.get_by_role("button", name="Send the request").click()


def ask_and_be_heard(page: Page, amount: str | None = None) -> None:
    ask(page, amount)
    expect(page.get_by_text("Your request has arrived.")).to_be_visible(timeout=PATIENCE_MS)


def sees(page: Page, words: str) -> None:
    """Once the page was loaded often enough: what the worker does shows on the next look."""

    def look() -> bool:
        page.reload()
        return page.get_by_text(words, exact=True).first.is_visible()

    eventually(look, within=SECONDS, what=words)


def refunds(shopper: Shopper) -> list[Refund]:
    with db.reading() as session:
        return list(reversed(queries.of_customer(session, shopper.customer_id).rows))


def given_back(shopper: Shopper) -> list[int]:
    """The amounts that Stripe has really given back, in minor units, oldest first."""
    made = shopper.portal.sandbox.client.v1.refunds.list({"limit": 100}).data
    return [refund.amount for refund in reversed(made) if refund.status == "succeeded"]


# The desk


def open_request(desk: Page, amount: str) -> None:
    """The one over this amount, from the queue."""
    desk.get_by_role("navigation", name="Main").get_by_role("link", name=re.compile("^Refunds")).click()
    desk.get_by_role("row").filter(has_text=amount).get_by_role("link", name="Spree Bikes GmbH").click()
    expect(desk.get_by_role("heading", name=f"Refund of {amount}", level=1)).to_be_visible(timeout=PATIENCE_MS)


def take_request(desk: Page, amount: str) -> None:
    open_request(desk, amount)
    desk.get_by_role("button", name="Claim").click()
    expect(desk.get_by_text("You are reviewing this refund")).to_be_visible(timeout=PATIENCE_MS)


def dialog(desk: Page, opener: str) -> Locator:
    """The dialog that this button opens."""
    desk.get_by_role("button", name=opener, exact=True).click()
    return desk.get_by_role("dialog")


def approve(desk: Page, amount: str | None = None) -> None:
    box = dialog(desk, "Approve")
    if amount is not None:
        box.get_by_label("Amount").fill(amount)
    box.get_by_role("button", name="Approve").click()


@pytest.mark.timeout(300)
def test_a_whole_refund_reaches_its_customer_until_the_bank_sends_it_back(shopper: Shopper, seat: Seat) -> None:
    page, desk = pay(shopper), seat()
    ask_and_be_heard(page)
    shopper.mail("Your refund request for €119.00 has arrived")
    take_request(desk, "€119.00")
    approve(desk)
    expect(desk.get_by_text(APPROVED)).to_be_visible(timeout=PATIENCE_MS)
    expect(desk.get_by_text("No refund is waiting for you")).to_be_visible()

    mail = shopper.mail("Your credit note")
    number = re.search(r"CN-\d{4}-000001", mail["Subject"])
    assert number is not None
    printed = pdf_text(mail)
    for words in (number[0], "€119.00", shopper.invoice.number):
        assert words in printed
    sees(page, "Sent to your bank")
    assert given_back(shopper) == [119_00]
    open_payment(shopper)
    expect(page.locator("#payment-refunds").get_by_role("row", name="€119.00")).to_contain_text("Refunded")
    expect(page.get_by_role("link", name="Request a refund")).to_have_count(0)

    shopper.portal.sandbox.control("refunds/fail", refund=refunds(shopper)[0].stripe_refund_id)
    for_customer = shopper.mail("Your refund of €119.00 did not arrive")
    for_staff = shopper.mail("A refund of €119.00 failed")
    assert (for_customer["To"], for_staff["To"]) == ("ada@spree-bikes.test", "help@portal.test")
    assert number[0] in shopper.mailed("is canceled")
    open_payment(shopper)
    expect(page.get_by_text("Void", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    page.locator("#payment-refunds").get_by_role("link", name=re.compile(r"\d{4}")).click()
    expect(page.get_by_text("The money did not arrive")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("link", name="See the payment").click()
    ask_and_be_heard(page)


@pytest.mark.timeout(300)
def test_two_parts_go_back_one_lowered_and_a_third_is_declined(shopper: Shopper, seat: Seat) -> None:
    page, desk = pay(shopper), seat()
    ask_and_be_heard(page, "19.00")
    open_payment(shopper)
    ask_and_be_heard(page, "100.00")
    take_request(desk, "€19.00")
    approve(desk)
    take_request(desk, "€100.00")
    approve(desk, "50.00")
    expect(desk.get_by_text(APPROVED)).to_be_visible(timeout=PATIENCE_MS)
    newest = shopper.mail("Your credit note", 2)
    printed = {pdf_text(mail) for mail in shopper.portal.smtp.messages if "Your credit note" in mail["Subject"]}
    assert [sum(amount in text for text in printed) for amount in ("€19.00", "€50.00")] == [1, 1]
    assert newest["To"] == "ada@spree-bikes.test"
    assert sorted(given_back(shopper)) == [19_00, 50_00]
    sees(page, "Sent to your bank")
    expect(page.get_by_role("heading", name="Refund of €50.00")).to_be_visible()
    expect(page.get_by_text("Amount requested", exact=True)).to_be_visible()

    open_payment(shopper)
    page.get_by_role("link", name="Request a refund").click()
    expect(page.get_by_label("Amount")).to_have_value("50.00")
    page.go_back()
    ask_and_be_heard(page, "50.00")
    take_request(desk, "€50.00")
    box = dialog(desk, "Reject")
    box.get_by_label("Reason for the customer").fill(f"The meter was installed on Monday.\n{LONG}")
    box.get_by_role("button", name="Reject").click()
    expect(desk.get_by_text("Rejected.")).to_be_visible(timeout=PATIENCE_MS)
    said = shopper.mailed("Your refund request for €50.00", 2)
    assert "The meter was installed on Monday." in said and LONG in " ".join(said.split())
    sees(page, "Refund rejected")
    expect(page.get_by_text("The meter was installed on Monday.")).to_be_visible()
    assert sorted(given_back(shopper)) == [19_00, 50_00]


@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:100")
@pytest.mark.timeout(300)
def test_two_people_agree_and_one_of_them_cannot_agree_twice(shopper: Shopper, seat: Seat) -> None:
    page = pay(shopper)
    ask_and_be_heard(page)
    tom, mia, ida = seat("support", "Tom Staff"), seat("approver", "Mia Vogel"), seat("admin", "Ida Third")
    take_request(tom, "€119.00")
    expect(tom.get_by_text("This amount needs two people.")).to_be_visible()
    approve(tom)
    expect(tom.get_by_text("A second person must approve it too.")).to_be_visible(timeout=PATIENCE_MS)
    tom.get_by_role("link", name=re.compile("^For a second person")).click()
    expect(tom.get_by_text("Partially approved")).to_be_visible()
    tom.get_by_role("row").filter(has_text="€119.00").get_by_role("link", name="Spree Bikes GmbH").click()
    expect(tom.get_by_text("You have approved this refund. A second person must approve it too.")).to_be_visible()
    expect(tom.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
    assert given_back(shopper) == []
    ida.get_by_role("navigation", name="Main").get_by_role("link", name=re.compile("^Refunds")).click()
    expect(ida.get_by_role("row").filter(has_text="€119.00")).to_have_count(1)

    take_request(mia, "€119.00")
    expect(mia.get_by_text("Tom Staff has approved this refund. A second person must approve it too.")).to_be_visible()
    approve(mia)
    expect(mia.get_by_text(APPROVED)).to_be_visible(timeout=PATIENCE_MS)
    ida.reload()
    expect(ida.get_by_role("heading", level=1)).to_be_visible()
    expect(ida.get_by_role("row").filter(has_text="€119.00")).to_have_count(0)
    sees(page, "Sent to your bank")
    assert given_back(shopper) == [119_00]


@pytest.mark.timeout(300)
def test_a_disputed_payment_is_not_given_back_as_well(shopper: Shopper, seat: Seat) -> None:
    page, desk = pay(shopper), seat()
    ask_and_be_heard(page, "19.00")
    open_payment(shopper)
    page.get_by_role("link", name="Request a refund").click()
    take_request(desk, "€19.00")
    shopper.portal.sandbox.control("disputes", charge=shopper.payments[0].stripe_charge_id, reason="general")
    sees(desk, "This payment is disputed at the bank")
    expect(desk.get_by_text("It cannot be refunded here as well.")).to_be_visible()
    expect(desk.get_by_role("button", name="Approve", exact=True)).to_have_count(0)

    page.get_by_text("Not received", exact=True).click()
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_text("it cannot be refunded here as well.")).to_be_visible(timeout=PATIENCE_MS)
    open_payment(shopper)
    expect(page.get_by_text("This payment was disputed at the bank")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("link", name="Request a refund")).to_have_count(0)
    assert [refund.status for refund in refunds(shopper)] == ["requested"]


def sees_keys(desk: Page) -> None:
    """The request's page listens, and nobody has claimed it by opening it."""
    expect(desk.get_by_text("Shortcuts: A to approve, R to reject")).to_be_visible(timeout=PATIENCE_MS)
    expect(desk.get_by_role("button", name="Claim")).to_be_visible()


@pytest.mark.timeout(300)
def test_the_keyboard_alone_decides_and_no_key_alone_moves_money(shopper: Shopper, seat: Seat) -> None:
    page, desk = pay(shopper), seat()
    for amount in ("10.00", "20.00", "30.00"):
        ask_and_be_heard(page, amount)
        open_payment(shopper)
    keys = desk.keyboard
    desk.get_by_role("navigation", name="Main").get_by_role("link", name=re.compile("^Refunds")).click()
    expect(desk.get_by_text("Shortcuts: J and K to move, X to select, Enter to open")).to_be_visible(
        timeout=PATIENCE_MS
    )
    queue = desk.url

    for key in "jjjkj":
        keys.press(key)
    keys.press("Enter")
    expect(desk.get_by_role("heading", name="Refund of €30.00")).to_be_visible(timeout=PATIENCE_MS)
    sees_keys(desk)
    keys.press("r")
    expect(desk.get_by_role("dialog", name="Reject this refund?")).to_be_visible()
    expect(desk.get_by_label("Reason for the customer")).to_be_focused()
    keys.type("a j")
    expect(desk.get_by_label("Reason for the customer")).to_have_value("a j")
    keys.press("Escape")
    expect(desk.get_by_role("dialog")).to_have_count(0)
    expect(desk.get_by_role("heading", name="Refund of €30.00")).to_be_visible()
    expect(desk.get_by_role("button", name="Reject")).to_be_focused()
    keys.press("a")
    expect(desk.get_by_role("dialog", name="Approve this refund?")).to_be_visible()
    keys.press("Escape")
    expect(desk.get_by_role("dialog")).to_have_count(0)
    expect(desk.get_by_text("You are reviewing this refund")).to_be_visible(timeout=PATIENCE_MS)
    keys.press("Escape")
    expect(desk).to_have_url(queue, timeout=PATIENCE_MS)
    eventually(
        lambda: {refund.claimed_by for refund in refunds(shopper)} == {None},
        within=SECONDS,
        what="the claim given back",
    )
    expect(desk.get_by_text("Shortcuts: J and K to move, X to select, Enter to open")).to_be_visible(
        timeout=PATIENCE_MS
    )
    assert {refund.status for refund in refunds(shopper)} == {"requested"}

    keys.press("j")
    keys.press("Enter")
    sees_keys(desk)
    keys.press("a")
    box = desk.get_by_role("dialog", name="Approve this refund?")
    expect(box.get_by_label("Amount")).to_be_focused()
    keys.press("Tab")
    keys.press("Tab")
    expect(box.get_by_role("button", name="Approve")).to_be_focused()
    keys.press("Enter")
    expect(desk.get_by_text(APPROVED)).to_be_visible(timeout=PATIENCE_MS)
    eventually(lambda: given_back(shopper) == [10_00], within=SECONDS, what="the refund at Stripe")

    expect(desk.get_by_role("heading", name="Refund of €20.00")).to_be_visible()
    keys.press("n")
    expect(desk.get_by_role("heading", name="Refund of €30.00")).to_be_visible(timeout=PATIENCE_MS)
    sees_keys(desk)
    keys.press("Escape")
    expect(desk).to_have_url(queue, timeout=PATIENCE_MS)
    desk.goto(f"{shopper.portal.url}/account")
    desk.get_by_label("Use single keys as shortcuts").uncheck()
    desk.locator("#keyboard button[type=submit]").click()
    expect(desk.get_by_text("Saved.")).to_be_visible(timeout=PATIENCE_MS)
    desk.goto(queue)
    expect(desk.get_by_text("Shortcuts: J and K to move")).to_be_hidden()
    keys.press("j")
    expect(desk.locator("a.row-link:focus")).to_have_count(0)
    desk.locator("a.row-link").first.click()
    expect(desk.get_by_role("button", name="Claim")).to_be_visible(timeout=PATIENCE_MS)
    desk.go_back()
    expect(desk).to_have_url(queue, timeout=PATIENCE_MS)
    desk.go_forward()
    expect(desk.get_by_role("button", name="Claim")).to_be_visible(timeout=PATIENCE_MS)
    for key in ("a", "r", "Escape"):
        keys.press(key)
    expect(desk.get_by_role("dialog")).to_have_count(0)
    expect(desk.get_by_role("heading", name="Refund of €20.00")).to_be_visible()
    assert [refund.status for refund in refunds(shopper)][1:] == ["requested", "requested"]
