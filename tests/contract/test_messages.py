"""The words of Stripe's refusals, because people search for them.

The words were recorded in test mode at the version named in each test; the documentation names only the error's code.
"""

from __future__ import annotations

import pytest
import stripe

from tests.certain import as_sent
from tests.contract.support import Account, Browser, Stripe, intend, param_of, pay, refused, save_card


def says(contract: Stripe, path: str, status: int = 404, **headers: str) -> str:
    answer = contract.raw("GET", path, **headers)
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["message"])


def begin_setup(client: stripe.StripeClient, **more: str | bool) -> stripe.SetupIntent:
    return client.v1.setup_intents.create(
        as_sent({"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}, **more})
    )


def test_a_paid_intent_cannot_be_canceled(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#payment-intent-unexpected-state; words of 2023-10-16"""
    with refused(
        code="payment_intent_unexpected_state",
        says="You cannot cancel this PaymentIntent because it has a status of succeeded. Only a PaymentIntent with one of the following "
        "statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, requires_action, processing.",
    ):
        client.v1.payment_intents.cancel(pay(client).id)


def test_an_intent_that_holds_nothing_cannot_be_captured(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#payment-intent-unexpected-state; words of 2023-10-16"""
    with refused(
        code="payment_intent_unexpected_state",
        says="This PaymentIntent could not be captured because it has a status of requires_payment_method. Only a PaymentIntent with one "
        "of the following statuses may be captured: requires_capture.",
    ):
        client.v1.payment_intents.capture(intend(client).id)


def test_a_finished_setup_cannot_be_canceled(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#setup-intent-unexpected-state; words of 2023-10-16"""
    done = begin_setup(client, payment_method="pm_card_visa", confirm=True)
    with refused(
        code="setup_intent_unexpected_state",
        says="You cannot cancel this SetupIntent because it has a status of succeeded. Only a SetupIntent with one of the following "
        "statuses may be canceled: `requires_payment_method`, `requires_confirmation`, or `requires_action`.",
    ):
        client.v1.setup_intents.cancel(done.id)


def test_a_canceled_setup_is_not_canceled_again(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#setup-intent-unexpected-state; words of 2023-10-16, with Stripe's slip of the pen"""
    canceled = client.v1.setup_intents.cancel(begin_setup(client).id)
    with refused(says="You cannot cancel this SetupIntent because it it already canceled."):
        client.v1.setup_intents.cancel(canceled.id)


def test_a_finished_setup_is_not_confirmed_again(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#setup-intent-unexpected-state; words of 2026-08-26.dahlia"""
    done = begin_setup(client, payment_method="pm_card_visa", confirm=True)
    with refused(
        code="setup_intent_unexpected_state",
        says="You cannot confirm this SetupIntent because it has already succeeded.",
    ):
        client.v1.setup_intents.confirm(done.id, {"payment_method": "pm_card_visa"})


def test_a_finished_setup_takes_no_other_method(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#setup-intent-unexpected-state; words of 2026-08-26.dahlia"""
    done = begin_setup(client, payment_method="pm_card_visa", confirm=True)
    with refused(says="You cannot update this SetupIntent because it has already succeeded."):
        client.v1.setup_intents.update(done.id, {"payment_method": "pm_card_mastercard"})


def test_a_setup_without_a_method_says_how_to_bring_one(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#setup-intent-unexpected-state; words of 2026-08-26.dahlia"""
    with refused(
        code="setup_intent_unexpected_state",
        says="it's missing a payment method. You can either update the SetupIntent with a payment method and then confirm it again, or "
        "confirm it again directly with a payment method or ConfirmationToken.",
    ):
        client.v1.setup_intents.confirm(begin_setup(client).id)


def test_anothers_card_is_not_used(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_intents/create#create_payment_intent-payment_method; words of 2026-08-26.dahlia"""
    card = save_card(client, customer.id)
    other = client.v1.customers.create()
    with refused(
        param="payment_method",
        says=f"The PaymentMethod {card.id} does not belong to the Customer you supplied {other.id}.",
    ):
        intend(client, customer=other.id, payment_method=card.id)


@pytest.mark.parametrize("noun", ["PaymentIntent", "SetupIntent"])
def test_a_customers_card_is_used_with_its_customer(
    client: stripe.StripeClient, customer: stripe.Customer, noun: str
) -> None:
    """docs.stripe.com/api/setup_intents/create#create_setup_intent-payment_method; words of 2026-08-26.dahlia"""
    card = save_card(client, customer.id).id
    with refused(
        param="payment_method",
        says=f"belongs to the Customer {customer.id}. Please include the Customer in the `customer` parameter on the {noun}.",
    ):
        if noun == "PaymentIntent":
            intend(client, payment_method=card)
        else:
            begin_setup(client, payment_method=card)


def test_a_refund_that_went_through_is_not_canceled(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/cancel; words of 2026-08-26.dahlia"""
    refund = client.v1.refunds.create({"payment_intent": pay(client).id})
    with refused(says="Canceling this refund is unsupported."):
        client.v1.refunds.cancel(refund.id)


def test_a_refund_of_an_unknown_charge_is_not_found(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#resource-missing; status and `param` of 2026-08-26.dahlia"""
    with refused(404, code="resource_missing", param="id", says="No such charge: 'ch_none'"):
        client.v1.refunds.create({"charge": "ch_none"})


def test_a_closed_dispute_is_closed(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/disputes/close; words of 2026-08-26.dahlia"""
    intent = pay(client, "pm_card_createDispute")
    (dispute,) = contract.later(lambda: client.v1.disputes.list({"payment_intent": intent.id}).data)
    client.v1.disputes.close(dispute.id)
    with refused(says="This dispute is already closed"):
        client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "late"}})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/customers/cus_none", "No such customer: 'cus_none'"),
        ("/v1/charges/ch_none", "No such charge: 'ch_none'"),
        ("/v1/payment_intents/pi_none", "No such payment_intent: 'pi_none'"),
        ("/v1/setup_intents/seti_none", "No such setupintent: 'seti_none'"),
        ("/v1/payment_methods/pm_none", "No such PaymentMethod: 'pm_none'"),
        ("/v1/refunds/re_none", "No such refund: 're_none'"),
        ("/v1/disputes/du_none", "No such dispute: 'du_none'"),
        ("/v1/events/evt_none", "No such event: 'evt_none'"),
        ("/v1/balance_transactions/txn_none", "No such balance transaction: 'txn_none'"),
        ("/v1/webhook_endpoints/we_none", "No such webhook endpoint: 'we_none'"),
    ],
)
def test_what_is_not_there_is_named_as_stripe_names_it(contract: Stripe, path: str, message: str) -> None:
    """docs.stripe.com/error-codes#resource-missing; words of 2023-10-16 and 2026-06-24.dahlia"""
    # Stripe may add where else the object exists.
    assert says(contract, path).startswith(message)


@pytest.mark.parametrize("written", ["does+not+exist", "does%20not%20exist"])
def test_an_id_in_an_address_is_decoded(contract: Stripe, written: str) -> None:
    """docs.stripe.com/error-codes#resource-missing; as Stripe answers at 2023-10-16"""
    assert says(contract, f"/v1/payment_intents/{written}") == "No such payment_intent: 'does not exist'"


def test_an_amount_that_saves_a_card_alone_is_told_of_setup_intents(client: stripe.StripeClient) -> None:
    """docs.stripe.com/currencies#minimum-and-maximum-charge-amounts; words of 2026-03-25.dahlia"""
    with refused(param="amount", says="use a Setup Intent instead: https://docs.stripe.com/payments/setup-intents"):
        intend(client, amount=0)


def test_nobody_pays_and_saves_while_the_holder_is_away(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_intents/confirm#confirm_payment_intent-off_session"""
    with refused(says="You cannot confirm with `off_session=true` when `setup_future_usage` is also set"):
        pay(client, customer=customer.id, off_session=True, setup_future_usage="off_session")


def test_a_holder_may_be_away_without_a_customer(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/confirm#confirm_payment_intent-off_session: it asks for no customer"""
    assert pay(client, off_session=True).status == "succeeded"


def test_a_card_that_asks_declines_while_its_holder_is_away(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#authentication-required, without a customer as well"""
    with refused(402, code="authentication_required"):
        pay(client, "pm_card_authenticationRequired", off_session=True)


# Accounts and versions


def test_an_account_that_the_key_does_not_reach_is_refused(contract: Stripe) -> None:
    """docs.stripe.com/error-codes#account-invalid and docs.stripe.com/connect/authentication"""
    answer = contract.raw("GET", "/v1/customers", Stripe_Account="acct_1SomebodyElse")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (403, "invalid_request_error", "account_invalid")
    assert "does not have access to account 'acct_1SomebodyElse' (or that account does not exist)" in error["message"]
    assert contract.key not in error["message"]


def test_naming_the_keys_own_account_changes_nothing(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/connect/authentication"""
    own = contract.raw("GET", "/v1/account").json()["id"]
    made = client.v1.customers.create({"email": "own@example.com"})
    assert contract.raw("GET", f"/v1/customers/{made.id}", Stripe_Account=own).json()["id"] == made.id


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_version_two_answers_in_json(contract: Stripe, method: str) -> None:
    """docs.stripe.com/api-v2-overview"""
    answer = contract.raw(method, "/v2/unicorns", None if method != "POST" else "{}", Content_Type="application/json")
    assert answer.status_code in (400, 404)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "message" in answer.json()["error"]


def test_an_object_that_another_request_holds_asks_to_try_again(contract: Stripe, account: Account) -> None:
    """docs.stripe.com/rate-limits#object-lock-timeouts; recorded answers are all 429, none 409"""
    account.control("faults", fault="conflict", path="/v1/customers/*", method="*", times="1")
    answer = contract.raw("GET", "/v1/customers/cus_held")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (429, "invalid_request_error", "lock_timeout")
    assert answer.headers["Stripe-Should-Retry"] == "true"


def test_more_than_the_charge_is_not_refunded(client: stripe.StripeClient) -> None:
    """docs.stripe.com/refunds; words of 2023-10-16, which change once a part was given back"""
    intent = pay(client, currency="usd", amount=1000)
    with refused(param="amount", says="Refund amount ($11.00) is greater than charge amount ($10.00)"):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 1100})
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 500})
    with refused(says="Refund amount ($6.00) is greater than unrefunded amount on charge ($5.00)"):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 600})


def test_a_failed_postal_code_check_says_what_to_do(client: stripe.StripeClient, browser: Browser) -> None:
    """docs.stripe.com/radar/rules#traditional-bank-checks; words of 2023-10-16"""
    card = browser.card("4000000000000036", **{"billing_details[address][postal_code]": "12345"})
    with refused(
        402,
        code="incorrect_zip",
        param="address_zip",
        says="Your card could not be authorized using the postal code provided. Please update the postal code, or contact your card issuer "
        "for further details.",
    ):
        pay(client, card["id"])


def test_keys_of_an_array_begin_at_zero(contract: Stripe) -> None:
    """docs.stripe.com/api/expanding_objects; words of December 2024"""
    answer = contract.raw("GET", "/v1/payment_intents", {"expand[1]": "data.customer"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "expand")
    assert error["message"].endswith(
        "the keys must be numeric and sequential starting from 0. You passed the keys `1`, we expected to have a key with the value `0`."
    )


def test_keys_of_metadata_may_be_numbers(client: stripe.StripeClient) -> None:
    """docs.stripe.com/metadata: keys are texts of the account's own"""
    for metadata in ({"0": "a", "1": "b"}, {"7": "c"}):
        assert client.v1.customers.create({"metadata": metadata}).metadata.to_dict() == metadata  # type: ignore[union-attr]


def test_errors_of_spent_and_attached_methods_name_no_parameter(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/api/payment_methods/attach; recorded at 2020-08-27 and 2023-10-16 without `param`"""
    method = pay(client).payment_method
    with refused(says="The provided PaymentMethod was previously used") as spent:
        pay(client, str(method))
    card = save_card(client, customer.id)
    other = client.v1.customers.create()
    with refused(says="has already been attached to a customer") as attached:
        client.v1.payment_methods.attach(card.id, {"customer": other.id})
    assert [param_of(error) for error in (*spent, *attached)] == [None, None]


def test_a_declined_attachment_does_not_show_the_method(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/payment_methods/attach; recorded at 2025-10-29.clover"""
    with refused(402, code="card_declined") as errors:
        save_card(client, customer.id, "pm_card_chargeDeclined")
    assert "payment_method" not in errors[0].json_body["error"]  # type: ignore[index]


def test_off_session_that_is_switched_off_needs_no_confirmation(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/create#create_payment_intent-off_session; recorded at 2023-10-16"""
    assert intend(client, off_session=False, payment_method="pm_card_visa").status == "requires_confirmation"


def test_a_list_inside_of_an_object_says_how_long_it_is(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/charges/object; `total_count` as recorded at 2025-10-29.clover"""
    intent = pay(client)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 500})
    refunds = client.v1.charges.retrieve(str(intent.latest_charge), {"expand": ["refunds"]}).refunds
    assert refunds is not None
    assert refunds.to_dict()["total_count"] == 1


def test_a_refund_is_made_at_its_charges_address_too(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/refunds/create; the older address, as recorded at 2020-08-27"""
    charge = pay(client).latest_charge
    answer = contract.raw("POST", f"/v1/charges/{charge}/refunds", {"amount": "500"})
    assert answer.status_code == 200
    assert (answer.json()["object"], answer.json()["charge"]) == ("refund", charge)


def test_a_hold_stays_dated_when_it_was_captured(client: stripe.StripeClient) -> None:
    """docs.stripe.com/payments/place-a-hold-on-a-payment-method; `capture_before` as recorded at 2025-10-29.clover"""
    held = pay(client, capture_method="manual", expand=["latest_charge"])
    card = held.latest_charge.payment_method_details.card  # type: ignore[union-attr]
    assert card.incremental_authorization.status == "unavailable"  # type: ignore[union-attr]
    client.v1.payment_intents.capture(held.id)
    charge = client.v1.charges.retrieve(held.latest_charge.id)  # type: ignore[union-attr]
    assert charge.payment_method_details.card.capture_before == card.capture_before  # type: ignore[union-attr]


def test_managed_payments_are_off(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_intents/object#payment_intent_object-managed_payments; recorded at 2026-06-24.dahlia"""
    assert intend(client).managed_payments.to_dict() == {"enabled": False}  # type: ignore[union-attr]


def test_ideal_knows_the_bic_of_a_bank_that_was_named(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_methods/object#payment_method_object-ideal; recorded at 2025-10-29.clover"""
    method = client.v1.payment_methods.create({"type": "ideal", "ideal": {"bank": "abn_amro"}})
    assert method.ideal is not None
    assert method.ideal.bic == "ABNANL2A"


def test_nobodys_sources_and_connected_accounts_are_empty_lists(
    contract: Stripe, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/api/sources and docs.stripe.com/api/accounts/list"""
    for path in ("/v1/accounts", f"/v1/customers/{customer.id}/sources", f"/v1/customers/{customer.id}/tax_ids"):
        answer = contract.raw("GET", path)
        assert (answer.status_code, answer.json()["data"]) == (200, [])


def test_a_captured_intent_is_not_captured_again(client: stripe.StripeClient) -> None:
    """docs.stripe.com/error-codes#payment-intent-unexpected-state; words of 2019-12 to 2022-03"""
    with refused(
        code="payment_intent_unexpected_state",
        says="This PaymentIntent could not be captured because it has already been captured.",
    ):
        client.v1.payment_intents.capture(pay(client).id)


def test_a_charge_is_captured_through_its_intent(contract: Stripe, client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/charges/capture; words of 2020-12"""
    held = pay(client, capture_method="manual")
    for charge, says in (
        (
            held.latest_charge,
            f"was created by a PaymentIntent ({held.id}). You must capture the PaymentIntent instead.",
        ),
        (pay(client).latest_charge, "has already been captured."),
    ):
        answer = contract.raw("POST", f"/v1/charges/{charge}/capture")
        assert answer.status_code == 400
        assert says in answer.json()["error"]["message"]


def test_a_customer_without_a_discount_has_none_to_lose(contract: Stripe, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/discounts/delete"""
    answer = contract.raw("DELETE", f"/v1/customers/{customer.id}/discount")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"No active discount for customer: {customer.id}"
