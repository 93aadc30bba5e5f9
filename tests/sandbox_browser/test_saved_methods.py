"""A customer who has been here before: saved cards in the Payment Element, shown, chosen, removed, and new ones kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, expect
from stripe import StripeClient

from tests.sandbox_browser.checkout import DECLINED, PUBLISHABLE_KEY, VISA, Checkout
from tests.sandbox_browser.test_accessibility import violations


@dataclass
class Returning:
    """A customer with an older Visa, a newer Mastercard, and a card that was never to be shown again."""

    stripe: StripeClient
    id: str
    visa: str
    mastercard: str

    def session(self, **features: Any) -> str:
        element: Any = {"enabled": True, "features": {"payment_method_redisplay": "enabled", **features}}
        made = self.stripe.v1.customer_sessions.create(
            {"customer": self.id, "components": {"payment_element": element}}
        )
        return made.client_secret

    def intent(self) -> Any:
        return self.stripe.v1.payment_intents.create({"amount": 1000, "currency": "eur", "customer": self.id})

    def cards(self) -> dict[str, str]:
        """What may be shown again, by the id of the card."""
        return {card.id: str(card.allow_redisplay) for card in self.stripe.v1.customers.payment_methods.list(self.id)}


@pytest.fixture
def returning(stripe: StripeClient) -> Returning:
    customer = stripe.v1.customers.create({"email": "ada@example.com"}).id
    cards = [
        stripe.v1.payment_methods.attach(name, {"customer": customer}).id
        for name in ("pm_card_visa", "pm_card_mastercard", "pm_card_amex")
    ]
    for card in cards[:2]:
        stripe.v1.payment_methods.update(card, {"allow_redisplay": "always"})
    return Returning(stripe, customer, cards[0], cards[1])


def saved(checkout: Checkout, name: str = "") -> Locator:
    return checkout.form.get_by_role("radio", name=re.compile(name))


def new_card(checkout: Checkout) -> Locator:
    return checkout.form.locator("#card-tab")


def open_saved(checkout: Checkout, returning: Returning, **features: Any) -> Any:
    """Mounts the Payment Element of an intent with the customer's cards; returns the intent."""
    intent = returning.intent()
    given: dict[str, Any] = {"customerSessionClientSecret": returning.session(**features)}
    assert checkout.mount(intent.client_secret, **given) == "ready"
    return intent


def test_the_newest_card_is_chosen_and_pays(checkout: Checkout, returning: Returning) -> None:
    intent = open_saved(checkout, returning)
    assert saved(checkout).count() == 2
    expect(saved(checkout, "Mastercard ending in 4444 expires")).to_be_checked()
    expect(checkout.field("number")).to_be_hidden()
    event = checkout.wait_for_event("change")
    assert (event["complete"], event["empty"], event["collapsed"]) == (True, False, False)
    assert (event["value"]["type"], event["value"]["payment_method"]["id"]) == ("card", returning.mastercard)
    assert "address" in event["value"]["payment_method"]["billing_details"]
    assert checkout.call("elements.submit()") == {"selectedPaymentMethod": "card"}
    assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"
    assert returning.stripe.v1.payment_intents.retrieve(intent.id).payment_method == returning.mastercard


def test_the_default_card_comes_first_and_another_may_be_chosen_by_keyboard(
    checkout: Checkout, returning: Returning
) -> None:
    returning.stripe.v1.customers.update(returning.id, {"invoice_settings": {"default_payment_method": returning.visa}})
    intent = open_saved(checkout, returning)
    expect(saved(checkout, "Visa")).to_be_checked()
    saved(checkout, "Visa").press("ArrowDown")
    expect(saved(checkout, "Mastercard")).to_be_checked()
    checkout.confirm()
    assert returning.stripe.v1.payment_intents.retrieve(intent.id).payment_method == returning.mastercard


def test_a_new_card_pays_beside_the_saved_ones(checkout: Checkout, returning: Returning) -> None:
    intent = open_saved(checkout, returning)
    new_card(checkout).click()
    expect(saved(checkout, "Mastercard")).not_to_be_checked()
    assert checkout.wait_for_event("change", 2)["value"] == {"type": "card"}
    checkout.type_card(VISA)
    assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"
    paid_with = returning.stripe.v1.payment_intents.retrieve(intent.id).payment_method
    assert paid_with not in (returning.visa, returning.mastercard)
    assert len(returning.cards()) == 3


def test_a_choice_may_be_taken_back_to_a_saved_card(checkout: Checkout, returning: Returning) -> None:
    open_saved(checkout, returning)
    new_card(checkout).click()
    saved(checkout, "Visa").check()
    expect(checkout.field("number")).to_be_hidden()
    assert checkout.wait_for_event("change", 3)["value"]["payment_method"]["id"] == returning.visa


def test_a_collapsed_element_has_nothing_chosen(checkout: Checkout, returning: Returning) -> None:
    open_saved(checkout, returning)
    checkout.page.evaluate("payment.collapse(); null")
    event = checkout.wait_for_event("change", 2)
    assert (event["collapsed"], event["complete"], event["value"]) == (True, False, {"type": ""})
    assert checkout.call("elements.submit()")["error"]["code"] == "incomplete_payment_details"
    saved(checkout, "Visa").check()
    assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"


def test_a_refused_saved_card_says_so_and_stays(checkout: Checkout, returning: Returning) -> None:
    declined = returning.stripe.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": returning.id})
    returning.stripe.v1.payment_methods.update(declined.id, {"allow_redisplay": "always"})
    open_saved(checkout, returning)
    assert checkout.confirm()["error"]["code"] == "card_declined"
    expect(checkout.form.get_by_role("alert").filter(has_text="declined")).to_be_visible()
    saved(checkout, "Mastercard").check()
    assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"


def test_a_ticked_box_keeps_a_new_card_for_the_next_time(checkout: Checkout, returning: Returning) -> None:
    before = returning.cards()
    intent = open_saved(checkout, returning, payment_method_save="enabled", payment_method_save_usage="off_session")
    new_card(checkout).click()
    checkout.type_card(VISA)
    assert checkout.events("change")[-1]["value"] == {"type": "card", "savePaymentMethod": False}
    checkout.form.get_by_label("Save payment details for future purchases").check()
    checkout.page.wait_for_function("() => window.seen.events.at(-1).event.value?.savePaymentMethod === true")
    assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"
    paid = returning.stripe.v1.payment_intents.retrieve(intent.id)
    assert paid.setup_future_usage == "off_session"
    assert {card: shown for card, shown in returning.cards().items() if card not in before} == {
        str(paid.payment_method): "always"
    }


def test_an_unticked_box_keeps_nothing(checkout: Checkout, returning: Returning) -> None:
    intent = open_saved(checkout, returning, payment_method_save="enabled", payment_method_save_usage="off_session")
    new_card(checkout).click()
    checkout.type_card(VISA)
    checkout.confirm()
    assert returning.stripe.v1.payment_intents.retrieve(intent.id).setup_future_usage is None
    assert len(returning.cards()) == 3


def test_a_set_up_keeps_the_card_and_the_box_says_whether_it_is_shown_again(
    checkout: Checkout, returning: Returning
) -> None:
    before = returning.cards()
    intent = returning.stripe.v1.setup_intents.create({"customer": returning.id})
    secret = returning.session(payment_method_save="enabled")
    checkout.mount(intent.client_secret, customerSessionClientSecret=secret)
    new_card(checkout).click()
    checkout.type_card(VISA)
    checkout.call("stripe.confirmSetup({elements, redirect: 'if_required'})")
    assert [shown for card, shown in returning.cards().items() if card not in before] == ["limited"]


def test_a_removed_card_is_the_customers_no_more(checkout: Checkout, returning: Returning) -> None:
    open_saved(checkout, returning, payment_method_remove="enabled")
    checkout.form.get_by_role("button", name="Remove: Mastercard ending in 4444").click()
    checkout.form.get_by_role("button", name="Yes, remove").click()
    event = checkout.wait_for_event("savedpaymentmethodremove")
    assert (event["success"], event["payment_method"]["id"]) == (True, returning.mastercard)
    expect(saved(checkout)).to_have_count(1)
    expect(saved(checkout, "Visa")).to_be_checked()
    expect(saved(checkout, "Visa")).to_be_focused()
    assert returning.mastercard not in returning.cards()
    checkout.form.get_by_role("button", name="Remove: Visa ending in 4242").click()
    checkout.form.get_by_role("button", name="Keep").click()
    assert returning.visa in returning.cards()


def test_a_card_that_cannot_be_removed_stays_and_says_why(checkout: Checkout, returning: Returning) -> None:
    open_saved(checkout, returning, payment_method_remove="enabled")
    returning.stripe.v1.payment_methods.detach(returning.mastercard)
    checkout.form.get_by_role("button", name="Remove: Mastercard ending in 4444").click()
    checkout.form.get_by_role("button", name="Yes, remove").click()
    event = checkout.wait_for_event("savedpaymentmethodremove")
    assert event["success"] is False
    expect(checkout.form.get_by_role("alert").filter(has_text=event["error"])).to_be_visible()


def test_a_session_removes_only_what_it_may(sandbox: str, returning: Returning) -> None:
    def detach(secret: str, card: str) -> int:
        given = {"key": PUBLISHABLE_KEY, "customer_session_client_secret": secret}
        return requests.post(f"{sandbox}/v1/elements/payment_methods/{card}/detach", given, timeout=30).status_code

    assert detach(returning.session(), returning.visa) == 400
    other = returning.stripe.v1.customers.create().id
    foreign = returning.stripe.v1.payment_methods.attach("pm_card_visa", {"customer": other})
    assert detach(returning.session(payment_method_remove="enabled"), foreign.id) == 400
    assert returning.visa in returning.cards()


def test_a_confirmation_token_is_made_of_the_chosen_card(checkout: Checkout, returning: Returning) -> None:
    secret = returning.session()
    checkout.mount(mode="payment", amount=1000, currency="eur", customerSessionClientSecret=secret)
    checkout.call("elements.submit()")
    token = checkout.call("stripe.createConfirmationToken({elements})")["confirmationToken"]
    assert token["payment_method_preview"]["card"]["last4"] == "4444"
    paid = returning.stripe.v1.payment_intents.confirm(
        returning.intent().id, {"confirmation_token": token["id"], "return_url": "https://shop.example/return"}
    )
    assert (paid.status, paid.payment_method) == ("succeeded", returning.mastercard)


def test_an_unknown_session_is_a_load_error_and_a_wrong_secret_a_mistake(checkout: Checkout, intent: Any) -> None:
    assert checkout.mount(intent.client_secret, customerSessionClientSecret="cuss_secret_none") == "loaderror"
    wrong = checkout.call("stripe.elements({clientSecret: given, customerSessionClientSecret: 'no'})", "x")
    assert wrong["thrown"] == "IntegrationError"


def test_the_words_are_german_too(checkout: Checkout, returning: Returning) -> None:
    secret = returning.session(payment_method_remove="enabled", payment_method_save="enabled")
    checkout.mount(returning.intent().client_secret, locale="de", customerSessionClientSecret=secret)
    expect(checkout.form.get_by_role("group", name="Gespeicherte Karten")).to_be_visible()
    expect(saved(checkout, "Mastercard mit den Endziffern 4444 gültig bis")).to_be_checked()
    expect(new_card(checkout)).to_have_text("Neue Karte")


@pytest.mark.parametrize(("layout", "width"), [("accordion", 1000), ("tabs", 320)])
@pytest.mark.parametrize("theme", ["stripe", "night", "flat"])
def test_saved_cards_have_no_violations(
    checkout: Checkout, returning: Returning, theme: str, layout: str, width: int
) -> None:
    checkout.page.set_viewport_size({"width": width, "height": 900})
    checkout.page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "night")
    secret = returning.session(
        payment_method_remove="enabled", payment_method_save="enabled", payment_method_save_usage="off_session"
    )
    checkout.mount(
        returning.intent().client_secret,
        customerSessionClientSecret=secret,
        payment={"layout": layout},
        appearance={"theme": theme, "disableAnimations": True},
    )
    checkout.form.get_by_role("button", name="Remove: Visa ending in 4242").click()
    assert violations(checkout.page) == []
    new_card(checkout).click()
    checkout.type_card(DECLINED)
    checkout.confirm()
    assert violations(checkout.page) == []
    fits = "html => html.scrollWidth <= html.clientWidth"
    assert checkout.form.locator("html").evaluate(fits)
