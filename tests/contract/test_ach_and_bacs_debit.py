"""ACH and Bacs Direct Debit: docs.stripe.com/payments/ach-direct-debit, …/bacs-debit and docs.stripe.com/testing."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import stripe

from tests.certain import as_sent
from tests.contract.support import ACCEPTED, Stripe, debited, event_types, pay_by, refused

HOLDER: Any = {
    "name": "Jenny Rosen",
    "email": "jenny.rosen@example.com",
    "address": {"line1": "123 Main Street", "city": "London", "postal_code": "SW1A 1AA", "country": "GB"},
}


def ach(client: stripe.StripeClient, number: str = "000123456789", routing: str = "110000000") -> stripe.PaymentMethod:
    return client.v1.payment_methods.create(
        {
            "type": "us_bank_account",
            "us_bank_account": {
                "account_holder_type": "individual",
                "account_number": number,
                "routing_number": routing,
            },
            "billing_details": HOLDER,
        }
    )


def bacs(client: stripe.StripeClient, number: str = "00012345") -> stripe.PaymentMethod:
    return client.v1.payment_methods.create(
        {
            "type": "bacs_debit",
            "bacs_debit": {"account_number": number, "sort_code": "108800"},
            "billing_details": HOLDER,
        }
    )


def pay_by_ach(client: stripe.StripeClient, number: str = "000123456789", **more: Any) -> stripe.PaymentIntent:
    return pay_by(client, "us_bank_account", ach(client, number).id, currency="usd", mandate_data=ACCEPTED, **more)


def verified(client: stripe.StripeClient, intent: stripe.PaymentIntent) -> stripe.PaymentIntent:
    return client.v1.payment_intents.verify_microdeposits(intent.id, {"amounts": [32, 45]})


def charge_of(intent: stripe.PaymentIntent) -> stripe.Charge:
    assert isinstance(intent.latest_charge, stripe.Charge)
    return intent.latest_charge


def test_an_account_number_makes_a_payment_method(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_methods/object#payment_method_object-us_bank_account"""
    account = ach(client).us_bank_account
    assert account is not None
    assert (account.last4, account.routing_number, account.account_type) == ("6789", "110000000", "checking")


def test_an_account_of_no_test_is_refused(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing#ach-direct-debit"""
    with refused(says="You must use a test bank account number in test mode"):
        ach(client, "000999999991")


def test_an_account_typed_in_by_hand_is_verified_first(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/ach-direct-debit/accept-a-payment: verify_with_microdeposits"""
    intent = pay_by_ach(client)
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.next_action.type == "verify_with_microdeposits"


@pytest.mark.parametrize("given", [{"amounts": [32, 45]}, {"amounts": [45, 32]}, {"descriptor_code": "SM11AA"}])
def test_the_right_deposits_let_the_payment_go_on(client: stripe.StripeClient, given: Any) -> None:
    """docs.stripe.com/testing: test microdeposit amounts and descriptor codes"""
    intent = pay_by_ach(client, "000000000009")
    assert client.v1.payment_intents.verify_microdeposits(intent.id, given).status == "processing"


def test_wrong_deposits_can_be_corrected(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#payment-method-microdeposit-verification-descriptor-code-mismatch"""
    intent = pay_by_ach(client, "000000000009")
    with refused(code="payment_method_microdeposit_verification_descriptor_code_mismatch"):
        client.v1.payment_intents.verify_microdeposits(intent.id, {"descriptor_code": "SM99XX"})
    again = client.v1.payment_intents.verify_microdeposits(intent.id, {"descriptor_code": "SM11AA"})
    assert again.status == "processing"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("SM33CC", "payment_method_microdeposit_verification_attempts_exceeded"),
        ("SM44DD", "payment_method_microdeposit_verification_timeout"),
    ],
)
def test_a_verification_that_is_over_wants_another_account(client: stripe.StripeClient, code: str, error: str) -> None:
    """docs.stripe.com/testing: exceeding the attempts, and a timeout"""
    intent = pay_by_ach(client)
    with suppress(stripe.StripeError):
        client.v1.payment_intents.verify_microdeposits(intent.id, {"descriptor_code": code})
    found = client.v1.payment_intents.retrieve(intent.id)
    assert found.status == "requires_payment_method"
    assert found.last_payment_error is not None
    assert found.last_payment_error.code == error


def test_an_account_to_be_verified_at_once_cannot_be_typed_in(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/ach-direct-debit/accept-a-payment: verification_method instant"""
    with refused():
        pay_by_ach(client, payment_method_options={"us_bank_account": {"verification_method": "instant"}})


def test_an_account_to_which_nothing_can_be_paid_is_not_verified(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing: 000666666661 fails to send microdeposits"""
    with refused(code="payment_method_microdeposit_failed"):
        pay_by_ach(client, "000666666661")


def test_a_payment_by_ach_succeeds_with_a_reference(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/ach-direct-debit/accept-a-payment: payment_reference"""
    intent = debited(contract, verified(client, pay_by_ach(client)))
    details = charge_of(intent).payment_method_details
    assert intent.status == "succeeded"
    assert details is not None
    assert details.us_bank_account is not None
    assert details.us_bank_account.payment_reference


@pytest.mark.parametrize(
    ("number", "code", "returned"),
    [
        ("000111111113", "account_closed", "R02"),
        ("000111111116", "no_account", "R03"),
        ("000222222227", "insufficient_funds", "R01"),
        ("000333333335", "debit_not_authorized", "R10"),
    ],
)
def test_a_payment_by_ach_fails_for_the_accounts_reason(
    contract: Stripe, client: stripe.StripeClient, number: str, code: str, returned: str
) -> None:
    """docs.stripe.com/testing#ach-direct-debit; the network's return codes: docs.stripe.com/declines/network-codes"""
    intent = debited(contract, verified(client, pay_by_ach(client, number)))
    charge, error = charge_of(intent), intent.last_payment_error
    assert (intent.status, charge.failure_code) == ("requires_payment_method", code)
    assert charge.outcome is not None
    assert error is not None
    assert charge.outcome.network_decline_code == error.network_decline_code == returned


def test_a_payment_that_stays_in_processing_can_be_canceled(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing: 000000000009, useful for testing cancellation"""
    intent = verified(client, pay_by_ach(client, "000000000009"))
    assert client.v1.payment_intents.cancel(intent.id).status == "canceled"


def test_a_dispute_by_ach_is_final_and_revokes_the_permission(
    contract: Stripe, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/payments/ach-direct-debit/accept-a-payment#resolving-disputes"""
    intent = verified(
        client, pay_by_ach(client, "000555555559", customer=customer.id, setup_future_usage="off_session")
    )
    paid = debited(contract, intent)
    disputes = contract.later(lambda: client.v1.disputes.list({"payment_intent": intent.id}).data)
    assert disputes[0].status == "lost"
    assert "charge.dispute.closed" in event_types(client, disputes[0].id)
    with refused(says="no existing mandate was found"):
        pay_by(
            client,
            "us_bank_account",
            str(charge_of(paid).payment_method),
            currency="usd",
            customer=customer.id,
            off_session=True,
        )


def test_a_setup_by_ach_is_verified_and_saved(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/ach-direct-debit/set-up-payment"""
    intent = client.v1.setup_intents.create(
        as_sent(
            {
                "allowed_payment_method_types": ["us_bank_account"],
                "confirm": True,
                "customer": customer.id,
                "mandate_data": ACCEPTED,
                "payment_method": ach(client).id,
            }
        )
    )
    assert intent.status == "requires_action"
    done = client.v1.setup_intents.verify_microdeposits(intent.id, {"amounts": [32, 45]})
    assert done.status == "succeeded"
    assert client.v1.payment_methods.retrieve(str(done.payment_method)).customer == customer.id


def test_a_verified_account_is_not_verified_again(
    contract: Stripe, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/payments/ach-direct-debit/set-up-payment"""
    saved = verified(client, pay_by_ach(client, customer=customer.id, setup_future_usage="off_session"))
    method = str(charge_of(debited(contract, saved)).payment_method)
    again = pay_by(client, "us_bank_account", method, currency="usd", customer=customer.id, off_session=True)
    assert again.status in ("processing", "succeeded")


def test_deposits_can_only_be_told_while_they_are_asked_for(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/verify_microdeposits"""
    intent = client.v1.payment_intents.create({"amount": 2000, "currency": "usd"})
    with refused():
        client.v1.payment_intents.verify_microdeposits(intent.id, {"amounts": [32, 45]})


def test_a_sort_code_and_number_make_a_payment_method(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_methods/object#payment_method_object-bacs_debit"""
    account = bacs(client).bacs_debit
    assert account is not None
    assert (account.last4, account.sort_code) == ("2345", "108800")


def test_an_invalid_account_of_bacs_is_refused_at_once(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing#bacs: 00044444"""
    with refused():
        bacs(client, "00044444")


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        ("00012345", "succeeded", None),
        ("22222227", "requires_payment_method", "insufficient_funds"),
        ("33333335", "requires_payment_method", "debit_not_authorized"),
        ("34343434", "requires_payment_method", "charge_exceeds_source_limit"),
    ],
)
def test_a_payment_by_bacs_ends_as_its_account_says(
    contract: Stripe, client: stripe.StripeClient, number: str, status: str, code: str | None
) -> None:
    """docs.stripe.com/testing#bacs-direct-debit"""
    intent = debited(
        contract, pay_by(client, "bacs_debit", bacs(client, number).id, currency="gbp", mandate_data=ACCEPTED)
    )
    assert (intent.status, charge_of(intent).failure_code) == (status, code)


@pytest.mark.parametrize(("number", "status"), [("33333335", "inactive"), ("22222227", "active")])
def test_a_mandate_of_bacs_ends_with_a_debit_that_was_not_allowed(
    contract: Stripe, client: stripe.StripeClient, customer: stripe.Customer, number: str, status: str
) -> None:
    """docs.stripe.com/testing#bacs-direct-debit"""
    intent = debited(
        contract,
        pay_by(
            client,
            "bacs_debit",
            bacs(client, number).id,
            currency="gbp",
            customer=customer.id,
            mandate_data=ACCEPTED,
            setup_future_usage="off_session",
        ),
    )
    details = charge_of(intent).payment_method_details
    assert details is not None
    assert details.bacs_debit is not None
    mandate = client.v1.mandates.retrieve(str(details.bacs_debit.mandate))
    assert mandate.status == status


def test_a_refused_mandate_of_bacs_is_inactive(
    contract: Stripe, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/testing#bacs-direct-debit: 00033333"""
    intent = client.v1.setup_intents.create(
        as_sent(
            {
                "allowed_payment_method_types": ["bacs_debit"],
                "confirm": True,
                "customer": customer.id,
                "mandate_data": ACCEPTED,
                "payment_method": bacs(client, "00033333").id,
            }
        )
    )
    mandate = str(intent.mandate)
    assert contract.later(lambda: client.v1.mandates.retrieve(mandate).status == "inactive")
    assert "mandate.updated" in event_types(client, mandate)
