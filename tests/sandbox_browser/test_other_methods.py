"""A customer pays by other methods than a card: what the Payment Element offers, asks for, and where it sends them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect
from stripe import StripeClient

from tests.certain import as_sent, expanded, present
from tests.sandbox_browser.checkout import VISA, Checkout

IBAN = "DE89370400440532013000"


def intend(stripe: StripeClient, *types: str, **more: Any) -> Any:
    given = {"amount": 1000, "currency": "eur", "allowed_payment_method_types": list(types), **more}
    return stripe.v1.payment_intents.create(as_sent(given))


def offered(checkout: Checkout) -> list[str]:
    buttons = checkout.form.locator(".p-AccordionButton")
    return [str(buttons.nth(place).get_attribute("value")) for place in range(buttons.count())]


def open_method(checkout: Checkout, kind: str) -> None:
    checkout.form.locator(f"#{kind}-tab").click()


def type_debit(checkout: Checkout, iban: str = IBAN) -> None:
    checkout.field("sepa_debit-iban").fill(iban)
    checkout.field("sepa_debit-name").fill("Jenny Rosen")
    checkout.field("sepa_debit-email").fill("jenny.rosen@example.com")


def test_the_form_offers_what_the_intent_allows_in_its_order(checkout: Checkout, stripe: StripeClient) -> None:
    checkout.mount(intend(stripe, "card", "sepa_debit", "paypal").client_secret)
    assert offered(checkout) == ["card", "sepa_debit", "paypal"]


def test_the_page_may_put_the_methods_in_another_order(checkout: Checkout, stripe: StripeClient) -> None:
    secret = intend(stripe, "card", "sepa_debit", "paypal").client_secret
    checkout.mount(secret, payment={"paymentMethodOrder": ["paypal", "sepa_debit"]})
    assert offered(checkout) == ["paypal", "sepa_debit", "card"]


def test_a_method_is_offered_in_its_customers_countries(checkout: Checkout, stripe: StripeClient) -> None:
    customer = stripe.v1.customers.create({"email": "jenny+location_NL@example.com"})
    checkout.mount(intend(stripe, "card", "ideal", "bancontact", customer=customer.id).client_secret)
    assert offered(checkout) == ["card", "ideal"]


def test_an_iban_pays_and_the_payment_is_processing(checkout: Checkout, stripe: StripeClient) -> None:
    intent = intend(stripe, "card", "sepa_debit")
    checkout.mount(intent.client_secret)
    open_method(checkout, "sepa_debit")
    type_debit(checkout)
    assert checkout.confirm()["paymentIntent"]["status"] == "processing"
    paid = stripe.v1.payment_intents.retrieve(intent.id, {"expand": ["payment_method"]})
    method = expanded(paid.payment_method)
    assert present(method.sepa_debit).last4 == "3000"
    assert method.billing_details.name == "Jenny Rosen"


def test_a_wrong_iban_is_called_wrong_before_it_is_sent(checkout: Checkout, stripe: StripeClient) -> None:
    checkout.mount(intend(stripe, "sepa_debit").client_secret)
    type_debit(checkout, "DE00370400440532013000")
    error = checkout.confirm()["error"]
    assert (error["type"], error["code"]) == ("validation_error", "invalid_iban")
    assert checkout.error("sepa_debit-iban").text_content() == "Your IBAN is invalid."


def test_what_the_bank_refuses_is_shown_at_its_field(checkout: Checkout, stripe: StripeClient) -> None:
    checkout.mount(intend(stripe, "sepa_debit").client_secret)
    type_debit(checkout, "DE91370400440000055555")
    assert checkout.confirm()["error"]["code"] == "sepa_debit_bank_not_supported"
    assert "does not support" in str(checkout.error("sepa_debit-iban").text_content())


def test_the_mandate_is_shown_before_it_is_given(checkout: Checkout, stripe: StripeClient) -> None:
    checkout.mount(intend(stripe, "sepa_debit").client_secret)
    terms = checkout.form.locator("#sepa_debit-panel .TermsText").first
    assert "allow Sandbox to debit your account" in str(terms.text_content())


def test_the_page_is_told_which_method_is_open(checkout: Checkout, stripe: StripeClient) -> None:
    checkout.mount(intend(stripe, "card", "sepa_debit").client_secret)
    open_method(checkout, "sepa_debit")
    assert checkout.wait_for_event("change")["value"]["type"] == "sepa_debit"
    type_debit(checkout)
    checkout.page.wait_for_function("() => window.seen.events.some(e => e.type === 'change' && e.event.complete)")


def test_submit_names_the_chosen_method(checkout: Checkout, stripe: StripeClient) -> None:
    checkout.mount(intend(stripe, "card", "paypal").client_secret)
    open_method(checkout, "paypal")
    assert checkout.call("elements.submit()") == {"selectedPaymentMethod": "paypal"}


@pytest.mark.parametrize(
    ("button", "status"), [("Authorize test payment", "succeeded"), ("Fail test payment", "failed")]
)
def test_a_redirect_leads_to_a_page_and_back_to_the_shop(
    checkout: Checkout, stripe: StripeClient, button: str, status: str
) -> None:
    intent = intend(stripe, "paypal")
    checkout.mount(intent.client_secret)
    checkout.begin(
        "stripe.confirmPayment({elements, confirmParams: {return_url: given}})", f"{checkout.shop}/done?order=7"
    )
    checkout.page.wait_for_url("**/redirect/authorize/**")
    checkout.page.get_by_role("button", name=button).click()
    checkout.page.wait_for_url("**/done?**")
    back = parse_qs(urlsplit(checkout.page.url).query)
    assert (back["order"], back["payment_intent"], back["redirect_status"]) == (["7"], [intent.id], [status])


def test_a_closed_page_leaves_the_payment_waiting(checkout: Checkout, stripe: StripeClient) -> None:
    intent = intend(stripe, "paypal")
    checkout.mount(intent.client_secret)
    checkout.begin("stripe.confirmPayment({elements, confirmParams: {return_url: given}})", f"{checkout.shop}/done")
    checkout.page.wait_for_url("**/redirect/authorize/**")
    checkout.page.get_by_role("button", name="Close without an answer").click()
    checkout.page.get_by_role("status").wait_for()
    assert stripe.v1.payment_intents.retrieve(intent.id).status == "requires_action"


def test_a_saved_account_pays_again(checkout: Checkout, stripe: StripeClient) -> None:
    customer = stripe.v1.customers.create({"email": "ada@example.com"})
    stripe.v1.setup_intents.create(
        {
            "allowed_payment_method_types": ["sepa_debit"],
            "confirm": True,
            "customer": customer.id,
            "mandate_data": {"customer_acceptance": {"type": "offline"}},
            "payment_method": "pm_sepaDebit_success_de",
        }
    )
    saved = stripe.v1.customers.payment_methods.list(customer.id).data[0]
    stripe.v1.payment_methods.update(saved.id, {"allow_redisplay": "always"})
    session = stripe.v1.customer_sessions.create(
        {
            "customer": customer.id,
            "components": {"payment_element": {"enabled": True, "features": {"payment_method_redisplay": "enabled"}}},
        }
    )
    intent = intend(stripe, "card", "sepa_debit", customer=customer.id)
    checkout.mount(intent.client_secret, customerSessionClientSecret=session.client_secret)
    assert "3000" in str(checkout.form.locator(".p-SavedMethod-number").text_content())
    assert checkout.confirm()["paymentIntent"]["status"] == "processing"


def test_an_element_without_an_intent_offers_what_its_options_allow(checkout: Checkout) -> None:
    checkout.mount(mode="payment", amount=1000, currency="eur", allowedPaymentMethodTypes=["card", "sepa_debit"])
    assert offered(checkout) == ["card", "sepa_debit"]
    checkout.page.evaluate("elements.update({allowedPaymentMethodTypes: ['card']})")
    checkout.form.locator("#sepa_debit-tab").wait_for(state="detached")


def test_tabs_show_one_form_at_a_time(checkout: Checkout, stripe: StripeClient) -> None:
    checkout.mount(intend(stripe, "card", "sepa_debit").client_secret, payment={"layout": "tabs"})
    assert checkout.field("number").is_visible()
    open_method(checkout, "sepa_debit")
    assert not checkout.field("number").is_visible()
    assert checkout.field("sepa_debit-iban").is_visible()


def test_an_accordion_shows_as_many_as_the_page_says(checkout: Checkout, stripe: StripeClient) -> None:
    """Source: Stripe.js reference, layout.visibleAccordionItemsCount"""
    layout = {"type": "accordion", "visibleAccordionItemsCount": 2}
    secret = intend(stripe, "card", "sepa_debit", "paypal", "klarna").client_secret
    checkout.mount(secret, payment={"layout": layout})
    shown = checkout.form.locator(".p-AccordionButton:visible")
    expect(shown).to_have_count(2)
    checkout.form.get_by_role("button", name="More").click()
    expect(shown).to_have_count(4)
    expect(checkout.form.locator("#klarna-tab, #paypal-tab").locator(":scope:focus")).to_have_count(1)


def test_an_accordion_has_marks_and_no_gaps_where_the_page_wants_it(checkout: Checkout, stripe: StripeClient) -> None:
    """Source: Stripe.js reference, layout.radios and layout.spacedAccordionItems"""
    layout = {"type": "accordion", "radios": "always", "spacedAccordionItems": False}
    checkout.mount(intend(stripe, "card", "paypal").client_secret, payment={"layout": layout})
    items = checkout.form.locator(".p-AccordionItem")
    upper, lower = items.nth(0).bounding_box(), items.nth(1).bounding_box()
    assert upper is not None
    assert lower is not None
    assert abs(upper["y"] + upper["height"] - lower["y"]) < 2
    mark = checkout.form.locator("#card-tab").evaluate("node => getComputedStyle(node, '::before').borderRadius")
    assert mark == "50%"


def test_the_page_hears_what_may_be_paid_with_when_that_changes(checkout: Checkout) -> None:
    """Source: Stripe.js reference, "availablepaymentmethodschange" and elements.update()"""
    types = ["card", "sepa_debit", "twint"]
    checkout.mount_element("payment", mode="payment", amount=1000, currency="eur", allowedPaymentMethodTypes=types)
    name = "payment.availablepaymentmethodschange"
    assert checkout.wait_for_event(name)["paymentMethods"] == {
        "card": {"available": True},
        "sepa_debit": {"available": True},
    }
    checkout.call("elements.update({currency: 'chf'})")
    assert checkout.wait_for_event(name, 2)["paymentMethods"].keys() == {"card"}


def test_the_postal_code_that_is_known_stands_in_its_field(checkout: Checkout, intent: Any) -> None:
    """Source: Stripe.js reference, defaultValues.billingDetails.address"""
    known = {"billingDetails": {"address": {"country": "US", "postal_code": "02101"}}}
    checkout.mount(intent.client_secret, payment={"defaultValues": known})
    assert checkout.field("postalCode").input_value() == "02101"


def test_what_was_typed_stays_while_another_method_is_open(checkout: Checkout, stripe: StripeClient) -> None:
    checkout.mount(intend(stripe, "card", "sepa_debit").client_secret)
    checkout.type_card(VISA)
    open_method(checkout, "sepa_debit")
    open_method(checkout, "card")
    assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"


def test_default_values_stand_in_the_fields(checkout: Checkout, stripe: StripeClient) -> None:
    defaults = {"billingDetails": {"name": "Ada Lovelace", "email": "ada@example.com"}}
    checkout.mount(intend(stripe, "sepa_debit").client_secret, payment={"defaultValues": defaults})
    assert checkout.field("sepa_debit-name").input_value() == "Ada Lovelace"
    assert checkout.field("sepa_debit-email").input_value() == "ada@example.com"


def test_a_token_of_a_debit_carries_its_acceptance_to_the_server(checkout: Checkout, stripe: StripeClient) -> None:
    checkout.mount(mode="payment", amount=1000, currency="eur", allowedPaymentMethodTypes=["sepa_debit"])
    type_debit(checkout)
    checkout.call("elements.submit()")
    token = checkout.call("stripe.createConfirmationToken({elements})")["confirmationToken"]["id"]
    intent = intend(stripe, "sepa_debit")
    confirmed = stripe.v1.payment_intents.confirm(intent.id, {"confirmation_token": token})
    assert confirmed.status == "processing"
