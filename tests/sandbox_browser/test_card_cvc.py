"""The code of a saved card in the cardCvc Element: typed in a frame, and gone with one confirmation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, expect
from stripe import StripeClient

from tests.sandbox_browser.checkout import PUBLISHABLE_KEY, Checkout
from tests.sandbox_browser.test_accessibility import violations

CONFIRM = "stripe.confirmCardPayment(given.secret, {payment_method: given.card, payment_method_options: {card: {cvc}}})"
CVC = "731"


@dataclass
class Saved:
    """A saved card and ten euros that wait for it."""

    stripe: StripeClient
    card: str
    intent: Any

    @property
    def cvc_check(self) -> str | None:
        charge = self.stripe.v1.charges.list({"payment_intent": self.intent.id}).data[0].to_dict(recursive=True)
        check: str | None = charge["payment_method_details"]["card"]["checks"]["cvc_check"]
        return check


def save(stripe: StripeClient, name: str = "pm_card_visa") -> Saved:
    customer = stripe.v1.customers.create().id
    card = stripe.v1.payment_methods.attach(name, {"customer": customer}).id
    intent = stripe.v1.payment_intents.create({"amount": 1000, "currency": "eur", "customer": customer})
    return Saved(stripe, card, intent)


@pytest.fixture
def saved(stripe: StripeClient) -> Saved:
    return save(stripe)


def mount(checkout: Checkout, locale: str = "en", **options: Any) -> Locator:
    """The field, once it is there."""
    given = {"key": PUBLISHABLE_KEY, "stripeOptions": {"locale": locale}, "cvcOptions": options}
    assert checkout.page.evaluate("given => window.mountCvc(given)", given) == "ready"
    return checkout.page.frame_locator('iframe[title="Secure CVC input frame"]').locator("[name=cvc]")


def confirm(checkout: Checkout, saved: Saved) -> Any:
    return checkout.call(CONFIRM, {"secret": saved.intent.client_secret, "card": saved.card})


def test_a_typed_code_pays_with_a_card_whose_bank_asks_for_it(checkout: Checkout, sandbox: str, saved: Saved) -> None:
    behaves = {"payment_method": saved.card, "like": "asks_for_cvc"}
    requests.post(f"{sandbox}/_sandbox/cards/behave", json=behaves, timeout=30).raise_for_status()
    field = mount(checkout)
    without = "stripe.confirmCardPayment(given.secret, {payment_method: given.card})"
    refused = checkout.call(without, {"secret": saved.intent.client_secret, "card": saved.card})
    assert refused["error"]["code"] == "incorrect_cvc"
    field.fill(CVC)
    assert confirm(checkout, saved)["paymentIntent"]["status"] == "succeeded"
    assert saved.cvc_check == "pass"


def test_the_code_holds_until_3d_secure_is_over(checkout: Checkout, stripe: StripeClient) -> None:
    saved = save(stripe, "pm_card_authenticationRequired")
    mount(checkout).fill(CVC)
    checkout.begin(CONFIRM, {"secret": saved.intent.client_secret, "card": saved.card})
    checkout.bank.locator("#test-source-authorize-3ds").click()
    assert checkout.result()["paymentIntent"]["status"] == "succeeded"
    assert saved.cvc_check == "pass"


def test_the_page_never_sees_the_code(checkout: Checkout, sandbox: str, saved: Saved) -> None:
    mount(checkout).fill(CVC)
    confirm(checkout, saved)
    assert f'"{CVC}"' not in json.dumps(checkout.page.evaluate("window.seen"))
    carriers = [request for request in checkout.requests if f"={CVC}" in (request.post_data or "")]
    assert [request.url for request in carriers] == [f"{sandbox}/v1/tokens"]
    assert carriers[0].frame.url.startswith(f"{sandbox}/v3/elements-inner-card-cvc-")


def test_an_incomplete_code_is_told_and_focused(checkout: Checkout, saved: Saved) -> None:
    field = mount(checkout)
    field.fill("7")
    answer = confirm(checkout, saved)
    assert (answer["error"]["type"], answer["error"]["code"]) == ("validation_error", "incomplete_cvc")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    assert checkout.wait_for_event("change", 2)["error"]["message"] == "Your card’s security code is incomplete."
    expect(checkout.page.locator("#payment")).to_contain_class("StripeElement--invalid")
    field.fill("7310")
    event = checkout.wait_for_event("change", 3)
    assert (event["elementType"], event["complete"], event["empty"]) == ("cardCvc", True, False)
    assert event["error"] is None


def test_digits_alone_and_no_more_than_four(checkout: Checkout) -> None:
    field = mount(checkout)
    field.press_sequentially("12a345")
    expect(field).to_have_value("1234")


def test_the_page_says_how_it_looks(checkout: Checkout) -> None:
    style = {"base": {"color": "rgb(1, 2, 3)", "::placeholder": {"color": "rgb(4, 5, 6)"}}}
    field = mount(checkout, style=style, placeholder="123")
    expect(field).to_have_attribute("placeholder", "123")
    expect(field).to_have_css("color", "rgb(1, 2, 3)")
    assert field.evaluate("input => getComputedStyle(input, '::placeholder').color") == "rgb(4, 5, 6)"
    checkout.page.evaluate("cvc.update({style: {base: {color: 'rgb(7, 8, 9)'}}}); null")
    expect(field).to_have_css("color", "rgb(7, 8, 9)")


def test_mounted_elsewhere_it_is_empty_again(checkout: Checkout) -> None:
    field = mount(checkout)
    field.fill(CVC)
    checkout.page.evaluate("document.querySelector('main').append(document.createElement('section')); null")
    checkout.page.evaluate("cvc.mount('section'); null")
    checkout.wait_for_event("ready", 2)
    expect(field).to_have_value("")


def test_what_is_no_element_is_a_mistake_of_the_page(checkout: Checkout, saved: Saved) -> None:
    mount(checkout)
    given = {"secret": saved.intent.client_secret, "card": saved.card}
    assert checkout.call(CONFIRM.replace("{cvc}", "{cvc: '731'}"), given)["thrown"] == "IntegrationError"
    assert checkout.call("stripe.elements().create('cardNumber')")["thrown"] == "IntegrationError"


@pytest.mark.parametrize("locale", ["en", "de"])
def test_the_field_has_no_violations(checkout: Checkout, saved: Saved, locale: str) -> None:
    field = mount(checkout, locale)
    expect(field).to_have_accessible_name({"en": "Security code", "de": "Prüfziffer"}[locale])
    confirm(checkout, saved)
    expect(field).to_have_attribute("aria-invalid", "true")
    assert violations(checkout.page) == []
