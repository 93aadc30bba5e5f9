"""A customer pays an invoice and holds the receipt: in Chromium, against the web server, the worker, the sandbox and SMTP."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests import factories
from tests.browsing import Console
from tests.flows.conftest import ASKS_FOR_3DS, DECLINED, PATIENCE_MS, VISA, Shopper
from tests.waiting import eventually


@pytest.mark.database("sqlite", "postgresql")
def test_from_the_sign_in_to_the_receipt_in_the_mailbox(shopper: Shopper) -> None:
    page = shopper.sign_in().page
    expect(page.get_by_text("€119.00").first).to_be_visible()
    page.get_by_role("link", name=shopper.invoice.number, exact=True).click()
    expect(page.get_by_text("Green electricity")).to_be_visible()
    page.get_by_role("link", name="Pay €119.00").click()
    shopper.pay_with(VISA)
    shopper.sees_success()
    assert "/payments/invoices/" in page.url, "success shows without leaving the page"

    text = " ".join(shopper.receipt_text().split())
    number = re.search(r"PC-\d{4}-\d{6}", text)
    assert number is not None
    assert f"not an invoice. The tax is stated on invoice {shopper.invoice.number}" in text
    assert "119.00" in text
    assert "4242" in text

    page.goto(f"{shopper.portal.url}/payments")
    page.get_by_role("link", name=shopper.invoice.number).click()
    link = page.get_by_role("link", name=re.compile("Download"))
    expect(link).to_be_visible(timeout=PATIENCE_MS)
    with page.expect_download() as download:
        link.click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")
    assert shopper.charged == [119_00]


def test_after_a_decline_the_form_is_kept_and_the_next_try_works(shopper: Shopper) -> None:
    shopper.sign_in().open_pay_page().pay_with(DECLINED)
    expect(shopper.message).to_contain_text("Your bank declined this card", timeout=PATIENCE_MS)
    expect(shopper.form().locator("[name=expiry]")).to_have_value("12 / 34")
    shopper.pay_with(VISA)
    shopper.sees_success()
    assert shopper.charged == [119_00]
    assert len(shopper.payments) == 1


def test_on_a_phone_the_button_stays_in_sight_and_covers_no_message(shopper: Shopper) -> None:
    page = shopper.page
    page.set_viewport_size({"width": 390, "height": 640})
    shopper.sign_in()
    expect(page.locator(".site-nav")).to_be_visible()
    shopper.open_pay_page()
    expect(page.locator(".site-nav")).to_be_hidden()
    shopper.type_card(DECLINED)
    for place in ("0", "document.body.scrollHeight"):
        page.evaluate(f"window.scrollTo(0, {place})")
        expect(shopper.pay_button).to_be_in_viewport(ratio=1)
    page.evaluate("window.scrollTo(0, 0)")
    shopper.pay_button.click()
    expect(shopper.message).to_contain_text("Your bank declined this card", timeout=PATIENCE_MS)
    expect(shopper.message).to_be_in_viewport(ratio=1)
    said, below = shopper.message.bounding_box(), page.locator(".checkout-action").bounding_box()
    assert said and below and said["y"] + said["height"] <= below["y"]


def test_on_a_slow_line_nothing_can_be_pressed_before_the_page_can_answer(shopper: Shopper) -> None:
    page = shopper.sign_in().page
    held: list[Route] = []
    page.route("**/js/pay.js*", lambda route: held.append(route))  # noqa: PLW0108 - playwright takes no built-in
    page.goto(f"{shopper.portal.url}/payments/invoices/{shopper.invoice_id}", wait_until="commit")
    expect(shopper.pay_button).to_be_disabled()
    shopper.pay_button.click(force=True)
    eventually(lambda: page.evaluate("1") and held, what="the page to ask for its script")
    assert page.url.endswith(shopper.invoice_id), "the form was not sent as plain HTML does"
    held[0].continue_()
    shopper.pay_with(VISA).sees_success()
    assert shopper.charged == [119_00]


def test_each_decline_says_what_to_do_next(shopper: Shopper) -> None:
    shopper.sign_in().open_pay_page()
    for number, words in (
        ("4000000000009995", "not enough money"),
        ("4000000000000069", "has expired"),
        ("4000000000000127", "security code (CVC) is incorrect"),
        ("4000000000000119", "Your bank could not process the payment"),
        ("4000000000006975", "payment limit"),
    ):
        shopper.pay_with(number)
        expect(shopper.message).to_contain_text(words, timeout=PATIENCE_MS)
        expect(shopper.pay_button).not_to_have_attribute("aria-busy", "true")
    assert shopper.charged == []


def test_a_card_that_asks_for_3d_secure(shopper: Shopper) -> None:
    shopper.sign_in().open_pay_page().pay_with(ASKS_FOR_3DS)
    shopper.bank.locator("#test-source-fail-3ds").click(timeout=PATIENCE_MS)
    expect(shopper.message).to_contain_text("could not confirm that it is you", timeout=PATIENCE_MS)
    shopper.pay_button.click()
    shopper.bank.locator("#test-source-authorize-3ds").click(timeout=PATIENCE_MS)
    shopper.sees_success()
    assert shopper.charged == [119_00]


def test_who_leaves_during_3d_secure_finds_the_payment_and_finishes_it(shopper: Shopper) -> None:
    page = shopper.sign_in().open_pay_page().pay_with(ASKS_FOR_3DS).page
    expect(shopper.bank.locator("#test-source-authorize-3ds")).to_be_visible(timeout=PATIENCE_MS)
    eventually(lambda: shopper.payments[0].status == "requires_action", within=20, what="the webhook")

    page.goto(f"{shopper.portal.url}/invoices/{shopper.invoice_id}")
    page.get_by_role("link", name="Finish this payment").click(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Finish this payment").click(timeout=PATIENCE_MS)
    shopper.bank.locator("#test-source-authorize-3ds").click(timeout=PATIENCE_MS)
    shopper.sees_success()
    assert shopper.charged == [119_00]
    assert len(shopper.payments) == 1


def test_closing_the_tab_right_after_confirming_changes_nothing(shopper: Shopper) -> None:
    page = shopper.sign_in().open_pay_page().page
    with page.expect_response(re.compile(r"/v1/payment_intents/[^/]+/confirm")):
        shopper.pay_with(VISA)
    page.close()
    eventually(lambda: shopper.invoice.status == "paid", within=30, what="the webhook")
    assert "119.00" in shopper.receipt_text()


def test_who_reloads_in_mid_payment_reads_that_it_is_checked_and_then_that_it_is_paid(shopper: Shopper) -> None:
    page = shopper.sign_in().open_pay_page().page
    shopper.portal.sandbox.control(
        "faults", fault="delay", path="/v1/payment_intents/*/confirm", times=1, method="POST", seconds=3
    )
    with page.expect_request(re.compile(r"/v1/payment_intents/[^/]+/confirm")):
        shopper.pay_with(VISA)
    page.reload()
    expect(page.get_by_text("We are checking your payment")).to_be_visible(timeout=PATIENCE_MS)
    expect(shopper.pay_button).to_have_count(0)
    shopper.sees_success()
    assert shopper.charged == [119_00]


def test_two_tabs_charge_once(shopper: Shopper, context: BrowserContext) -> None:
    shopper.sign_in().open_pay_page()
    second = context.new_page()
    shopper.open_pay_page(second)
    shopper.type_card(VISA)
    shopper.type_card(VISA, second)
    shopper.pay_button.click()
    second.locator("#pay-button").click()
    tabs = (shopper.page, second)  # either may be the first to reach Stripe
    for tab in tabs:
        expect(tab.get_by_text(re.compile("Paid. Thank you!|already paid"))).to_be_visible(timeout=PATIENCE_MS)
    assert any(tab.get_by_text("Paid. Thank you!").is_visible() for tab in tabs)
    eventually(lambda: shopper.invoice.status == "paid", within=30)
    assert shopper.charged == [119_00]


def test_who_was_signed_out_in_another_tab_signs_in_at_the_press_of_pay_and_pays(
    shopper: Shopper, context: BrowserContext, console: Console
) -> None:
    console.expect("status of 401")
    shopper.sign_in().open_pay_page().type_card(VISA)
    other = context.new_page()
    other.goto(f"{shopper.portal.url}/invoices")
    other.locator(".account-menu summary").click()
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_text("You are signed out.")).to_be_visible()
    shopper.pay_button.click()
    page = shopper.page
    expect(page.get_by_text("You were not charged.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("E-mail").fill(shopper.user.email)
    page.get_by_label("Password").first.fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**/payments/invoices/{shopper.invoice_id}")
    assert shopper.payments == []
    shopper.pay_with(VISA)
    shopper.sees_success()
    assert shopper.charged == [119_00]


def test_a_double_click_charges_once(shopper: Shopper) -> None:
    shopper.sign_in().open_pay_page().type_card(VISA)
    shopper.pay_button.dblclick()
    shopper.sees_success()
    assert shopper.charged == [119_00]


def test_a_saved_card_pays_the_next_invoice_in_one_click_and_another_without_stripes_script(
    shopper: Shopper, console: Console
) -> None:
    console.expect("net::ERR_FAILED")
    page = shopper.sign_in().open_pay_page().page
    page.get_by_label(re.compile("Save for next time")).check()
    shopper.pay_with(VISA)
    shopper.sees_success()
    page.goto(f"{shopper.portal.url}/payment-methods")
    eventually(lambda: page.reload() and page.get_by_text("4242").count() > 0, within=20, what="the card to be kept")

    shopper.invoice_id = shopper.owe()
    shopper.open_pay_page()
    expect(page.get_by_role("radio", name=re.compile("4242"))).to_be_checked(timeout=PATIENCE_MS)
    shopper.pay_button.click()
    shopper.sees_success()
    assert shopper.charged == [119_00, 119_00]

    shopper.invoice_id = shopper.owe()
    page.route(f"{shopper.portal.sandbox.js_url}*", lambda route: route.abort())
    shopper.open_pay_page()
    expect(shopper.message).to_contain_text("could not be loaded")
    shopper.pay_button.click()
    shopper.sees_success()
    assert shopper.charged == [119_00, 119_00, 119_00]


def test_another_amount_is_paid_without_an_invoice(shopper: Shopper) -> None:
    page = shopper.sign_in().page
    page.get_by_role("link", name="Make a payment without an invoice").click()
    page.get_by_label("Amount").fill("2.00")
    page.get_by_label("What is it for?").fill("A deposit")
    page.get_by_role("button", name="Continue to payment").click()
    expect(page.get_by_text(re.compile("from €5.00 to €5,000.00")).first).to_be_visible()
    expect(page.get_by_label("What is it for?")).to_have_value("A deposit")
    page.get_by_label("Amount").fill("50.00")
    page.get_by_role("button", name="Continue to payment").click()
    shopper.pay_with(VISA)
    shopper.sees_success()
    assert "A deposit" in shopper.receipt_text()
    assert shopper.charged == [50_00]


def test_while_stripe_is_down_the_page_says_so_and_nothing_is_lost(shopper: Shopper, console: Console) -> None:
    console.expect("status of 503")
    shopper.sign_in().open_pay_page().type_card(VISA)
    shopper.portal.sandbox.control("faults", fault="error_before", path="/v1/payment_intents", method="POST", times=2)
    shopper.pay_button.click()
    expect(shopper.message).to_contain_text("is not responding", timeout=PATIENCE_MS)
    assert len(shopper.payments) == 1
    shopper.pay_button.click()
    shopper.sees_success()
    assert shopper.charged == [119_00]


def test_the_receipt_arrives_although_the_worker_was_down_and_the_mail_server_said_no(shopper: Shopper) -> None:
    shopper.portal.kill_worker()
    shopper.portal.smtp.refuse_next("451 4.3.0 come again", to="ada@spree-bikes.test")
    shopper.sign_in().open_pay_page().pay_with(VISA)
    shopper.sees_success()
    shopper.portal.start_worker()
    assert "119.00" in shopper.receipt_text()
    assert shopper.portal.smtp.refusals_left == 0
