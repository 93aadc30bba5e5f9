"""Charges: docs.stripe.com/api/charges."""

from __future__ import annotations

import stripe

from tests.certain import expanded, present
from tests.contract.support import Stripe, event_types, pay, refused


def test_a_charge_says_how_it_was_paid(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/charges/object"""
    charge = expanded(pay(client, "pm_card_mastercard", expand=["latest_charge"]).latest_charge)
    card = present(present(charge.payment_method_details).card)
    assert (card.brand, card.last4, card.funding) == ("mastercard", "4444", "credit")
    assert (charge.status, charge.paid, charge.captured, charge.amount_captured) == ("succeeded", True, True, 2000)


def test_a_charge_inherits_from_its_intent(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/charges/object"""
    intent = pay(
        client, customer=customer.id, description="Invoice 17", metadata={"order": "17"}, receipt_email="a@example.com"
    )
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.description, charge.customer, charge.receipt_email) == ("Invoice 17", customer.id, "a@example.com")
    assert charge.metadata["order"] == "17"
    assert charge.payment_intent == intent.id


def test_charges_are_listed_by_intent_and_by_customer(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/charges/list"""
    intent = pay(client, customer=customer.id)
    by_intent = client.v1.charges.list({"payment_intent": intent.id}).data
    by_customer = client.v1.charges.list({"customer": customer.id}).data
    assert [one.id for one in by_intent] == [one.id for one in by_customer] == [intent.latest_charge]


def test_a_charge_can_be_described_later(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/charges/update"""
    charge = client.v1.charges.update(str(pay(client).latest_charge), {"description": "later", "metadata": {"a": "b"}})
    assert (charge.description, charge.metadata["a"]) == ("later", "b")


def test_a_charge_can_be_reported_as_fraud(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/charges/update#update_charge-fraud_details"""
    charge = client.v1.charges.update(str(pay(client).latest_charge), {"fraud_details": {"user_report": "fraudulent"}})
    assert charge.fraud_details is not None
    assert charge.fraud_details.user_report == "fraudulent"


def test_refunds_of_a_charge_are_shown_only_when_expanded(client: stripe.StripeClient) -> None:
    """docs.stripe.com/upgrades#2022-11-15 (charges no longer include refunds)"""
    charge_id = str(pay(client).latest_charge)
    client.v1.refunds.create({"charge": charge_id, "amount": 100})
    assert "refunds" not in client.v1.charges.retrieve(charge_id).to_dict()
    shown = client.v1.charges.retrieve(charge_id, {"expand": ["refunds"]})
    assert shown.refunds is not None
    assert [refund.amount for refund in shown.refunds.data] == [100]


def test_an_unknown_charge_is_missing(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#resource-missing"""
    with refused(404, code="resource_missing", says="No such charge"):
        client.v1.charges.retrieve("ch_nobody")


def test_updating_a_charge_is_told_with_what_changed(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/object#event_object-data-previous_attributes"""
    charge_id = str(pay(client).latest_charge)
    contract.later(lambda: "charge.updated" in event_types(client, charge_id))
    client.v1.charges.update(charge_id, {"description": "new words"})
    event = contract.later(
        lambda: next(
            (
                one
                for one in client.v1.events.list({"type": "charge.updated"}).data
                if one.data.object["description"] == "new words"
            ),
            None,
        )
    )
    assert event is not None
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes.to_dict() == {"description": None}
