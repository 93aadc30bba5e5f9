"""Link as a payment method, and cards that their holders keep in a wallet.

Sources: Stripe, "Link" and its pages on integrations and on saving; "Apple Pay" and "Google Pay"; the API reference of each object.
"""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.certain import as_sent
from tests.contract.support import ACCEPTED, STRIPE_API, Account, Browser, Stripe, pay_by, refused

HOLDER = {"type": "link", "billing_details": {"email": "jenny.rosen@example.com"}}


@pytest.fixture(autouse=True)
def _made_on_a_server(contract: Stripe) -> None:
    if contract.base == STRIPE_API:
        pytest.skip("Stripe makes these payment methods on its own pages and on telephones alone")


def pay_by_link(client: stripe.StripeClient, **more: Any) -> Any:
    more.setdefault("payment_method_data", HOLDER)
    return pay_by(client, "link", expand=["latest_charge", "payment_method"], **more)


def saved(client: stripe.StripeClient, customer: stripe.Customer) -> Any:
    return pay_by_link(client, customer=customer.id, setup_future_usage="off_session", mandate_data=ACCEPTED)


def test_link_pays_at_once_in_any_currency(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/link/link-payment-integrations: Link transactions confirm immediately"""
    for currency in ("eur", "usd", "chf"):
        intent = pay_by_link(client, currency=currency)
        assert intent.status == "succeeded"
        assert intent.payment_method_types == ["link"]


def test_the_method_knows_the_email_address_of_its_owner(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_methods/object#payment_method_object-link"""
    method = pay_by_link(client).payment_method
    assert (method.type, method.link.email) == ("link", "jenny.rosen@example.com")
    assert method.link.persistent_token is None


def test_link_needs_an_email_address(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/link/add-link-elements-integration: an email address is what Link knows a customer by"""
    with refused(says="billing_details[email]"):
        pay_by_link(client, payment_method_data={"type": "link"})


def test_a_charge_by_link_names_the_country_of_its_funds(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/charges/object#charge_object-payment_method_details-link"""
    details = pay_by_link(client).latest_charge.payment_method_details
    assert details.to_dict() == {"link": {"country": "US"}, "type": "link"}


def test_saving_link_needs_the_customers_acceptance(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/link/save-and-reuse"""
    with refused(param="mandate_data"):
        pay_by_link(client, customer=customer.id, setup_future_usage="off_session")


def test_saved_link_pays_while_the_customer_is_away(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/link/save-and-reuse"""
    method = saved(client, customer).payment_method
    assert method.customer == customer.id
    again = pay_by(client, "link", method.id, customer=customer.id, off_session=True)
    assert again.status == "succeeded"


def test_link_is_saved_without_a_payment(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/link/save-and-reuse, with a SetupIntent"""
    setup: Any = client.v1.setup_intents.create(
        as_sent(
            {
                "allowed_payment_method_types": ["link"],
                "confirm": True,
                "customer": customer.id,
                "mandate_data": ACCEPTED,
                "payment_method_data": HOLDER,
                "expand": ["latest_attempt", "mandate"],
            }
        )
    )
    assert setup.status == "succeeded"
    assert setup.latest_attempt.payment_method_details.to_dict() == {"link": {}, "type": "link"}
    assert setup.mandate.payment_method_details.type == "link"


def test_link_holds_an_amount_and_captures_part_of_it(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/place-a-hold-on-a-payment-method, supported methods"""
    held = pay_by_link(client, capture_method="manual")
    assert (held.status, held.amount_capturable) == ("requires_capture", 2000)
    assert client.v1.payment_intents.capture(held.id, {"amount_to_capture": 500}).amount_received == 500


def test_a_refund_of_link_succeeds_at_once(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/link: refunds, full and partial; of Link a refund's destination_details have no type"""
    intent = pay_by_link(client)
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 500})
    assert refund.status == "succeeded"
    assert refund.id.startswith("pyr_")
    assert "destination_details" not in refund.to_dict()


def test_link_can_be_attached_and_detached(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_methods/attach"""
    method = saved(client, customer).payment_method
    assert [one.id for one in client.v1.customers.payment_methods.list(customer.id, {"type": "link"}).data] == [
        method.id
    ]
    assert client.v1.payment_methods.detach(method.id).customer is None


def test_a_dispute_of_link_may_be_answered(client: stripe.StripeClient, account: Account) -> None:
    """docs.stripe.com/payments/link: disputes are those of the funds beneath, and are answered alike"""
    charge = pay_by_link(client).latest_charge
    account.control("disputes", charge=charge.id, reason="fraudulent")
    dispute = client.v1.disputes.list({"charge": charge.id}).data[0]
    assert dispute.status == "needs_response"
    assert client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "losing_evidence"}}).status in (
        "under_review",
        "lost",
    )


def test_link_is_offered_where_a_configuration_turns_it_on(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_method_configurations/object#payment_method_configuration_object-link"""
    on = {"display_preference": {"preference": "on"}}
    configuration = client.v1.payment_method_configurations.create(as_sent({"link": on, "card": on, "google_pay": on}))
    assert configuration.google_pay is not None
    assert configuration.google_pay.available is True
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "eur", "payment_method_configuration": configuration.id}
    )
    # A wallet whose payments are card payments is no type of its own.
    assert intent.payment_method_types == ["card", "link"]


def pay_out_of(browser: Browser, client: stripe.StripeClient, wallet: str) -> Any:
    method = browser.post("/v1/elements/wallet_payment_methods", {"wallet": wallet})
    return client.v1.payment_intents.create(
        {
            "amount": 2000,
            "currency": "eur",
            "payment_method": method["id"],
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "expand": ["latest_charge", "payment_method"],
        }
    )


@pytest.mark.parametrize("wallet", ["apple_pay", "google_pay"])
def test_a_card_of_a_wallet_is_a_card_that_names_its_wallet(
    browser: Browser, client: stripe.StripeClient, wallet: str
) -> None:
    """docs.stripe.com/api/charges/object#charge_object-payment_method_details-card-wallet"""
    intent = pay_out_of(browser, client, wallet)
    assert intent.status == "succeeded"
    for card in (intent.payment_method.card, intent.latest_charge.payment_method_details.card):
        assert card.wallet.to_dict() == {wallet: {}, "dynamic_last4": card.last4, "type": wallet}


def test_a_wallet_gives_no_code_to_be_checked(browser: Browser, client: stripe.StripeClient) -> None:
    """docs.stripe.com/apple-pay: the device authorizes in place of the code"""
    checks = pay_out_of(browser, client, "apple_pay").latest_charge.payment_method_details.card.checks
    assert checks.cvc_check is None
    assert checks.address_postal_code_check == "pass"


def test_what_a_wallet_holds_bears_its_holders_details(browser: Browser, client: stripe.StripeClient) -> None:
    """docs.stripe.com/elements/express-checkout-element/accept-a-payment: billing details come from the wallet"""
    details = pay_out_of(browser, client, "google_pay").payment_method.billing_details
    assert (details.name, details.address.country) == ("Jenny Rosen", "DE")
