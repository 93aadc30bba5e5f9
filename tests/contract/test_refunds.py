"""Refunds: docs.stripe.com/api/refunds and docs.stripe.com/refunds."""

from __future__ import annotations

import pytest
import stripe

from tests.certain import expanded
from tests.contract.support import RETURN_URL, Account, Stripe, event_types, intend, pay, refused


def test_a_refund_gives_everything_back_unless_told_otherwise(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/create"""
    intent = pay(client)
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (refund.amount, refund.status, refund.charge) == (2000, "succeeded", charge.id)
    assert (charge.refunded, charge.amount_refunded) == (True, 2000)


def test_a_payment_can_be_refunded_in_parts(client: stripe.StripeClient) -> None:
    """docs.stripe.com/refunds#issuing"""
    intent = pay(client)
    for amount in (500, 700):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": amount})
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.refunded, charge.amount_refunded) == (False, 1200)


def test_a_refunded_intent_stays_succeeded(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/paymentintents/lifecycle"""
    intent = pay(client)
    client.v1.refunds.create({"payment_intent": intent.id})
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_no_more_than_was_paid_is_refunded(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/create"""
    intent = pay(client)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 1500})
    with refused(param="amount", says="greater than unrefunded amount on charge"):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 501})


def test_what_is_refunded_cannot_be_refunded_again(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#charge-already-refunded"""
    intent = pay(client)
    client.v1.refunds.create({"payment_intent": intent.id})
    with refused(code="charge_already_refunded", says="has already been refunded"):
        client.v1.refunds.create({"payment_intent": intent.id})


def test_what_was_not_paid_cannot_be_refunded(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/create"""
    with refused(says="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": intend(client).id})


def test_a_refund_names_an_intent_or_a_charge(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/create"""
    with refused(says="payment_intent or charge"):
        client.v1.refunds.create({"amount": 100})


def test_a_refund_keeps_reason_and_metadata(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/create"""
    refund = client.v1.refunds.create(
        {"payment_intent": pay(client).id, "reason": "duplicate", "metadata": {"ticket": "9"}}
    )
    assert refund.metadata is not None
    assert (refund.reason, refund.metadata["ticket"]) == ("duplicate", "9")


def test_an_unknown_reason_is_refused(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/create#create_refund-reason"""
    with refused(param="reason", says="must be one of duplicate, fraudulent, or requested_by_customer"):
        client.v1.refunds.create({"payment_intent": pay(client).id, "reason": "whim"})


def test_only_the_metadata_of_a_refund_changes(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/update"""
    refund = client.v1.refunds.create({"payment_intent": pay(client).id})
    changed = client.v1.refunds.update(refund.id, {"metadata": {"seen": "yes"}})
    assert changed.metadata is not None
    assert changed.metadata["seen"] == "yes"


def test_refunds_are_listed_by_intent(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/list"""
    intent = pay(client)
    first = client.v1.refunds.create({"payment_intent": intent.id, "amount": 100})
    second = client.v1.refunds.create({"payment_intent": intent.id, "amount": 100})
    assert [one.id for one in client.v1.refunds.list({"payment_intent": intent.id}).data] == [second.id, first.id]


def test_a_refund_takes_its_amount_from_the_balance_without_a_fee(client: stripe.StripeClient) -> None:
    """docs.stripe.com/refunds (fees are not returned)"""
    refund = client.v1.refunds.create({"payment_intent": pay(client).id, "expand": ["balance_transaction"]})
    transaction = expanded(refund.balance_transaction)
    assert (transaction.amount, transaction.fee, transaction.type) == (-2000, 0, "refund")


def test_some_refunds_pend_before_they_succeed(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/testing#refunds (asynchronous success)"""
    refund = client.v1.refunds.create({"payment_intent": pay(client, "pm_card_pendingRefund").id})
    assert refund.status == "pending"
    contract.later(lambda: client.v1.refunds.retrieve(refund.id).status == "succeeded")
    contract.later(lambda: "refund.updated" in event_types(client, refund.id))


def test_a_refund_can_fail_after_it_succeeded(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/testing#refunds (asynchronous failure)"""
    intent = pay(client, "pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    contract.later(lambda: client.v1.refunds.retrieve(refund.id).status == "failed")
    failed = client.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert failed.failure_reason is not None
    assert expanded(failed.failure_balance_transaction).amount == 2000
    contract.later(lambda: "refund.failed" in event_types(client, refund.id))


def test_a_failed_refund_leaves_the_charge_unrefunded(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/refunds#failed-refunds"""
    intent = pay(client, "pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    contract.later(lambda: client.v1.refunds.retrieve(refund.id).status == "failed")
    assert client.v1.charges.retrieve(str(intent.latest_charge)).amount_refunded == 0


def test_a_card_refund_cannot_be_canceled(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/cancel"""
    refund = client.v1.refunds.create({"payment_intent": pay(client).id})
    with refused():
        client.v1.refunds.cancel(refund.id)


def test_a_hold_cannot_be_refunded_in_part(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/place-a-hold-on-a-payment-method"""
    held = pay(client, capture_method="manual", return_url=RETURN_URL)
    with refused(param="amount"):
        client.v1.refunds.create({"payment_intent": held.id, "amount": 100})


def test_a_refund_is_told_by_events(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/types"""
    intent = pay(client)
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    contract.later(lambda: event_types(client, refund.id)[:1] == ["refund.created"])
    contract.later(lambda: "charge.refunded" in event_types(client, str(intent.latest_charge)))


@pytest.mark.parametrize(
    ("currency", "paid", "between"), [("kwd", 5_120, 1_005), ("isk", 500_00, 1_50), ("ugx", 5000_00, 1_50)]
)
def test_a_refund_is_made_in_the_steps_of_its_currency(
    client: stripe.StripeClient, currency: str, paid: int, between: int
) -> None:
    """Source: docs.stripe.com/currencies, special cases and three-decimal currencies; a charge between the steps is refused likewise."""
    intent = pay(client, amount=paid, currency=currency)
    with refused(param="amount"):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": between})
    assert client.v1.refunds.create({"payment_intent": intent.id, "amount": paid}).amount == paid


def test_a_refund_for_fraud_marks_its_charge(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/create#create_refund-reason"""
    intent = pay(client)
    client.v1.refunds.create({"payment_intent": intent.id, "reason": "fraudulent"})
    marked = client.v1.charges.retrieve(str(intent.latest_charge)).fraud_details
    assert marked is not None
    assert marked.user_report == "fraudulent"


def test_another_reason_marks_nothing(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/charges/object#charge_object-fraud_details"""
    intent = pay(client)
    client.v1.refunds.create({"payment_intent": intent.id, "reason": "duplicate"})
    assert client.v1.charges.retrieve(str(intent.latest_charge)).to_dict()["fraud_details"] == {}


def test_the_banks_number_of_a_refund_is_still_to_come(client: stripe.StripeClient) -> None:
    """docs.stripe.com/refunds#tracing-refunds"""
    refund = client.v1.refunds.create({"payment_intent": pay(client).id})
    assert refund.destination_details is not None
    assert refund.destination_details.card is not None
    assert refund.destination_details.card.reference_status == "pending"


def test_the_banks_number_of_a_refund_comes_some_days_later(own: Stripe) -> None:
    """docs.stripe.com/refunds#tracing-refunds and docs.stripe.com/api/refunds/object#refund_object-destination_details-card-reference"""
    client, account = own.client(), Account(own)
    refund = client.v1.refunds.create({"payment_intent": pay(client).id})
    account.control("clock", seconds=8 * 86400)
    details = client.v1.refunds.retrieve(refund.id).destination_details
    assert details is not None
    assert details.card is not None
    assert details.card.reference_status == "available"
    assert str(details.card.reference).isdecimal()
    told = event_types(client, refund.id)
    assert told[-2:] == ["refund.updated", "charge.refund.updated"]


def test_a_refund_that_failed_has_no_number(own: Stripe) -> None:
    """docs.stripe.com/refunds#failed-refunds"""
    client, account = own.client(), Account(own)
    refund = client.v1.refunds.create({"payment_intent": pay(client, "pm_card_refundFail").id})
    account.control("clock", seconds=8 * 86400)
    now = client.v1.refunds.retrieve(refund.id)
    assert now.status == "failed"
    assert now.destination_details is not None
    assert now.destination_details.card is not None
    assert now.destination_details.card.reference_status == "pending"


@pytest.mark.parametrize("reason", ["lost_or_stolen_card", "merchant_request", "insufficient_funds", "unknown"])
def test_a_refund_fails_for_a_reason(client: stripe.StripeClient, account: Account, reason: str) -> None:
    """docs.stripe.com/api/refunds/object#refund_object-failure_reason"""
    refund = client.v1.refunds.create({"payment_intent": pay(client).id})
    account.control("refunds/fail", refund=refund.id, reason=reason)
    failed = client.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", reason)
