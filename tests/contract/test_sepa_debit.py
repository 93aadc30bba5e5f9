"""SEPA Direct Debit: docs.stripe.com/payments/sepa-debit and docs.stripe.com/testing#sepa-direct-debit."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.certain import as_sent, present
from tests.contract.support import (
    ACCEPTED,
    Browser,
    Stripe,
    debited,
    event_types,
    pay_by,
    refused,
)

HOLDER = {"name": "Jenny Rosen", "email": "jenny.rosen@example.com"}


def account(client: stripe.StripeClient, iban: str, **more: Any) -> stripe.PaymentMethod:
    return client.v1.payment_methods.create(
        as_sent({"type": "sepa_debit", "sepa_debit": {"iban": iban}, "billing_details": HOLDER, **more})
    )


def save(client: stripe.StripeClient, customer: str, iban: str = "DE89370400440532013000") -> stripe.SetupIntent:
    return client.v1.setup_intents.create(
        as_sent(
            {
                "allowed_payment_method_types": ["sepa_debit"],
                "confirm": True,
                "customer": customer,
                "mandate_data": ACCEPTED,
                "payment_method": account(client, iban).id,
            }
        )
    )


def charge_of(intent: stripe.PaymentIntent) -> stripe.Charge:
    assert isinstance(intent.latest_charge, stripe.Charge)
    return intent.latest_charge


def test_an_iban_makes_a_payment_method_of_which_the_end_is_kept(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_methods/object#payment_method_object-sepa_debit"""
    debit = account(client, "DE89370400440532013000").sepa_debit
    assert debit is not None
    assert (debit.last4, debit.country, debit.bank_code) == ("3000", "DE", "37040044")


def test_an_iban_may_be_written_in_groups(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/sepa-debit/accept-a-payment"""
    debit = account(client, "AT61 1904 3002 3457 3201").sepa_debit
    assert debit is not None
    assert (debit.last4, debit.country) == ("3201", "AT")


def test_the_same_iban_has_the_same_fingerprint(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_methods/object#payment_method_object-sepa_debit-fingerprint"""
    prints = {present(account(client, "DE89370400440532013000").sepa_debit).fingerprint for _time in range(2)}
    other = account(client, "FR1420041010050500013M02606").sepa_debit
    assert len(prints) == 1
    assert other is not None
    assert other.fingerprint not in prints


def test_an_iban_with_wrong_check_digits_is_invalid(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#invalid-bank-account-iban"""
    with refused(code="invalid_bank_account_iban"):
        account(client, "DE00370400440532013000")


@pytest.mark.parametrize(
    ("iban", "code"),
    [
        ("DE91370400440000055555", "sepa_debit_bank_not_supported"),
        ("DE18370400440000066666", "sepa_debit_debits_not_supported"),
    ],
)
def test_an_account_that_cannot_be_debited_makes_no_payment_method(
    client: stripe.StripeClient, iban: str, code: str
) -> None:
    """docs.stripe.com/testing#sepa-direct-debit"""
    with refused(code=code):
        account(client, iban)


def test_a_debit_is_processing_once_it_is_confirmed(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/sepa-debit/accept-a-payment: a delayed notification payment method"""
    intent = pay_by(
        client,
        "sepa_debit",
        account(client, "DE08370400440532013003").id,
        mandate_data=ACCEPTED,
        expand=["latest_charge"],
    )
    assert (intent.status, charge_of(intent).status, charge_of(intent).paid) == ("processing", "pending", False)
    assert event_types(client, charge_of(intent).id) == ["charge.pending"]


def test_a_charge_by_debit_has_an_id_of_its_own_kind(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/charges: payments by other methods than cards are py_…"""
    intent = pay_by(client, "sepa_debit", account(client, "DE89370400440532013000").id, mandate_data=ACCEPTED)
    assert str(intent.latest_charge).startswith("py_")


def test_a_debit_succeeds_when_the_bank_has_paid(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing#sepa-direct-debit"""
    intent = debited(
        contract, pay_by(client, "sepa_debit", account(client, "DE89370400440532013000").id, mandate_data=ACCEPTED)
    )
    assert (intent.status, intent.amount_received, charge_of(intent).paid) == ("succeeded", 2000, True)
    assert {"payment_intent.processing", "payment_intent.succeeded"} <= set(event_types(client, intent.id))


def test_a_debit_that_the_bank_refuses_wants_another_method(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing#sepa-direct-debit"""
    intent = debited(
        contract, pay_by(client, "sepa_debit", account(client, "DE62370400440532013001").id, mandate_data=ACCEPTED)
    )
    assert (intent.status, intent.payment_method, charge_of(intent).status) == (
        "requires_payment_method",
        None,
        "failed",
    )
    assert intent.last_payment_error is not None
    assert "payment_intent.payment_failed" in event_types(client, intent.id)


@pytest.mark.parametrize(
    ("iban", "code"),
    [
        ("DE65370400440002222227", "insufficient_funds"),
        ("DE65370400440000343434", "charge_exceeds_source_limit"),
        ("DE27370400440000121212", "charge_exceeds_weekly_limit"),
    ],
)
def test_a_failed_debit_says_why_on_its_charge(
    contract: Stripe, client: stripe.StripeClient, iban: str, code: str
) -> None:
    """docs.stripe.com/testing#sepa-direct-debit"""
    intent = debited(contract, pay_by(client, "sepa_debit", account(client, iban).id, mandate_data=ACCEPTED))
    assert charge_of(intent).failure_code == code


def test_a_failed_debit_is_taken_back_from_the_balance(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/reports/balance-transaction-types: payment, and payment_failure_refund when it fails"""
    intent = debited(
        contract, pay_by(client, "sepa_debit", account(client, "DE62370400440532013001").id, mandate_data=ACCEPTED)
    )
    taken_back = charge_of(intent).failure_balance_transaction
    assert isinstance(taken_back, str)
    transaction = client.v1.balance_transactions.retrieve(taken_back)
    assert (transaction.type, transaction.amount) == ("payment_failure_refund", -2000)


def test_a_paid_debit_stands_in_the_balance_as_a_payment(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/reports/balance-transaction-types"""
    intent = debited(
        contract, pay_by(client, "sepa_debit", account(client, "DE89370400440532013000").id, mandate_data=ACCEPTED)
    )
    paid_in = contract.later(
        lambda: (
            client.v1.charges.retrieve(charge_of(intent).id, {"expand": ["balance_transaction"]}).balance_transaction
        )
    )
    assert isinstance(paid_in, stripe.BalanceTransaction)
    assert (paid_in.type, paid_in.amount) == ("payment", 2000)


def test_a_test_accounts_name_stands_for_it(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing#sepa-direct-debit"""
    debit = client.v1.payment_methods.retrieve("pm_sepaDebit_success_de").sepa_debit
    assert debit is not None
    assert debit.last4 == "3000"


def test_a_debit_needs_a_mandate(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/sepa-debit/accept-a-payment: the customer must accept a mandate"""
    with refused(says="requires a mandate, but no existing mandate was found"):
        pay_by(client, "sepa_debit", account(client, "DE89370400440532013000").id)


def test_an_online_acceptance_says_where_it_came_from(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/confirm#confirm_payment_intent-mandate_data"""
    method = account(client, "DE89370400440532013000").id
    with refused(code="parameter_missing", says="mandate_data[customer_acceptance][online]"):
        pay_by(client, "sepa_debit", method, mandate_data={"customer_acceptance": {"type": "online"}})


def test_an_account_needs_its_holders_name(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/sepa-debit/accept-a-payment: name and email are required"""
    nameless = client.v1.payment_methods.create(
        {"type": "sepa_debit", "sepa_debit": {"iban": "DE89370400440532013000"}}
    )
    with refused():
        pay_by(client, "sepa_debit", nameless.id, mandate_data=ACCEPTED)


def test_a_charge_names_the_mandate_it_rests_on(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/mandates/object"""
    method = account(client, "DE89370400440532013000")
    intent = pay_by(client, "sepa_debit", method.id, mandate_data=ACCEPTED, expand=["latest_charge"])
    details = charge_of(intent).payment_method_details
    assert details is not None
    assert details.sepa_debit is not None
    mandate = client.v1.mandates.retrieve(str(details.sepa_debit.mandate))
    assert (mandate.payment_method, mandate.type, mandate.customer_acceptance.type) == (
        method.id,
        "single_use",
        "online",
    )
    assert mandate.payment_method_details.sepa_debit is not None
    assert mandate.payment_method_details.sepa_debit.reference


def test_an_unknown_mandate_is_missing(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/mandates/retrieve"""
    with refused(404, code="resource_missing"):
        client.v1.mandates.retrieve("mandate_nobody")


def test_a_setup_intent_saves_an_account_with_a_mandate_for_many_payments(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/payments/sepa-debit/set-up-payment"""
    intent = save(client, customer.id)
    assert intent.status == "succeeded"
    mandate = client.v1.mandates.retrieve(str(intent.mandate))
    assert (mandate.status, mandate.type) == ("active", "multi_use")
    saved = client.v1.customers.payment_methods.list(customer.id, {"type": "sepa_debit"}).data
    assert [one.id for one in saved] == [intent.payment_method]


def test_a_set_up_without_acceptance_is_refused(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/sepa-debit/set-up-payment"""
    with refused():
        client.v1.setup_intents.create(
            as_sent(
                {
                    "allowed_payment_method_types": ["sepa_debit"],
                    "confirm": True,
                    "customer": customer.id,
                    "payment_method": account(client, "DE89370400440532013000").id,
                }
            )
        )


def test_a_saved_account_is_debited_off_session_by_its_mandate(
    contract: Stripe, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/payments/sepa-debit/set-up-payment#charge-the-saved-account-later"""
    saved = save(client, customer.id)
    intent = debited(
        contract,
        pay_by(client, "sepa_debit", str(saved.payment_method), customer=customer.id, off_session=True),
    )
    details = charge_of(intent).payment_method_details
    assert details is not None
    assert details.sepa_debit is not None
    assert (intent.status, details.sepa_debit.mandate) == ("succeeded", saved.mandate)


def test_a_payment_may_save_its_account(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/save-during-payment"""
    method = account(client, "DE89370400440532013000")
    pay_by(
        client,
        "sepa_debit",
        method.id,
        customer=customer.id,
        mandate_data=ACCEPTED,
        setup_future_usage="off_session",
    )
    assert client.v1.payment_methods.retrieve(method.id).customer == customer.id


def test_a_detached_accounts_mandate_is_inactive(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/mandates/object#mandate_object-status"""
    saved = save(client, customer.id)
    client.v1.payment_methods.detach(str(saved.payment_method))
    assert client.v1.mandates.retrieve(str(saved.mandate)).status == "inactive"


def test_an_unsaved_account_pays_once(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_methods: a method of no customer serves one payment"""
    method = account(client, "DE89370400440532013000").id
    pay_by(client, "sepa_debit", method, mandate_data=ACCEPTED)
    with refused(says="may not be used again"):
        pay_by(client, "sepa_debit", method, mandate_data=ACCEPTED)


def test_a_refund_to_an_account_pends_and_then_succeeds(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/refunds: bank debits are refunded by a transfer"""
    intent = debited(
        contract, pay_by(client, "sepa_debit", account(client, "DE89370400440532013000").id, mandate_data=ACCEPTED)
    )
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 500})
    assert (refund.status, refund.id[:4]) == ("pending", "pyr_")
    assert contract.later(lambda: client.v1.refunds.retrieve(refund.id).status == "succeeded")


def test_a_pending_debit_cannot_be_refunded(client: stripe.StripeClient) -> None:
    """docs.stripe.com/refunds: there is nothing to refund before the payment succeeds"""
    intent = pay_by(client, "sepa_debit", account(client, "DE08370400440532013003").id, mandate_data=ACCEPTED)
    with refused():
        client.v1.refunds.create({"payment_intent": intent.id})


def test_a_dispute_of_a_debit_is_lost_from_the_start(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/sepa-debit#disputes: within eight weeks they are honoured without a question"""
    intent = pay_by(client, "sepa_debit", account(client, "DE35370400440532013002").id, mandate_data=ACCEPTED)
    debited(contract, intent)
    disputes = contract.later(lambda: client.v1.disputes.list({"payment_intent": intent.id}).data)
    assert (disputes[0].status, disputes[0].amount) == ("lost", 2000)
    assert "charge.dispute.closed" in event_types(client, disputes[0].id)


def test_evidence_does_not_help_against_the_dispute_of_a_debit(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/sepa-debit#disputes: there is no appeal"""
    intent = pay_by(client, "sepa_debit", account(client, "DE35370400440532013002").id, mandate_data=ACCEPTED)
    debited(contract, intent)
    disputes = contract.later(lambda: client.v1.disputes.list({"payment_intent": intent.id}).data)
    with refused():
        client.v1.disputes.update(disputes[0].id, {"evidence": {"uncategorized_text": "winning_evidence"}})


def test_a_debit_in_another_currency_than_the_euro_is_refused(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/sepa-debit: payments are in euros; the message is the one people search for"""
    with refused(says="The payment method type sepa_debit only supports the following currencies: eur"):
        client.v1.payment_intents.create(
            {"amount": 2000, "currency": "usd", "allowed_payment_method_types": ["sepa_debit"]}
        )


def test_a_method_of_a_type_that_is_not_allowed_is_refused(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/create: the message is the one people search for"""
    with refused(says="The PaymentMethod provided (sepa_debit) is not allowed for this PaymentIntent"):
        client.v1.payment_intents.create(
            {
                "amount": 2000,
                "currency": "eur",
                "allowed_payment_method_types": ["card"],
                "payment_method": account(client, "DE89370400440532013000").id,
            }
        )


def test_a_debit_cannot_be_held_for_later_capture(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/place-a-hold-on-a-payment-method: bank debits cannot be held"""
    with refused():
        client.v1.payment_intents.create(
            {
                "amount": 2000,
                "currency": "eur",
                "allowed_payment_method_types": ["sepa_debit"],
                "capture_method": "manual",
            }
        )


def test_a_browser_pays_by_iban_and_accepts_the_mandate_by_paying(
    client: stripe.StripeClient, browser: Browser
) -> None:
    """docs.stripe.com/payments/sepa-debit/accept-a-payment: Stripe.js collects the acceptance"""
    intent = client.v1.payment_intents.create(
        {"amount": 2000, "currency": "eur", "allowed_payment_method_types": ["sepa_debit"]}
    )
    confirmed = browser.post(
        f"/v1/payment_intents/{intent.id}/confirm",
        {
            "client_secret": intent.client_secret,
            "payment_method_data[type]": "sepa_debit",
            "payment_method_data[sepa_debit][iban]": "DE89370400440532013000",
            "payment_method_data[billing_details][name]": "Jenny Rosen",
            "payment_method_data[billing_details][email]": "jenny.rosen@example.com",
            "mandate_data[customer_acceptance][type]": "online",
            "mandate_data[customer_acceptance][online][infer_from_client]": "true",
        },
    )
    assert confirmed["status"] == "processing"


def test_a_browser_does_not_see_the_fingerprint_of_an_account(browser: Browser) -> None:
    """docs.stripe.com/keys (publishable keys)"""
    method = browser.post(
        "/v1/payment_methods",
        {
            "type": "sepa_debit",
            "sepa_debit[iban]": "DE89370400440532013000",
            "billing_details[name]": "Jenny Rosen",
            "billing_details[email]": "jenny.rosen@example.com",
        },
    )
    assert method["sepa_debit"]["last4"] == "3000"
    assert "fingerprint" not in method["sepa_debit"]
