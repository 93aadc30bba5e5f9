"""Methods that send the customer away to approve: docs.stripe.com/payments/bank-redirects, …/klarna and …/paypal."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import stripe

from tests.certain import as_sent
from tests.contract.support import ACCEPTED, RETURN_URL, Stripe, event_types, pay_by, refused

HOLDER: Any = {"name": "Jenny Rosen", "email": "jenny.rosen@example.com"}
CURRENCIES = {
    "ideal": "eur",
    "bancontact": "eur",
    "eps": "eur",
    "p24": "pln",
    "twint": "chf",
    "klarna": "eur",
    "paypal": "eur",
}
METHODS = sorted(CURRENCIES)
SAVED_AS_DEBITS = ["bancontact", "ideal"]


def begin(client: stripe.StripeClient, kind: str, **more: Any) -> stripe.PaymentIntent:
    """An intent that waits for its customer, who is on the method's own page."""
    return pay_by(
        client,
        kind,
        currency=CURRENCIES[kind],
        payment_method_data={"type": kind, "billing_details": HOLDER},
        **more,
    )


def page_of(intent: stripe.PaymentIntent | stripe.SetupIntent) -> str:
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    return str(intent.next_action.redirect_to_url.url)


def paid(contract: Stripe, client: stripe.StripeClient, kind: str, **more: Any) -> stripe.PaymentIntent:
    intent = begin(client, kind, **more)
    contract.answer_page(page_of(intent), "authorize")
    return client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})


def charge_of(intent: stripe.PaymentIntent) -> stripe.Charge:
    assert isinstance(intent.latest_charge, stripe.Charge)
    return intent.latest_charge


@pytest.mark.parametrize("kind", METHODS)
def test_a_redirect_method_sends_the_customer_to_a_page(client: stripe.StripeClient, kind: str) -> None:
    """docs.stripe.com/payments/bank-redirects: requires_action with redirect_to_url"""
    intent = begin(client, kind)
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.next_action.type == "redirect_to_url"
    assert intent.next_action.redirect_to_url is not None
    assert intent.next_action.redirect_to_url.return_url == RETURN_URL


@pytest.mark.parametrize("kind", METHODS)
def test_an_approved_payment_succeeds(contract: Stripe, client: stripe.StripeClient, kind: str) -> None:
    """docs.stripe.com/payments/bank-redirects: Authorize test payment"""
    intent = paid(contract, client, kind)
    details = charge_of(intent).payment_method_details
    assert (intent.status, intent.amount_received, intent.next_action) == ("succeeded", 2000, None)
    assert details is not None
    assert details.type == kind


@pytest.mark.parametrize("kind", METHODS)
def test_a_payment_that_fails_on_the_page_wants_another_method(
    contract: Stripe, client: stripe.StripeClient, kind: str
) -> None:
    """docs.stripe.com/payments/bank-redirects: Fail test payment"""
    intent = begin(client, kind)
    contract.answer_page(page_of(intent), "fail")
    failed = client.v1.payment_intents.retrieve(intent.id)
    assert (failed.status, failed.payment_method) == ("requires_payment_method", None)
    assert failed.last_payment_error is not None
    assert "payment_intent.payment_failed" in event_types(client, intent.id)


@pytest.mark.parametrize(("outcome", "status"), [("authorize", "succeeded"), ("fail", "failed")])
def test_the_way_back_says_which_intent_and_how_it_went(
    contract: Stripe, client: stripe.StripeClient, outcome: str, status: str
) -> None:
    """docs.stripe.com/payments/accept-a-payment: payment_intent, payment_intent_client_secret and redirect_status"""
    intent = begin(client, "ideal")
    back = contract.answer_page(page_of(intent), outcome)
    assert back.startswith(f"{RETURN_URL}?")
    assert parse_qs(urlsplit(back).query) == {
        "payment_intent": [intent.id],
        "payment_intent_client_secret": [intent.client_secret],
        "redirect_status": [status],
    }


def test_a_redirect_method_needs_somewhere_to_come_back_to(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/confirm#confirm_payment_intent-return_url"""
    with refused(says="return_url"):
        client.v1.payment_intents.create(
            {
                "amount": 2000,
                "currency": "eur",
                "allowed_payment_method_types": ["ideal"],
                "confirm": True,
                "payment_method_data": {"type": "ideal"},
            }
        )


def test_redirects_can_be_ruled_out(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/create#create_payment_intent-automatic_payment_methods-allow_redirects"""
    intent = client.v1.payment_intents.create(
        {
            "amount": 2000,
            "currency": "eur",
            "allowed_payment_method_types": ["card", "ideal"],
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    assert intent.payment_method_types == ["card"]


def test_a_redirect_method_cannot_be_paid_off_session(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/bank-redirects: the customer has to approve each payment"""
    with refused():
        begin(client, "eps", customer=customer.id, off_session=True)


@pytest.mark.parametrize("kind", ["eps", "p24"])
def test_some_methods_cannot_be_saved(client: stripe.StripeClient, kind: str) -> None:
    """docs.stripe.com/payments/payment-methods/payment-method-support: no reusable payment method"""
    with refused():
        client.v1.payment_intents.create(
            {
                "amount": 2000,
                "currency": "eur",
                "allowed_payment_method_types": [kind],
                "setup_future_usage": "off_session",
            }
        )


@pytest.mark.parametrize("kind", SAVED_AS_DEBITS)
def test_a_bank_redirect_is_saved_as_a_debit(
    contract: Stripe, client: stripe.StripeClient, customer: stripe.Customer, kind: str
) -> None:
    """docs.stripe.com/payments/ideal/save-during-payment: generated_sepa_debit"""
    intent = paid(contract, client, kind, customer=customer.id, mandate_data=ACCEPTED, setup_future_usage="off_session")
    details: Any = charge_of(intent).payment_method_details
    debit = client.v1.payment_methods.retrieve(details[kind].generated_sepa_debit)
    assert (debit.type, debit.customer) == ("sepa_debit", customer.id)
    assert client.v1.mandates.retrieve(details[kind].generated_sepa_debit_mandate).status == "active"


@pytest.mark.parametrize("kind", SAVED_AS_DEBITS)
def test_a_setup_by_bank_redirect_leaves_a_debit_behind(
    contract: Stripe, client: stripe.StripeClient, customer: stripe.Customer, kind: str
) -> None:
    """docs.stripe.com/payments/ideal/set-up-payment"""
    intent = set_up(client, kind, customer.id)
    contract.answer_page(page_of(intent), "authorize")
    done = client.v1.setup_intents.retrieve(intent.id, {"expand": ["latest_attempt"]})
    attempt: Any = done.latest_attempt
    debit = client.v1.payment_methods.retrieve(attempt.payment_method_details[kind].generated_sepa_debit)
    assert (done.status, debit.type, debit.customer) == ("succeeded", "sepa_debit", customer.id)


def set_up(client: stripe.StripeClient, kind: str, customer: str) -> stripe.SetupIntent:
    return client.v1.setup_intents.create(
        as_sent(
            {
                "allowed_payment_method_types": [kind],
                "confirm": True,
                "customer": customer,
                "mandate_data": ACCEPTED,
                "payment_method_data": {"type": kind, "billing_details": HOLDER},
                "return_url": RETURN_URL,
            }
        )
    )


@pytest.mark.parametrize("kind", ["klarna", "paypal", "twint"])
def test_a_saved_wallet_pays_off_session_without_a_redirect(
    contract: Stripe, client: stripe.StripeClient, customer: stripe.Customer, kind: str
) -> None:
    """docs.stripe.com/payments/paypal/set-up-future-payments"""
    intent = set_up(client, kind, customer.id)
    contract.answer_page(page_of(intent), "authorize")
    saved = client.v1.setup_intents.retrieve(intent.id)
    paid_again = pay_by(
        client,
        kind,
        str(saved.payment_method),
        currency=CURRENCIES[kind],
        customer=customer.id,
        off_session=True,
    )
    assert (saved.status, paid_again.status) == ("succeeded", "succeeded")


def test_a_set_up_that_fails_on_the_page_wants_another_method(
    contract: Stripe, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/payments/ideal/set-up-payment"""
    intent = set_up(client, "ideal", customer.id)
    contract.answer_page(page_of(intent), "fail")
    failed = client.v1.setup_intents.retrieve(intent.id)
    assert failed.status == "requires_payment_method"
    assert failed.last_setup_error is not None


def test_a_bank_redirect_cannot_be_attached_itself(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/ideal: single use; what is saved is a debit"""
    method = client.v1.payment_methods.create({"type": "ideal", "billing_details": HOLDER})
    with refused():
        client.v1.payment_methods.attach(method.id, {"customer": customer.id})


@pytest.mark.parametrize("kind", METHODS)
def test_a_part_of_a_payment_can_be_refunded(contract: Stripe, client: stripe.StripeClient, kind: str) -> None:
    """docs.stripe.com/refunds: every one of these methods allows partial refunds"""
    intent = paid(contract, client, kind)
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 500})
    assert refund.amount == 500
    assert refund.status in ("pending", "succeeded")
    assert contract.later(lambda: client.v1.refunds.retrieve(refund.id).status == "succeeded")


@pytest.mark.parametrize("kind", ["klarna", "paypal"])
def test_some_methods_can_be_held_and_captured_later(contract: Stripe, client: stripe.StripeClient, kind: str) -> None:
    """docs.stripe.com/payments/place-a-hold-on-a-payment-method"""
    intent = paid(contract, client, kind, capture_method="manual")
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 2000)
    captured = client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1500})
    assert (captured.status, captured.amount_received) == ("succeeded", 1500)


def test_a_method_that_cannot_be_held_is_not_offered_for_a_hold(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/place-a-hold-on-a-payment-method"""
    intent = client.v1.payment_intents.create(
        {
            "amount": 2000,
            "currency": "eur",
            "allowed_payment_method_types": ["card", "ideal", "klarna"],
            "capture_method": "manual",
        }
    )
    assert intent.payment_method_types == ["card", "klarna"]


@pytest.mark.parametrize(("kind", "currency"), [("ideal", "usd"), ("twint", "eur"), ("bancontact", "chf")])
def test_each_method_has_its_currencies(client: stripe.StripeClient, kind: str, currency: str) -> None:
    """docs.stripe.com/payments/payment-methods/payment-method-support: presentment currencies"""
    with refused(says=f"The payment method type {kind} only supports the following currencies"):
        client.v1.payment_intents.create({"amount": 2000, "currency": currency, "allowed_payment_method_types": [kind]})


def test_a_changed_currency_changes_what_is_offered(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/payment-methods/dynamic-payment-methods"""
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "eur", "allowed_payment_method_types": ["card", "ideal", "twint"]}
    )
    changed = client.v1.payment_intents.update(intent.id, {"currency": "chf"})
    assert (intent.payment_method_types, changed.payment_method_types) == (["card", "ideal"], ["card", "twint"])


def test_an_excluded_method_is_not_offered(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/create#create_payment_intent-excluded_payment_method_types"""
    intent = client.v1.payment_intents.create(
        {
            "amount": 2000,
            "currency": "eur",
            "allowed_payment_method_types": ["card", "ideal"],
            "excluded_payment_method_types": ["ideal"],
        }
    )
    assert intent.payment_method_types == ["card"]


def test_the_bank_chosen_for_ideal_is_kept(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_methods/object#payment_method_object-ideal-bank"""
    method = client.v1.payment_methods.create({"type": "ideal", "ideal": {"bank": "rabobank"}})
    assert method.ideal is not None
    assert method.ideal.bank == "rabobank"


def test_no_mandate_is_asked_for_where_nothing_is_saved(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/ideal/accept-a-payment"""
    details: Any = charge_of(paid(contract, client, "ideal")).payment_method_details
    assert details.ideal.generated_sepa_debit is None


def test_saving_by_redirect_needs_the_acceptance_of_a_mandate(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/payments/ideal/save-during-payment: mandate_data"""
    with refused(says="mandate_data"):
        begin(client, "ideal", customer=customer.id, setup_future_usage="off_session")
