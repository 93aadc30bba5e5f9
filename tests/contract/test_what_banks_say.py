"""What a bank says when it refuses a card: codes, advice, the detail at fault, and what it has checked.

Where a test says "as Stripe answers", the words or codes were recorded in test mode at the version named; its documentation has none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import stripe

from tests.certain import present
from tests.contract.support import Account, Browser, Stripe, intend, pay, refused, save_card


class Refusal(NamedTuple):
    """One test card and what its bank says. None means that the error does not have the field."""

    name: str
    number: str
    code: str
    message: str
    decline_code: str
    advice_code: str | None = None
    network_decline_code: str | None = None
    network_advice_code: str | None = None
    param: str | None = None


DECLINED = "Your card was declined."
REFUSALS = [
    Refusal(
        "visa_chargeDeclined", "4000000000000002", "card_declined", DECLINED, "generic_decline", "try_again_later", "01"
    ),
    Refusal(
        "visa_chargeDeclinedInsufficientFunds",
        "4000000000009995",
        "card_declined",
        "Your card has insufficient funds.",
        "insufficient_funds",
        "try_again_later",
        "51",
        "02",
    ),
    Refusal(
        "visa_chargeDeclinedLostCard",
        "4000000000009987",
        "card_declined",
        DECLINED,
        "lost_card",
        "do_not_try_again",
        "41",
        "01",
    ),
    Refusal(
        "visa_chargeDeclinedStolenCard",
        "4000000000009979",
        "card_declined",
        DECLINED,
        "stolen_card",
        "do_not_try_again",
        "43",
        "01",
    ),
    Refusal(
        "chargeDeclinedExpiredCard",
        "4000000000000069",
        "expired_card",
        "Your card has expired.",
        "expired_card",
        "confirm_card_data",
        "54",
        "03",
        "exp_month",
    ),
    Refusal(
        "chargeDeclinedIncorrectCvc",
        "4000000000000127",
        "incorrect_cvc",
        "Your card's security code is incorrect.",
        "incorrect_cvc",
        "confirm_card_data",
        "N7",
        "03",
        "cvc",
    ),
    Refusal(
        "chargeDeclinedProcessingError",
        "4000000000000119",
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
        "processing_error",
        "try_again_later",
        "06",
    ),
    Refusal(
        "visa_chargeDeclinedVelocityLimitExceeded",
        "4000000000006975",
        "card_declined",
        "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
        "card_velocity_exceeded",
        "try_again_later",
        "61",
        "02",
    ),
]
each_refusal = pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.decline_code)
CODES = ("code", "decline_code", "advice_code", "network_decline_code", "network_advice_code")


def error_of(errors: list[stripe.StripeError]) -> dict[str, Any]:
    """The error as it stands in the answer."""
    body = errors[0].json_body
    assert isinstance(body, dict)
    return dict(body["error"])


def codes(error: Any) -> tuple[Any, ...]:
    return tuple(error.get(name) for name in CODES)


@each_refusal
def test_a_refusal_names_its_reason_and_what_to_do(client: stripe.StripeClient, refusal: Refusal) -> None:
    """docs.stripe.com/declines/card and docs.stripe.com/declines/codes; network codes as Stripe answers at 2026-06-24.dahlia"""
    with refused(402) as errors:
        pay(client, f"pm_card_{refusal.name}")
    error = error_of(errors)
    assert codes(error) == tuple(getattr(refusal, name) for name in CODES)
    assert error["message"] == refusal.message
    assert error.get("param") == refusal.param


@each_refusal
def test_the_intent_keeps_what_the_bank_said(client: stripe.StripeClient, refusal: Refusal) -> None:
    """docs.stripe.com/api/payment_intents/object#payment_intent_object-last_payment_error"""
    intent = intend(client)
    with refused(402):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": f"pm_card_{refusal.name}"})
    kept = client.v1.payment_intents.retrieve(intent.id).last_payment_error
    assert kept is not None
    assert codes(kept.to_dict()) == tuple(getattr(refusal, name) for name in CODES)


@each_refusal
def test_the_charge_keeps_what_the_network_said(client: stripe.StripeClient, refusal: Refusal) -> None:
    """docs.stripe.com/api/charges/object#charge_object-outcome"""
    intent = intend(client)
    with refused(402):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": f"pm_card_{refusal.name}"})
    outcome = client.v1.charges.list({"payment_intent": intent.id}).data[0].outcome
    assert outcome is not None
    assert (outcome.type, outcome.network_status, outcome.reason) == (
        "issuer_declined",
        "declined_by_network",
        refusal.decline_code,
    )
    assert (outcome.advice_code, outcome.network_decline_code, outcome.network_advice_code) == (
        refusal.advice_code,
        refusal.network_decline_code,
        refusal.network_advice_code,
    )


@each_refusal
def test_a_card_that_is_refused_is_not_attached(
    client: stripe.StripeClient, customer: stripe.Customer, refusal: Refusal
) -> None:
    """docs.stripe.com/testing#declined-payments; the empty `param` as Stripe answers at 2025-10-29.clover"""
    with refused(402, code=refusal.code) as errors:
        save_card(client, customer.id, f"pm_card_{refusal.name}")
    assert error_of(errors)["param"] == (refusal.param or "")
    assert client.v1.customers.payment_methods.list(customer.id).data == []


@each_refusal
def test_no_customer_is_made_with_a_card_that_is_refused(
    client: stripe.StripeClient, browser: Browser, refusal: Refusal
) -> None:
    """docs.stripe.com/api/customers/create#create_customer-payment_method; `param` as Stripe answers at 2023-10-16"""
    method = browser.card(refusal.number)["id"]
    email = f"{method}@example.com"
    with refused(402, code=refusal.code) as errors:
        client.v1.customers.create({"payment_method": method, "email": email})
    assert error_of(errors)["param"] == (refusal.param or "")


def test_a_setup_says_what_the_bank_said(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/setup_intents/object#setup_intent_object-last_setup_error"""
    with refused(402, code="expired_card", param="exp_month") as errors:
        client.v1.setup_intents.create(
            {
                "customer": customer.id,
                "payment_method": "pm_card_chargeDeclinedExpiredCard",
                "confirm": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
    assert error_of(errors)["advice_code"] == "confirm_card_data"


def test_a_payment_that_stripe_stops_has_no_word_of_the_network(client: stripe.StripeClient) -> None:
    """docs.stripe.com/declines#blocked-payments"""
    with refused(402, code="card_declined") as errors:
        pay(client, "pm_card_radarBlock")
    error = error_of(errors)
    assert (error["decline_code"], error["message"]) == ("fraudulent", DECLINED)
    assert "network_decline_code" not in error


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("visa_chargeDeclined", "The bank did not return any further details with this decline."),
        ("visa_chargeDeclinedInsufficientFunds", "The bank returned the decline code `insufficient_funds`."),
    ],
)
def test_the_seller_is_told_in_words(client: stripe.StripeClient, name: str, said: str) -> None:
    """docs.stripe.com/api/charges/object#charge_object-outcome-seller_message"""
    intent = intend(client)
    with refused(402):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": f"pm_card_{name}"})
    outcome = client.v1.charges.list({"payment_intent": intent.id}).data[0].outcome
    assert outcome is not None
    assert outcome.seller_message == said


# What was checked of a card


def checks_of(client: stripe.StripeClient, method: str) -> dict[str, Any]:
    card = client.v1.payment_methods.retrieve(method).card
    assert card is not None
    assert card.checks is not None
    return card.checks.to_dict()


def test_a_typed_card_is_unchecked_until_it_is_used(client: stripe.StripeClient, browser: Browser) -> None:
    """docs.stripe.com/api/payment_methods/object#payment_method_object-card-checks, as Stripe answers at 2023-10-16"""
    method = browser.card("4242424242424242", **{"billing_details[address][postal_code]": "10115"})["id"]
    assert checks_of(client, method) == {
        "address_line1_check": None,
        "address_postal_code_check": "unchecked",
        "cvc_check": "unchecked",
    }


def test_a_card_that_has_paid_is_checked(
    client: stripe.StripeClient, browser: Browser, customer: stripe.Customer
) -> None:
    """docs.stripe.com/api/payment_methods/object#payment_method_object-card-checks"""
    method = browser.card(
        "4242424242424242",
        **{"billing_details[address][postal_code]": "10115", "billing_details[address][line1]": "Main street 1"},
    )["id"]
    pay(client, method, customer=customer.id, setup_future_usage="off_session")
    assert set(checks_of(client, method).values()) == {"pass"}


def test_a_test_cards_name_counts_as_given_with_its_code(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/testing, as Stripe answers at 2025-10-29.clover"""
    assert checks_of(client, save_card(client, customer.id).id)["cvc_check"] == "pass"


@each_refusal
def test_a_refusal_shows_the_method_with_its_checks(client: stripe.StripeClient, refusal: Refusal) -> None:
    """docs.stripe.com/api/errors#errors-payment_method, as Stripe answers at 2026-06-24.dahlia"""
    with refused(402) as errors:
        pay(client, f"pm_card_{refusal.name}")
    assert error_of(errors)["payment_method"]["card"]["checks"]["cvc_check"] == "pass"


# Rules of Radar, which an account switches on and off: either answer is right, but each must be whole


def blocked_or_paid(client: stripe.StripeClient, method: str) -> tuple[stripe.Charge, dict[str, Any] | None]:
    intent = intend(client)
    try:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": method})
        error = None
    except stripe.CardError as problem:
        error = error_of([problem])
    return client.v1.charges.list({"payment_intent": intent.id}).data[0], error


@pytest.mark.parametrize(
    ("number", "check", "code", "param"),
    [
        ("4000000000000101", "cvc_check", "incorrect_cvc", "cvc"),
        ("4000000000000036", "address_postal_code_check", "incorrect_zip", "address_zip"),
    ],
)
def test_a_failed_check_is_blocked_by_a_rule_or_paid_and_shown(
    client: stripe.StripeClient, browser: Browser, number: str, check: str, code: str, param: str
) -> None:
    """docs.stripe.com/testing#fraud-prevention and docs.stripe.com/radar/rules; the error as Stripe answers at 2023-10-16"""
    method = browser.card(number, **{"billing_details[address][postal_code]": "12345"})["id"]
    charge, error = blocked_or_paid(client, method)
    assert charge.payment_method_details is not None
    assert charge.payment_method_details.card is not None
    assert present(charge.payment_method_details.card.checks)[check] == "fail"
    if error is None:
        assert charge.paid
        return
    assert (error["code"], error["param"]) == (code, param)
    assert charge.outcome is not None
    assert (charge.outcome.type, charge.failure_code) == ("blocked", code)


@pytest.mark.parametrize(
    ("setting", "number"),
    [("blocks_failed_cvc", "4000000000000101"), ("blocks_failed_postal_code", "4000000000000036")],
)
def test_without_its_rule_a_failed_check_is_paid(
    account: Account, client: stripe.StripeClient, browser: Browser, setting: str, number: str
) -> None:
    """docs.stripe.com/radar/rules"""
    method = browser.card(number, **{"billing_details[address][postal_code]": "12345"})["id"]
    with account.set(**{setting: "no"}):
        charge, error = blocked_or_paid(client, method)
    assert (charge.paid, error) == (True, None)


# India: a bank that wants a mandate


def test_a_card_of_india_asks_its_holder_first(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/india-recurring-payments#testing"""
    intent = pay(client, "pm_card_indiaRecurringMandateSetupAndRenewalsSuccess", customer=customer.id)
    assert intent.status == "requires_action"


def saved_in_india(client: stripe.StripeClient, customer: stripe.Customer, name: str) -> Any:
    setup = client.v1.setup_intents.create(
        {
            "customer": customer.id,
            "payment_method": f"pm_card_{name}",
            "confirm": True,
            "usage": "off_session",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    assert setup.status == "succeeded"
    return setup.payment_method


def test_a_card_of_india_is_kept_without_asking_where_there_is_no_mandate(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/india-recurring-payments; as recorded at 2023-10-16"""
    assert saved_in_india(client, customer, "indiaRecurringMandateSetupAndRenewalsSuccess")


def test_a_mandate_that_its_holder_canceled_is_refused_without_a_charge(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/error-codes#india-recurring-payment-mandate-canceled; words of 2023-10-16"""
    card = saved_in_india(client, customer, "indiaRecurringPaymentFailureCanceledMandate")
    with refused(
        402,
        code="india_recurring_payment_mandate_canceled",
        says="The provided mandate has been canceled by the card holder.",
    ) as errors:
        pay(client, card, customer=customer.id, off_session=True)
    intent: Any = errors[0].json_body["error"]["payment_intent"]  # type: ignore[index]
    assert (intent["status"], intent["latest_charge"]) == ("requires_payment_method", None)


def test_a_later_payment_in_india_waits_for_the_banks_notice(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """docs.stripe.com/india-recurring-payments: 26 hours before the debit; as recorded at 2023-10-16 there is no charge yet"""
    card = saved_in_india(client, customer, "indiaRecurringMandateSetupAndRenewalsSuccess")
    intent: Any = pay(client, card, customer=customer.id, off_session=True)
    assert (intent.status, intent.latest_charge) == ("processing", None)
    notice = intent.processing.card.customer_notification
    assert notice.completes_at > intent.created + 24 * 3600


def test_what_a_mandate_of_a_card_may_say_is_kept(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/setup_intents/object#setup_intent_object-payment_method_options-card-mandate_options; recorded 2023-10-16"""
    setup: Any = client.v1.setup_intents.create(
        {
            "payment_method_options": {
                "card": {
                    "mandate_options": {
                        "amount": 1000,
                        "amount_type": "maximum",
                        "currency": "usd",
                        "interval": "sporadic",
                        "reference": "Mandate-1",
                        "start_date": 1703442600,
                        "supported_types": ["india"],
                    }
                }
            }
        }
    )
    assert setup.payment_method_options.card.mandate_options.to_dict() == {
        "amount": 1000,
        "amount_type": "maximum",
        "currency": "usd",
        "description": None,
        "end_date": None,
        "interval": "sporadic",
        "interval_count": None,
        "reference": "Mandate-1",
        "start_date": 1703442600,
        "supported_types": ["india"],
    }


def test_an_indian_card_asks_when_it_is_kept(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing#international-cards; as recorded at 2023-10-16"""
    setup = client.v1.setup_intents.create(
        {
            "payment_method": "pm_card_in",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    assert setup.status == "requires_action"
    assert pay(client, "pm_card_in").status == "succeeded"


def test_what_stripe_blocks_no_bank_has_checked(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing#fraud-prevention; as recorded at 2023-10-16"""
    with refused(402) as errors:
        pay(client, "pm_card_radarBlock")
    error: Any = errors[0].json_body["error"]  # type: ignore[index]
    assert error["payment_method"]["card"]["checks"]["cvc_check"] == "unavailable"


def test_american_express_is_shown_by_its_whole_name(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/testing#cards; names, last digits and display_brand as recorded at 2025-10-29.clover"""
    for name, last4, brand in (
        ("amex", "8431", "american_express"),
        ("discover", "9424", "discover"),
        ("visa", "4242", "visa"),
    ):
        card: Any = client.v1.payment_methods.attach(f"pm_card_{name}", {"customer": customer.id}).card
        assert (card.last4, card.display_brand, card.three_d_secure_usage.supported) == (last4, brand, True)


@pytest.mark.parametrize("number", ["4000003560000123", "4000003560000263"])
def test_cards_of_india_are_issued_there(browser: Browser, number: str) -> None:
    """docs.stripe.com/india-recurring-payments#testing"""
    assert browser.card(number)["card"]["country"] == "IN"


# 3-D Secure on request


@pytest.mark.parametrize(("asked", "status"), [("any", "requires_action"), ("automatic", "succeeded")])
def test_an_optional_card_authenticates_when_it_is_asked_for(
    client: stripe.StripeClient, asked: str, status: str
) -> None:
    """docs.stripe.com/payments/3d-secure/authentication-flow#manual-three-ds"""
    options = {"card": {"request_three_d_secure": asked}}
    assert pay(client, "pm_card_threeDSecureOptional", payment_method_options=options).status == status


def test_a_setup_can_ask_for_authentication_as_well(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/payments/3d-secure/authentication-flow#manual-three-ds"""
    intent = client.v1.setup_intents.create(
        {
            "customer": customer.id,
            "payment_method": "pm_card_threeDSecureOptional",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "payment_method_options": {"card": {"request_three_d_secure": "any"}},
        }
    )
    assert intent.status == "requires_action"


def test_a_card_that_is_not_enrolled_pays_without_being_asked(client: stripe.StripeClient) -> None:
    """docs.stripe.com/testing#three-ds-cards (4242 4242 4242 4242)"""
    options = {"card": {"request_three_d_secure": "any"}}
    assert pay(client, payment_method_options=options).status == "succeeded"


def test_a_refusal_reaches_an_app_without_the_sdk(contract: Stripe) -> None:
    """docs.stripe.com/api/errors"""
    answer = contract.raw(
        "POST",
        "/v1/payment_intents",
        {
            "amount": "2000",
            "currency": "eur",
            "confirm": "true",
            "payment_method": "pm_card_chargeDeclinedExpiredCard",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
        },
    )
    error = answer.json()["error"]
    assert answer.status_code == 402
    assert error["payment_intent"]["last_payment_error"]["advice_code"] == "confirm_card_data"
    assert error["charge"] == error["payment_intent"]["latest_charge"]
