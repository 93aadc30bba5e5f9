"""A customer pays at a shop's page, with the unmodified calls of Stripe.js, against a real sandbox server."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from stripe import StripeClient

from tests.certain import as_sent, expanded, present
from tests.sandbox_browser.checkout import ASKS_FOR_3DS, DECLINED, VISA, WRONG_CVC, Checkout


def test_a_typed_card_pays(checkout: Checkout, stripe: StripeClient, intent: Any) -> None:
    assert checkout.mount(intent.client_secret) == "ready"
    checkout.type_card(VISA)
    result = checkout.confirm()
    assert result["paymentIntent"]["status"] == "succeeded"
    kept = stripe.v1.payment_intents.retrieve(intent.id, {"expand": ["payment_method"]})
    assert kept.status == "succeeded"
    assert present(expanded(kept.payment_method).card).last4 == "4242"
    assert present(expanded(kept.payment_method).billing_details.address).postal_code == "12345"


def test_a_decline_is_told_in_stripes_shape_and_the_next_card_pays(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    checkout.type_card(DECLINED)
    error = checkout.confirm()["error"]
    assert (error["type"], error["code"], error["decline_code"]) == ("card_error", "card_declined", "generic_decline")
    assert error["message"] == "Your card was declined."
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert checkout.error("number").text_content() == "Your card was declined."
    checkout.type_card(VISA)
    assert checkout.error("number").text_content() == ""
    assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"


def test_a_refused_security_code_is_shown_at_its_field(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    checkout.type_card(WRONG_CVC)
    assert checkout.confirm()["error"]["code"] == "incorrect_cvc"
    assert checkout.field("cvc").get_attribute("aria-invalid") == "true"
    assert "security code is incorrect" in str(checkout.error("cvc").text_content())


def test_a_decline_is_told_in_the_language_of_the_elements(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret, locale="en")
    checkout.page.evaluate("elements.update({locale: 'de'})")
    checkout.type_card(DECLINED)
    assert checkout.confirm()["error"]["message"] == "Ihre Karte wurde abgelehnt."
    assert checkout.error("number").text_content() == "Ihre Karte wurde abgelehnt."


def test_a_saved_card_pays_without_elements(checkout: Checkout, stripe: StripeClient) -> None:
    customer = stripe.v1.customers.create({"email": "ada@example.com"})
    card = stripe.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    intent = stripe.v1.payment_intents.create({"amount": 1000, "currency": "eur", "customer": customer.id})
    checkout.page.evaluate("key => { window.stripe = Stripe(key) }", "pk_test_saved")
    result = checkout.call(
        "stripe.confirmPayment({clientSecret: given.secret, redirect: 'if_required', "
        "confirmParams: {payment_method: given.card, return_url: 'https://shop.example/return'}})",
        {"secret": intent.client_secret, "card": card.id},
    )
    assert result["paymentIntent"]["status"] == "succeeded"


@pytest.mark.parametrize("method", ["pm_card_visa", {"card": {"token": "tok_visa"}}])
def test_confirm_card_payment_takes_an_id_or_a_token(checkout: Checkout, stripe: StripeClient, method: Any) -> None:
    never = {"enabled": True, "allow_redirects": "never"}
    intent = stripe.v1.payment_intents.create(
        as_sent({"amount": 700, "currency": "usd", "automatic_payment_methods": never})
    )
    checkout.page.evaluate("key => { window.stripe = Stripe(key) }", "pk_test_card")
    given = {"secret": intent.client_secret, "method": method}
    result = checkout.call("stripe.confirmCardPayment(given.secret, {payment_method: given.method})", given)
    assert result["paymentIntent"]["status"] == "succeeded"


def test_the_page_is_left_for_the_return_url_by_default(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    checkout.type_card()
    checkout.begin(
        "stripe.confirmPayment({elements, confirmParams: {return_url: given}})", f"{checkout.shop}/done?order=7"
    )
    checkout.page.wait_for_url("**/done?**")
    query = parse_qs(urlsplit(checkout.page.url).query)
    assert query == {
        "order": ["7"],
        "payment_intent": [intent.id],
        "payment_intent_client_secret": [intent.client_secret],
        "redirect_status": ["succeeded"],
    }


def test_a_decline_keeps_the_customer_on_the_page(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    checkout.type_card(DECLINED)
    result = checkout.confirm(redirect="always", confirmParams={"return_url": f"{checkout.shop}/done"})
    assert result["error"]["code"] == "card_declined"
    assert checkout.page.url.endswith("/checkout")


def test_a_card_is_saved_with_a_setup_intent(checkout: Checkout, stripe: StripeClient) -> None:
    customer = stripe.v1.customers.create({"email": "grace@example.com"})
    setup = stripe.v1.setup_intents.create({"customer": customer.id, "usage": "off_session"})
    checkout.mount(setup.client_secret)
    assert "you allow" in str(checkout.form.locator(".p-Terms").text_content())
    checkout.type_card()
    result = checkout.call(
        "stripe.confirmSetup({elements, redirect: 'if_required', confirmParams: {return_url: 'https://shop.example/'}})"
    )
    assert result["setupIntent"]["status"] == "succeeded"
    cards = stripe.v1.payment_methods.list({"customer": customer.id, "type": "card"}).data
    assert [card.card.last4 for card in cards if card.card] == ["4242"]


def test_what_the_page_knows_of_the_customer_goes_along(checkout: Checkout, stripe: StripeClient, intent: Any) -> None:
    checkout.mount(intent.client_secret, payment={"defaultValues": {"billingDetails": {"phone": "+49 431 1"}}})
    checkout.type_card()
    details = {"name": "Ada", "email": "ada@example.com", "address": {"line1": "Kai 1", "country": "FR"}}
    confirm_params = {
        "receipt_email": "ada@example.com",
        "shipping": {"name": "Ada", "address": {"line1": "Kai 1", "city": "Kiel", "country": "DE"}},
        "payment_method_data": {"billing_details": details, "allow_redisplay": "always", "metadata": {"desk": "7"}},
    }
    assert checkout.confirm(confirmParams=confirm_params)["paymentIntent"]["status"] == "succeeded"
    kept = stripe.v1.payment_intents.retrieve(intent.id, {"expand": ["payment_method"]})
    assert (kept.receipt_email, present(present(kept.shipping).address).city) == ("ada@example.com", "Kiel")
    method = expanded(kept.payment_method)
    assert (method.allow_redisplay, present(method.metadata)["desk"]) == ("always", "7")
    assert (method.billing_details.name, method.billing_details.phone) == ("Ada", "+49 431 1")
    # What the customer chose in the form overrides what the page thought.
    address = present(method.billing_details.address)
    assert (address.line1, address.country) == ("Kai 1", "US")


def test_what_became_of_an_intent_can_be_read_with_its_secret(
    checkout: Checkout, stripe: StripeClient, intent: Any
) -> None:
    setup = stripe.v1.setup_intents.create({})
    checkout.page.evaluate("key => { window.stripe = Stripe(key) }", "pk_test_read")
    payment = checkout.call("stripe.retrievePaymentIntent(given)", intent.client_secret)
    assert payment["paymentIntent"]["id"] == intent.id
    assert checkout.call("stripe.retrieveSetupIntent(given)", setup.client_secret)["setupIntent"]["id"] == setup.id
    wrong = checkout.call("stripe.retrievePaymentIntent(given)", f"{intent.id}_secret_wrong")
    assert wrong["error"]["type"] == "invalid_request_error"


class TestThreeDSecure:
    def test_the_bank_is_asked_in_a_dialog_and_agrees(
        self, checkout: Checkout, stripe: StripeClient, intent: Any
    ) -> None:
        checkout.mount(intent.client_secret)
        checkout.type_card(ASKS_FOR_3DS)
        checkout.begin("stripe.confirmPayment({elements, redirect: 'if_required'})")
        checkout.bank.locator("#test-source-authorize-3ds").click()
        assert checkout.result()["paymentIntent"]["status"] == "succeeded"
        assert stripe.v1.payment_intents.retrieve(intent.id).status == "succeeded"
        assert checkout.page.locator("iframe").count() == 1

    def test_the_bank_refuses_and_another_card_pays(self, checkout: Checkout, intent: Any) -> None:
        checkout.mount(intent.client_secret)
        checkout.type_card(ASKS_FOR_3DS)
        checkout.begin("stripe.confirmPayment({elements, redirect: 'if_required'})")
        checkout.bank.locator("#test-source-fail-3ds").click()
        error = checkout.result()["error"]
        assert error["code"] == "payment_intent_authentication_failure"
        assert error["message"].startswith("We are unable to authenticate your payment method.")
        assert error["payment_intent"]["status"] == "requires_payment_method"
        checkout.type_card(VISA)
        assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"

    def test_closing_the_dialog_is_a_failed_authentication(self, checkout: Checkout, intent: Any) -> None:
        checkout.mount(intent.client_secret)
        checkout.type_card(ASKS_FOR_3DS)
        checkout.begin("stripe.confirmPayment({elements, redirect: 'if_required'})")
        checkout.dialog.get_by_role("button", name="Cancel").click()
        error = checkout.result()["error"]
        assert error["code"] == "payment_intent_authentication_failure"
        assert error["payment_intent"]["status"] == "requires_payment_method"
        assert checkout.page.locator("[inert]").count() == 0

    def test_a_payment_confirmed_by_the_server_is_finished_by_the_browser(
        self, checkout: Checkout, stripe: StripeClient
    ) -> None:
        never = {"enabled": True, "allow_redirects": "never"}
        waiting = stripe.v1.payment_intents.create(
            {
                "amount": 1000,
                "currency": "eur",
                "payment_method": "pm_card_authenticationRequired",
                "confirm": True,
                "use_stripe_sdk": True,
                "automatic_payment_methods": as_sent(never),
            }
        )
        assert waiting.status == "requires_action"
        checkout.page.evaluate("key => { window.stripe = Stripe(key) }", "pk_test_next")
        checkout.begin("stripe.handleNextAction({clientSecret: given})", waiting.client_secret)
        checkout.bank.locator("#test-source-authorize-3ds").click()
        assert checkout.result()["paymentIntent"]["status"] == "succeeded"
        again = checkout.call("stripe.handleNextAction({clientSecret: given})", waiting.client_secret)
        assert again == {
            "thrown": "IntegrationError",
            "message": "handleNextAction: The PaymentIntent supplied is not in the requires_action state.",
        }

    def test_a_bank_that_wants_the_whole_window_gets_it(self, checkout: Checkout, stripe: StripeClient) -> None:
        waiting = stripe.v1.payment_intents.create(
            {
                "amount": 1000,
                "currency": "eur",
                "payment_method": "pm_card_authenticationRequired",
                "confirm": True,
                "return_url": f"{checkout.shop}/done",
            }
        )
        assert waiting.next_action is not None
        assert waiting.next_action.type == "redirect_to_url"
        checkout.page.evaluate("key => { window.stripe = Stripe(key) }", "pk_test_next")
        checkout.begin("stripe.handleNextAction({clientSecret: given})", waiting.client_secret)
        checkout.page.locator("#test-source-authorize-3ds").click()
        checkout.page.wait_for_url("**/done?**")
        assert "redirect_status=succeeded" in checkout.page.url

    def test_a_card_is_saved_after_the_bank_agreed(self, checkout: Checkout, stripe: StripeClient) -> None:
        setup = stripe.v1.setup_intents.create({"usage": "off_session"})
        checkout.mount(mode="setup", setupFutureUsage="off_session")
        checkout.type_card(ASKS_FOR_3DS)
        checkout.call("elements.submit()")
        checkout.begin(
            "stripe.confirmSetup({elements, clientSecret: given, redirect: 'if_required'})", setup.client_secret
        )
        checkout.bank.locator("#test-source-authorize-3ds").click()
        assert checkout.result()["setupIntent"]["status"] == "succeeded"

    def test_the_bank_is_asked_before_the_page_is_left(self, checkout: Checkout, intent: Any) -> None:
        checkout.mount(intent.client_secret)
        checkout.type_card(ASKS_FOR_3DS)
        checkout.begin("stripe.confirmPayment({elements, confirmParams: {return_url: given}})", f"{checkout.shop}/done")
        checkout.bank.locator("#test-source-authorize-3ds").click()
        checkout.page.wait_for_url("**/done?**")
        assert "redirect_status=succeeded" in checkout.page.url


class TestWithoutAnIntentYet:
    """The deferred flow: the form first, the intent when the customer presses pay."""

    def options(self, **changes: Any) -> dict[str, Any]:
        return {"mode": "payment", "amount": 1099, "currency": "eur", **changes}

    def pay(self, checkout: Checkout, secret: str | None) -> Any:
        return checkout.confirm(clientSecret=secret)

    def test_the_form_is_submitted_then_confirmed(self, checkout: Checkout, stripe: StripeClient) -> None:
        checkout.mount(**self.options())
        checkout.type_card()
        assert checkout.call("elements.submit()") == {"selectedPaymentMethod": "card"}
        intent = stripe.v1.payment_intents.create({"amount": 1099, "currency": "eur"})
        result = checkout.confirm(
            clientSecret=intent.client_secret, confirmParams={"return_url": "https://shop.example/return"}
        )
        assert result["paymentIntent"]["status"] == "succeeded"

    def test_submit_must_come_first(self, checkout: Checkout, stripe: StripeClient) -> None:
        checkout.mount(**self.options())
        checkout.type_card()
        intent = stripe.v1.payment_intents.create({"amount": 1099, "currency": "eur"})
        result = self.pay(checkout, intent.client_secret)
        assert result["thrown"] == "IntegrationError"
        assert result["message"].startswith("elements.submit() must be called before stripe.confirmPayment().")

    @pytest.mark.parametrize(
        ("intent_params", "message"),
        [
            ({"amount": 2000}, "The provided amount (2000) does not match the expected amount (1099)."),
            ({"currency": "usd"}, "The provided currency (usd) does not match the expected currency (eur)."),
            (
                {"setup_future_usage": "off_session"},
                "The provided setup_future_usage (off_session) does not match the expected setup_future_usage (null).",
            ),
            (
                {"capture_method": "manual"},
                "The provided capture_method (manual) does not match the expected capture_method (automatic_async).",
            ),
        ],
    )
    def test_the_intent_must_be_what_was_shown(
        self, checkout: Checkout, stripe: StripeClient, intent_params: Any, message: str
    ) -> None:
        checkout.mount(**self.options(captureMethod="automatic_async"))
        checkout.type_card()
        checkout.call("elements.submit()")
        intent = stripe.v1.payment_intents.create(as_sent({"amount": 1099, "currency": "eur", **intent_params}))
        error = self.pay(checkout, intent.client_secret)["error"]
        assert error["type"] == "invalid_request_error"
        assert error["message"].startswith(message)
        assert stripe.v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"

    def test_an_update_changes_what_is_expected(self, checkout: Checkout, stripe: StripeClient) -> None:
        checkout.mount(**self.options())
        checkout.type_card()
        checkout.page.evaluate(
            "() => { window.ends = 0; elements.on('update-end', () => ends++); return elements.update({amount: 2500}) }"
        )
        assert checkout.page.evaluate("ends") == 1
        assert checkout.field("number").input_value() == "4242 4242 4242 4242"
        checkout.call("elements.submit()")
        intent = stripe.v1.payment_intents.create({"amount": 2500, "currency": "eur"})
        result = checkout.confirm(
            clientSecret=intent.client_secret, confirmParams={"return_url": "https://shop.example/return"}
        )
        assert result["paymentIntent"]["amount"] == 2500

    def test_a_confirmation_token_carries_the_card_to_the_server(
        self, checkout: Checkout, stripe: StripeClient
    ) -> None:
        checkout.mount(**self.options())
        checkout.type_card()
        checkout.call("elements.submit()")
        made = checkout.call(
            "stripe.createConfirmationToken({elements, params: {return_url: 'https://shop.example/return'}})"
        )
        token = made["confirmationToken"]
        assert token["payment_method_preview"]["card"]["last4"] == "4242"
        intent = stripe.v1.payment_intents.create(
            {"amount": 1099, "currency": "eur", "confirm": True, "confirmation_token": token["id"]}
        )
        assert intent.status == "succeeded"

    def test_a_payment_method_can_be_made_by_hand(self, checkout: Checkout, stripe: StripeClient) -> None:
        checkout.mount(**self.options(paymentMethodCreation="manual"))
        checkout.type_card()
        checkout.call("elements.submit()")
        made = checkout.call(
            "stripe.createPaymentMethod({elements, params: {billing_details: {name: 'Ada', address: {city: 'Kiel'}}}})"
        )["paymentMethod"]
        kept = stripe.v1.payment_methods.retrieve(made["id"])
        assert (kept.billing_details.name, present(kept.billing_details.address).city) == ("Ada", "Kiel")
        assert present(kept.billing_details.address).country == "US"

    def test_a_payment_method_by_hand_has_to_be_announced(self, checkout: Checkout) -> None:
        checkout.mount(**self.options())
        checkout.type_card()
        checkout.call("elements.submit()")
        assert checkout.call("stripe.createPaymentMethod({elements})")["thrown"] == "IntegrationError"
