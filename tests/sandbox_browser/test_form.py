"""The Payment Element's form: what it shows, how it takes what is typed, and what it tells the page."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browsing import Console
from tests.sandbox_browser.checkout import VISA, Checkout

DEFERRED: dict[str, Any] = {"mode": "payment", "amount": 1099, "currency": "eur"}
THIS_YEAR = date.today().year % 100  # noqa: DTZ011 the form goes by the customer's calendar, which here is this machine's


@pytest.fixture
def form(checkout: Checkout) -> Checkout:
    checkout.mount(**DEFERRED)
    return checkout


def test_names_are_stripes(form: Checkout) -> None:
    frame = form.page.locator("#payment iframe")
    assert str(frame.get_attribute("name")).startswith("__privateStripeFrame")
    assert frame.get_attribute("title") == "Secure payment input frame"
    for name, autocomplete in {
        "number": "cc-number",
        "expiry": "cc-exp",
        "cvc": "cc-csc",
        "country": "billing country",
        "postalCode": "billing postal-code",
    }.items():
        field = form.form.locator(f"[name={name}]")
        assert field.get_attribute("id") == f"Field-{name}Input"
        assert field.get_attribute("autocomplete") == autocomplete
        assert field.get_attribute("aria-describedby") == f"Field-{name}Error"
    assert form.field("number").get_attribute("inputmode") == "numeric"


@pytest.mark.parametrize("how", ["typed", "pasted"])
def test_numbers_are_grouped_and_their_brand_is_shown(form: Checkout, subtests: pytest.Subtests, how: str) -> None:
    number = form.field("number")
    for given, shown, brand in [
        ("4242424242424242", "4242 4242 4242 4242", "Visa"),
        ("42424242424242429999", "4242 4242 4242 4242", "Visa"),
        ("5555-5555 5555.4444", "5555 5555 5555 4444", "Mastercard"),
        ("2223003122003222", "2223 0031 2200 3222", "Mastercard"),
        ("378282246310005", "3782 822463 10005", "American Express"),
        ("36227206271667", "3622 720627 1667", "Diners Club"),
        ("3056930009020004", "3056 9300 0902 0004", "Diners Club"),
        ("6011111111111117", "6011 1111 1111 1117", "Discover"),
        ("3566002020360505", "3566 0020 2036 0505", "JCB"),
        ("6205500000000000004", "6205 5000 0000 0000 004", "UnionPay"),
    ]:
        with subtests.test(given):
            number.fill("")
            if how == "typed":
                number.press_sequentially(given)
            else:
                number.fill(given)
            expect(number).to_have_value(shown)
            expect(form.form.get_by_alt_text(brand)).to_be_visible()


def test_expiry_dates_are_put_in_order(form: Checkout, subtests: pytest.Subtests) -> None:
    for typed, shown in [
        ("1234", "12 / 34"),
        ("5", "05 / "),
        ("534", "05 / 34"),
        ("1/34", "01 / 34"),
        ("12/2034", "12 / 34"),
        ("12", "12 / "),
    ]:
        with subtests.test(typed):
            form.field("expiry").fill(typed)
            expect(form.field("expiry")).to_have_value(shown)


def test_the_caret_stays_where_the_hand_is(form: Checkout) -> None:
    number = form.field("number")
    number.press_sequentially("42424242")
    for _ in range(5):
        number.press("ArrowLeft")
    number.press_sequentially("1")
    assert number.input_value() == "4242 1424 2"
    assert number.evaluate("input => input.selectionStart") == 6
    number.press("Backspace")
    number.press("Backspace")
    assert number.input_value() == "4244 242"
    assert number.evaluate("input => input.selectionStart") == 3


def test_deleting_over_a_gap_takes_the_digit_before_it(form: Checkout) -> None:
    expiry = form.field("expiry")
    expiry.press_sequentially("12")
    assert expiry.input_value() == "12 / "
    for left in ("1", ""):
        expiry.press("Backspace")
        assert expiry.input_value() == left


def test_the_hand_is_led_on_and_enter_submits_the_shops_form(form: Checkout) -> None:
    form.field("number").press_sequentially(VISA)
    form.page.keyboard.type("1234")
    form.page.keyboard.type("123")
    assert form.field("expiry").input_value() == "12 / 34"
    assert form.field("cvc").input_value() == "123"
    form.page.keyboard.press("Enter")
    form.page.wait_for_function("() => window.seen.submits === 1")


def test_the_keyboard_goes_through_the_frame_in_order(form: Checkout) -> None:
    form.page.locator("#note").focus()
    for field in ("number", "expiry", "cvc", "country", "postalCode"):
        form.page.keyboard.press("Tab")
        if field == "number" and form.form.locator("#card-tab:focus").count():
            form.page.keyboard.press("Tab")
        expect(form.field(field)).to_be_focused()
    form.page.keyboard.press("Tab")
    expect(form.page.locator("#pay")).to_be_focused()


def test_what_is_wrong_is_said_at_the_field(form: Checkout, subtests: pytest.Subtests) -> None:
    for field, value, code, message in [
        ("number", "", "incomplete_number", "Your card number is incomplete."),
        ("number", "4242", "incomplete_number", "Your card number is incomplete."),
        ("number", "4242424242424241", "invalid_number", "Your card number is invalid."),
        ("expiry", "", "incomplete_expiry", "Your card’s expiration date is incomplete."),
        ("expiry", "12", "incomplete_expiry", "Your card’s expiration date is incomplete."),
        ("expiry", "1399", "invalid_expiry_month", "Your card’s expiration date is invalid."),
        ("expiry", "1220", "invalid_expiry_year_past", "Your card’s expiration year is in the past."),
        ("expiry", f"12{THIS_YEAR + 60}", "invalid_expiry_year", "Your card’s expiration year is invalid."),
        ("cvc", "12", "incomplete_cvc", "Your card’s security code is incomplete."),
        ("postalCode", "123", "invalid_zip", "Your ZIP is invalid."),
    ]:
        with subtests.test(f"{field} {value}"):
            form.type_card()
            form.field(field).fill(value)
            result = form.call("elements.submit()")
            assert result == {"error": {"type": "validation_error", "code": code, "message": message}}
            expect(form.error(field)).to_have_text(message)
            expect(form.field(field)).to_be_focused()
            expect(form.field(field)).to_have_attribute("aria-invalid", "true")
            form.type_card()
            assert form.call("elements.submit()") == {"selectedPaymentMethod": "card"}
            expect(form.error(field)).to_have_text("")


def test_the_focus_goes_to_what_has_to_be_mended(form: Checkout) -> None:
    form.type_card(cvc="1")
    form.page.locator("#pay").focus()
    form.call("elements.submit()")
    expect(form.field("cvc")).to_be_focused()
    assert form.page.evaluate("document.activeElement.tagName") == "IFRAME"
    form.page.keyboard.type("23")
    expect(form.field("cvc")).to_have_value("123")


@pytest.mark.own_context  # its clock is moved
def test_a_card_that_ran_out_this_year_is_told_apart(form: Checkout) -> None:
    form.page.clock.set_fixed_time("2031-06-15T12:00:00Z")
    form.type_card(expiry="05/31")
    assert form.call("elements.submit()")["error"]["code"] == "invalid_expiry_month_past"
    form.field("expiry").fill("06/31")
    assert form.call("elements.submit()") == {"selectedPaymentMethod": "card"}


def test_a_confirmation_validates_too(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    error = checkout.confirm()["error"]
    assert (error["type"], error["code"]) == ("validation_error", "incomplete_number")


def test_errors_come_when_a_field_is_left_and_go_when_it_is_mended(form: Checkout) -> None:
    form.field("number").press_sequentially("4242")
    expect(form.error("number")).to_have_text("")
    form.field("cvc").focus()
    expect(form.error("number")).to_have_text("Your card number is incomplete.")
    form.field("number").press("End")
    form.field("number").press_sequentially("424242424242")
    expect(form.error("number")).to_have_text("")


def test_german_words_for_a_german_customer(checkout: Checkout) -> None:
    checkout.mount(**DEFERRED, locale="de")
    expect(checkout.form.get_by_label("Kartennummer")).to_be_visible()
    expect(checkout.form.get_by_label("Prüfziffer")).to_be_visible()
    assert checkout.field("country").locator("option:checked").text_content() == "Vereinigte Staaten"
    assert checkout.call("elements.submit()")["error"]["message"] == "Ihre Kartennummer ist unvollständig."
    checkout.page.evaluate("elements.update({locale: 'en'})")
    expect(checkout.form.get_by_label("Card number")).to_be_visible()
    expect(checkout.error("number")).to_have_text("Your card number is incomplete.")


def test_the_postal_code_is_asked_for_where_banks_check_it(form: Checkout) -> None:
    expect(form.form.get_by_label("ZIP code")).to_be_visible()
    form.field("country").select_option("GB")
    expect(form.form.get_by_label("Postal code")).to_be_visible()
    form.field("country").select_option("DE")
    expect(form.field("postalCode")).to_be_hidden()
    form.field("number").fill(VISA)
    form.field("expiry").fill("1234")
    form.field("cvc").fill("123")
    assert form.wait_for_event("change")["complete"] is True


def test_the_page_may_ask_for_the_address_itself(checkout: Checkout) -> None:
    hidden: dict[str, Any] = {"fields": {"billingDetails": {"address": {"country": "never", "postalCode": "never"}}}}
    checkout.mount(**DEFERRED, payment=hidden, paymentMethodCreation="manual")
    expect(checkout.field("country")).to_be_hidden()
    checkout.type_card()
    checkout.call("elements.submit()")
    refused = checkout.call("stripe.createPaymentMethod({elements})")
    assert refused["message"].startswith('You specified "never" for fields.billing_details.address.country')
    made = checkout.call(
        "stripe.createPaymentMethod({elements, params: {billing_details: {address: {country: 'AT', postal_code: '1010'}}}})"
    )
    assert made["paymentMethod"]["billing_details"]["address"]["country"] == "AT"


def test_events_tell_the_page_what_it_may_know(form: Checkout) -> None:
    assert len(form.events("loaderstart")) == len(form.events("ready")) == 1
    form.field("number").focus()
    form.wait_for_event("focus")
    assert "StripeElement--focus" in str(form.page.locator("#payment").get_attribute("class"))
    form.type_card()
    change = form.wait_for_event("change", 2)
    assert change == {
        "elementType": "payment",
        "empty": False,
        "complete": True,
        "collapsed": False,
        "value": {"type": "card"},
    }
    form.page.keyboard.press("Escape")
    form.wait_for_event("escape")
    form.page.locator("#note").focus()
    form.wait_for_event("blur")
    form.call("payment.clear()")
    assert form.wait_for_event("change", 3)["empty"] is True
    assert form.field("number").input_value() == ""


def test_it_collapses_and_opens_again(form: Checkout) -> None:
    form.type_card()
    form.call("{ payment.collapse(); }")
    expect(form.field("number")).to_be_hidden()
    assert form.wait_for_event("change", 3)["collapsed"] is True
    assert form.call("elements.submit()")["error"]["code"] == "incomplete_payment_details"
    form.form.get_by_role("button", name="Card").click()
    expect(form.field("number")).to_be_focused()
    assert form.field("number").input_value() == "4242 4242 4242 4242"


def test_the_page_moves_the_focus(form: Checkout) -> None:
    form.call("{ payment.focus(); }")
    expect(form.field("number")).to_be_focused()
    form.wait_for_event("focus")
    form.call("{ payment.blur(); }")
    form.wait_for_event("blur")


def test_the_frame_is_as_high_as_the_form(form: Checkout) -> None:
    def height() -> float:
        return float(form.page.locator("#payment iframe").evaluate("frame => frame.getBoundingClientRect().height"))

    before = height()
    content = float(form.form.locator("#root").evaluate("root => root.getBoundingClientRect().height"))
    assert abs(before - content) <= 1
    form.call("elements.submit()")
    form.page.wait_for_function("h => document.querySelector('#payment iframe').offsetHeight > h + 20", arg=before)


def test_unmounting_forgets_what_was_typed(form: Checkout) -> None:
    form.type_card()
    form.call("{ payment.unmount(); }")
    assert form.page.locator("iframe").count() == 0
    form.call("{ payment.mount(document.getElementById('payment')); }")
    form.wait_for_event("ready", 2)
    assert form.field("number").input_value() == ""
    form.call("{ payment.destroy(); }")
    again = form.call("payment.mount('#payment')")
    assert again["message"] == "This Element has already been destroyed. Please create a new one."
    assert form.call("elements.getElement('payment')") is None


def test_a_changed_option_keeps_what_was_typed(form: Checkout) -> None:
    form.type_card()
    form.call("{ payment.update({readOnly: true, terms: {card: 'always'}, business: {name: 'Nordlicht'}}); }")
    expect(form.form.locator(".p-Terms")).to_contain_text("you allow Nordlicht to charge your card")
    expect(form.field("number")).to_have_attribute("readonly", "")
    assert form.field("number").input_value() == "4242 4242 4242 4242"


@pytest.mark.parametrize("theme", ["stripe", "night", "flat"])
def test_the_appearance_reaches_the_frame(checkout: Checkout, console: Console, theme: str) -> None:
    console.expect('"body" is not a supported selector')
    variables = {"colorPrimary": "#7a0f5b", "borderRadius": "11px", "spacingUnit": "6px", "fontFamily": "monospace"}
    rules = {".Label": {"fontWeight": "700"}, "body": {"display": "none"}}
    checkout.mount(**DEFERRED, appearance={"theme": theme, "variables": variables, "rules": rules})
    number = checkout.field("number")
    number.focus()
    # expect() waits for the transition to end.
    expect(number).to_have_css("border-color", "rgb(122, 15, 91)")
    expect(number).to_have_css("border-radius", "11px")
    expect(number).to_have_css("padding-left", "18px")
    expect(checkout.form.locator("body")).to_have_css("font-family", "monospace")
    expect(checkout.form.locator("body")).to_have_css("display", "block")
    expect(checkout.form.locator("label").first).to_have_css("font-weight", "700")
    checkout.page.evaluate("elements.update({appearance: {theme: 'stripe'}})")
    expect(number).to_have_css("border-color", "rgb(5, 112, 222)")
    expect(checkout.form.locator("label").first).to_have_css("font-weight", "400")
