"""Payment methods: docs.stripe.com/api/payment_methods and docs.stripe.com/testing."""

from __future__ import annotations

import pytest
import stripe

from tests.certain import present
from tests.contract.support import Browser, Stripe, event_types, pay, refused, save_card


@pytest.mark.parametrize(
    ("name", "brand", "last4", "funding"),
    [
        ("pm_card_visa", "visa", "4242", "credit"),
        ("pm_card_visa_debit", "visa", "5556", "debit"),
        ("pm_card_mastercard", "mastercard", "4444", "credit"),
        ("pm_card_mastercard_prepaid", "mastercard", "5100", "prepaid"),
        ("pm_card_amex", "amex", "8431", "credit"),
        ("pm_card_discover", "discover", "9424", "credit"),
        ("pm_card_diners", "diners", "0004", "credit"),
        ("pm_card_jcb", "jcb", "0505", "credit"),
        ("pm_card_unionpay", "unionpay", "0005", "credit"),
    ],
)
def test_test_cards_have_their_brand(
    client: stripe.StripeClient, customer: stripe.Customer, name: str, brand: str, last4: str, funding: str
) -> None:
    """docs.stripe.com/testing#cards"""
    card = save_card(client, customer.id, name).card
    assert card is not None
    assert (card.brand, card.last4, card.funding) == (brand, last4, funding)


def test_a_test_cards_name_stands_for_a_new_method_that_stays(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing: the names can be used wherever a payment method's id can."""
    first, second = (client.v1.payment_methods.retrieve("pm_card_visa") for _time in range(2))
    assert first.id != second.id
    assert client.v1.payment_methods.retrieve(first.id).id == first.id


@pytest.mark.parametrize(
    ("name", "country"), [("pm_card_us", "US"), ("pm_card_de", "DE"), ("pm_card_br", "BR"), ("pm_card_jp", "JP")]
)
def test_test_cards_have_their_country(
    client: stripe.StripeClient, customer: stripe.Customer, name: str, country: str
) -> None:
    """docs.stripe.com/testing#international-cards"""
    card = save_card(client, customer.id, name).card
    assert card is not None
    assert card.country == country


def test_a_test_cards_name_makes_a_new_payment_method(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/testing"""
    card = save_card(client, customer.id)
    assert card.id.startswith("pm_")
    assert card.id != "pm_card_visa"
    assert card.customer == customer.id


def test_a_token_makes_a_payment_method(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing#cards (tokens)"""
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_mastercard"}})
    assert method.card is not None
    assert (method.card.brand, method.customer) == ("mastercard", None)


def test_an_unknown_token_is_missing(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#resource-missing"""
    with refused(code="resource_missing"):
        client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_nobody"}})


def test_the_same_number_has_the_same_fingerprint(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_methods/object#payment_method_object-card-fingerprint"""
    prints = {present(save_card(client, customer.id).card).fingerprint for _ in range(2)}
    other = save_card(client, customer.id, "pm_card_mastercard").card
    assert len(prints) == 1
    assert other is not None
    assert other.fingerprint not in prints


def test_raw_numbers_are_refused_with_a_secret_key(client: stripe.StripeClient) -> None:
    """docs.stripe.com/security/guide"""
    with refused(402, says="Sending credit card numbers directly to the Stripe API is generally unsafe"):
        client.v1.payment_methods.create(
            {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
        )


def test_a_browser_makes_a_payment_method_of_a_number(browser: Browser) -> None:
    """docs.stripe.com/js/payment_methods/create_payment_method"""
    method = browser.card("4242424242424242")
    assert (method["object"], method["card"]["last4"], method["type"]) == ("payment_method", "4242", "card")


def test_a_browser_does_not_see_the_fingerprint(browser: Browser) -> None:
    """docs.stripe.com/keys (publishable keys)"""
    assert "fingerprint" not in browser.card("4242424242424242")["card"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"card[number]": "4242424242424241"}, "incorrect_number"),
        ({"card[exp_month]": "13"}, "invalid_expiry_month"),
        ({"card[exp_year]": "1990"}, "invalid_expiry_year"),
        ({"card[cvc]": "99"}, "invalid_cvc"),
    ],
)
def test_invalid_card_details_are_card_errors(browser: Browser, wrong: dict[str, str], code: str) -> None:
    """docs.stripe.com/testing#invalid-data"""
    answer = browser.ask(
        "POST",
        "/v1/payment_methods",
        {
            "type": "card",
            "card[number]": "4242424242424242",
            "card[exp_month]": "12",
            "card[exp_year]": "2034",
            "card[cvc]": "123",
            **wrong,
        },
    )
    assert answer.status_code == 402
    assert (answer.json()["error"]["type"], answer.json()["error"]["code"]) == ("card_error", code)


def test_a_method_is_listed_with_its_customer(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_methods/list"""
    card = save_card(client, customer.id)
    assert [one.id for one in client.v1.payment_methods.list({"customer": customer.id, "type": "card"}).data] == [
        card.id
    ]


def test_the_newest_method_is_listed_first(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_methods/customer_list"""
    first, second = save_card(client, customer.id), save_card(client, customer.id, "pm_card_mastercard")
    assert [one.id for one in client.v1.customers.payment_methods.list(customer.id).data] == [second.id, first.id]


def test_attaching_twice_to_the_same_customer_changes_nothing(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/api/payment_methods/attach"""
    card = save_card(client, customer.id)
    assert client.v1.payment_methods.attach(card.id, {"customer": customer.id}).customer == customer.id


def test_a_method_belongs_to_one_customer(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_methods/attach"""
    card = save_card(client, customer.id)
    other = client.v1.customers.create()
    with refused(says="already been attached to a customer"):
        client.v1.payment_methods.attach(card.id, {"customer": other.id})


def test_a_declining_card_cannot_be_attached(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/testing#declined-payments"""
    with refused(402, code="card_declined") as errors:
        client.v1.payment_methods.attach("pm_card_visa_chargeDeclined", {"customer": customer.id})
    assert isinstance(errors[0], stripe.CardError)


def test_one_declining_card_can_be_attached(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/testing#declined-payments (decline after attaching)"""
    card = save_card(client, customer.id, "pm_card_chargeCustomerFail")
    with refused(402, code="card_declined"):
        pay(client, card.id, customer=customer.id)


def test_a_detached_method_has_no_customer(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_methods/detach"""
    card = save_card(client, customer.id)
    assert client.v1.payment_methods.detach(card.id).customer is None
    assert client.v1.customers.payment_methods.list(customer.id).data == []


def test_a_detached_method_is_never_used_again(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_methods/detach"""
    card = save_card(client, customer.id)
    client.v1.payment_methods.detach(card.id)
    with refused(says="may not be used again"):
        pay(client, card.id, customer=customer.id)
    setup = client.v1.setup_intents.create({"customer": customer.id})
    with refused(says="may not be used again"):
        client.v1.setup_intents.confirm(setup.id, {"payment_method": card.id, "return_url": "https://example.com"})
    with refused(says="may not be used again"):
        client.v1.payment_methods.attach(card.id, {"customer": customer.id})


def test_a_detached_default_is_no_longer_the_default(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_methods/detach"""
    card = save_card(client, customer.id)
    client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})
    client.v1.payment_methods.detach(card.id)
    settings = client.v1.customers.retrieve(customer.id).invoice_settings
    assert settings is not None
    assert settings.default_payment_method is None


def test_a_method_without_a_customer_cannot_be_detached(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_methods/detach"""
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    with refused(says="not attached to a customer"):
        client.v1.payment_methods.detach(method.id)


def test_a_saved_card_can_be_updated(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_methods/update"""
    card = save_card(client, customer.id)
    changed = client.v1.payment_methods.update(
        card.id, {"card": {"exp_year": 2040}, "billing_details": {"name": "J. Rosen"}, "metadata": {"label": "work"}}
    )
    assert changed.card is not None
    assert (changed.card.exp_year, changed.billing_details.name) == (2040, "J. Rosen")


def test_an_unsaved_card_cannot_be_updated(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_methods/update"""
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    with refused(says="save this PaymentMethod to a customer"):
        client.v1.payment_methods.update(method.id, {"metadata": {"a": "b"}})


def test_a_customers_method_is_found_under_the_customer_alone(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/api/payment_methods/customer"""
    card = save_card(client, customer.id)
    other = client.v1.customers.create()
    assert client.v1.customers.payment_methods.retrieve(customer.id, card.id).id == card.id
    with refused(404, code="resource_missing"):
        client.v1.customers.payment_methods.retrieve(other.id, card.id)


def test_saving_and_removing_a_card_is_told_by_events(
    client: stripe.StripeClient, customer: stripe.Customer, contract: Stripe
) -> None:
    """docs.stripe.com/api/events/types"""
    card = save_card(client, customer.id)
    client.v1.payment_methods.update(card.id, {"metadata": {"a": "b"}})
    client.v1.payment_methods.detach(card.id)
    expected = ["payment_method.attached", "payment_method.updated", "payment_method.detached"]
    contract.later(lambda: event_types(client, card.id) == expected)


def test_deleting_a_customer_detaches_its_cards(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customers/delete"""
    card = save_card(client, customer.id)
    client.v1.customers.delete(customer.id)
    assert client.v1.payment_methods.retrieve(card.id).customer is None
    with refused(404, code="resource_missing"):
        client.v1.customers.payment_methods.list(customer.id)
