"""The balance, its transactions, and payouts: docs.stripe.com/api/balance and docs.stripe.com/payouts."""

from __future__ import annotations

import stripe

from tests.certain import expanded
from tests.contract.support import Stripe, pay, refused


def transaction_of(
    client: stripe.StripeClient, contract: Stripe, intent: stripe.PaymentIntent
) -> stripe.BalanceTransaction:
    """The balance transaction of a payment, once it has landed."""
    charge = str(intent.latest_charge)
    found = contract.later(
        lambda: client.v1.charges.retrieve(charge, {"expand": ["balance_transaction"]}).balance_transaction
    )
    assert isinstance(found, stripe.BalanceTransaction)
    return found


def test_net_is_amount_less_fee(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/balance_transactions/object"""
    transaction = transaction_of(client, contract, pay(client))
    assert transaction.amount > transaction.net > 0
    assert transaction.net == transaction.amount - transaction.fee


def test_the_fee_is_explained(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/balance_transactions/object#balance_transaction_object-fee_details"""
    transaction = transaction_of(client, contract, pay(client))
    assert sum(part.amount for part in transaction.fee_details) == transaction.fee
    assert {part.type for part in transaction.fee_details} <= {"stripe_fee", "tax"}


def test_a_charge_is_reported_as_a_charge(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/reports/reporting-categories"""
    transaction = transaction_of(client, contract, pay(client))
    assert (transaction.type, transaction.reporting_category) == ("charge", "charge")


def test_the_source_of_a_transaction_can_be_expanded(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/expanding_objects"""
    intent = pay(client)
    transaction = transaction_of(client, contract, intent)
    shown = client.v1.balance_transactions.retrieve(transaction.id, {"expand": ["source"]})
    source = expanded(shown.source)
    assert isinstance(source, stripe.Charge) and source.id == intent.latest_charge


def test_transactions_are_listed_by_source_and_type(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/balance_transactions/list"""
    intent = pay(client)
    transaction = transaction_of(client, contract, intent)
    assert [one.id for one in client.v1.balance_transactions.list({"source": str(intent.latest_charge)}).data] == [
        transaction.id
    ]
    assert {one.type for one in client.v1.balance_transactions.list({"type": "charge"}).data} == {"charge"}


def test_money_is_pending_before_it_is_available(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/payouts#standard-payout-timing"""
    transaction = transaction_of(client, contract, pay(client))
    assert transaction.status == "pending"
    assert transaction.available_on > transaction.created


def test_one_card_makes_money_available_at_once(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/testing#available-balance"""
    transaction = transaction_of(client, contract, pay(client, "pm_card_bypassPending"))
    assert transaction.status == "available"


def test_the_balance_grows_by_what_was_paid(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/balance/balance_retrieve"""

    def pending() -> int:
        return sum(part.amount for part in client.v1.balance.retrieve().pending if part.currency == "sek")

    before = pending()
    transaction = transaction_of(client, contract, pay(client, currency="sek"))
    if transaction.currency == "sek":
        assert pending() == before + transaction.net


def test_more_than_is_available_cannot_be_paid_out(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#balance-insufficient"""
    with refused(code="balance_insufficient"):
        client.v1.payouts.create({"amount": 99_999_999, "currency": "eur"})


def test_available_money_is_paid_out(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/payouts/create"""
    transaction_of(client, contract, pay(client, "pm_card_bypassPending"))
    payout = client.v1.payouts.create(
        {"amount": 1000, "currency": "eur", "metadata": {"a": "b"}, "expand": ["balance_transaction"]}
    )
    assert (payout.amount, payout.automatic, payout.type) == (1000, False, "bank_account")
    assert expanded(payout.balance_transaction).amount == -1000


def test_a_waiting_payout_can_be_canceled(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/payouts/cancel"""
    transaction_of(client, contract, pay(client, "pm_card_bypassPending"))
    payout = client.v1.payouts.create({"amount": 500, "currency": "eur"})
    if payout.status == "pending":
        assert client.v1.payouts.cancel(payout.id).status == "canceled"


def test_payouts_are_listed_by_status(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payouts/list"""
    assert {one.status for one in client.v1.payouts.list({"status": "pending"}).data} <= {"pending"}


def test_the_account_of_the_key_is_shown(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/accounts/retrieve"""
    account = client.v1.accounts.retrieve_current()
    assert account.id.startswith("acct_")
    assert account.charges_enabled is True
