"""Every response is what the SDK's types say, and every parameter the SDK sends is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import stripe

from portal.sandbox.catalogue import ROUTES
from portal.sandbox.event_types import EVENT_TYPES
from portal.sandbox.params import Choice, Either, Gone, Hash, ListOf, Reader
from portal.sandbox.resources.payment_method_types import TYPES
from portal.sandbox.resources.testaccounts import BY_NAME
from portal.sandbox.routes import Route
from tests.certain import as_sent
from tests.sandbox import sdk_types
from tests.sandbox.conftest import FAST, RunningSandbox, start
from tests.waiting import eventually

LISTS = [
    "/v1/customers",
    "/v1/payment_intents",
    "/v1/setup_intents",
    "/v1/charges",
    "/v1/refunds",
    "/v1/disputes",
    "/v1/payouts",
    "/v1/balance_transactions",
    "/v1/events",
    "/v1/webhook_endpoints",
    "/v1/radar/early_fraud_warnings",
    "/v1/payment_method_configurations",
    "/v1/payment_method_domains",
]
EXPANSIONS = {
    "/v1/payment_intents": ["data.latest_charge.balance_transaction", "data.customer", "data.payment_method"],
    "/v1/charges": ["data.refunds", "data.payment_intent", "data.customer", "data.balance_transaction"],
    "/v1/refunds": [
        "data.charge",
        "data.balance_transaction",
        "data.failure_balance_transaction",
        "data.payment_intent",
    ],
    "/v1/disputes": ["data.charge", "data.payment_intent"],
    "/v1/balance_transactions": ["data.source"],
    "/v1/setup_intents": ["data.latest_attempt", "data.payment_method", "data.customer"],
    "/v1/payouts": ["data.balance_transaction", "data.destination"],
    "/v1/radar/early_fraud_warnings": ["data.charge"],
}


def _attempt(call: Any) -> None:
    try:
        call()
    except stripe.StripeError:
        return


def live_a_little(sandbox: RunningSandbox) -> None:
    """Bring every kind of object into many of its states."""
    v1 = sandbox.client.v1
    for name in ("pay.nordlicht.com", "localhost"):
        v1.payment_method_domains.create({"domain_name": name})
    address: Any = {"line1": "Main street 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}
    customer = v1.customers.create(
        {
            "email": "a@example.com",
            "name": "Ada",
            "address": address,
            "shipping": {"name": "Ada", "address": address},
            "payment_method": "pm_card_visa",
        }
    )
    card = v1.customers.payment_methods.list(customer.id).data[0]
    v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})
    v1.payment_methods.update(card.id, as_sent({"billing_details": {"address": address}}))
    v1.customers.delete(v1.customers.create().id)
    v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/nobody", "enabled_events": ["*"]})
    intents = {
        name: sandbox.pay(name)
        for name in (
            "pm_card_visa pm_card_bypassPending pm_card_pendingRefund pm_card_refundFail pm_card_createDispute "
            "pm_card_createDisputeInquiry "
            "pm_card_createIssuerFraudRecord pm_card_authenticationRequired pm_card_riskLevelElevated"
        ).split()
    }
    sandbox.pay(
        card.id,
        customer=customer.id,
        off_session=True,
        payment_details={"order_reference": "7"},
    )
    sandbox.pay("pm_card_authenticationRequired", return_url="https://shop.example")
    for decline in ("pm_card_visa_chargeDeclined", "pm_card_radarBlock", "pm_card_chargeDeclinedIncorrectCvc"):
        _attempt(lambda decline=decline: sandbox.pay(decline))
    v1.payment_intents.cancel(v1.payment_intents.create({"amount": 500, "currency": "jpy"}).id)
    v1.payment_intents.cancel(sandbox.pay(capture_method="manual").id)
    held = sandbox.pay(
        capture_method="manual",
        payment_method_options={"card": {"request_incremental_authorization": "if_available"}},
    )
    v1.payment_intents.increment_authorization(held.id, {"amount": 2500})
    v1.payment_intents.capture(held.id, {"amount_to_capture": 1000})
    sandbox.pay(capture_method="manual")
    v1.refunds.create({"payment_intent": sandbox.pay(capture_method="manual").id})
    for name in ("pm_card_visa", "pm_card_pendingRefund", "pm_card_refundFail"):
        v1.refunds.create({"payment_intent": intents[name].id, "amount": 700, "reason": "duplicate"})
    automatic: Any = {"enabled": True, "allow_redirects": "never"}
    for method in ("pm_card_visa", "pm_card_authenticationRequiredOnSetup", "pm_card_visa_chargeDeclined"):
        _attempt(
            lambda method=method: v1.setup_intents.create(
                as_sent(
                    {
                        "payment_method": method,
                        "confirm": True,
                        "automatic_payment_methods": automatic,
                        "customer": customer.id,
                    }
                )
            )
        )
    v1.setup_intents.cancel(v1.setup_intents.create().id)
    eventually(lambda: v1.disputes.list().data and v1.radar.early_fraud_warnings.list().data)
    sandbox.control("finish")
    won = v1.disputes.list({"payment_intent": intents["pm_card_createDispute"].id}).data[0]
    v1.disputes.update(won.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    sandbox.control("finish")
    pay_by_other_methods(sandbox, customer.id)
    v1.payouts.create({"amount": 100, "currency": "eur"})
    sandbox.control("clock", seconds=3 * 24 * 3600)
    paid = sandbox.control("payouts")["payouts"]
    sandbox.control("clock", seconds=3 * 24 * 3600)
    sandbox.control("payouts/fail", payout=paid[0])


def pay_by_other_methods(sandbox: RunningSandbox, customer: str) -> None:
    """Every type once: approved, refused, saved, refunded, and the accounts with outcomes of their own."""
    v1 = sandbox.client.v1
    accepted = {"customer_acceptance": {"type": "offline"}}
    holder = {"name": "Ada", "email": "a@example.com"}
    for kind, facts in TYPES.items():
        given: Any = {
            "amount": 2000,
            "currency": min(facts.currencies),
            "allowed_payment_method_types": [kind],
            "confirm": True,
            "customer": customer,
            "return_url": "https://shop.example/return",
            "mandate_data": accepted,
        }
        accounts = [name for name, account in BY_NAME.items() if account.type == kind]
        for name in accounts:
            _attempt(
                lambda name=name, given=given: v1.payment_intents.create(as_sent({**given, "payment_method": name}))
            )
        if accounts:
            continue
        if facts.saved_as:
            given["setup_future_usage"] = "off_session"
        for outcome in ("authorize", "fail"):
            data: Any = {"type": kind, "billing_details": holder}
            intent: Any = v1.payment_intents.create(as_sent({**given, "payment_method_data": data}))
            if facts.redirects:
                page = intent.next_action.redirect_to_url.url
                requests.post(page, data={"outcome": outcome}, timeout=30, allow_redirects=False)
            if outcome == "authorize":
                v1.refunds.create({"payment_intent": intent.id, "amount": 500})
        if facts.saved_as:
            v1.setup_intents.create(
                as_sent(
                    {
                        "allowed_payment_method_types": [kind],
                        "confirm": True,
                        "customer": customer,
                        "mandate_data": accepted,
                        "payment_method_data": {"type": kind, "billing_details": holder},
                        "return_url": "https://shop.example/return",
                    }
                )
            )
    sandbox.control("finish")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    running = start(tmp_path_factory.mktemp("types") / "sandbox.db", FAST)
    try:
        live_a_little(running)
        yield running
    finally:
        running.server.stop()


def ask(sandbox: RunningSandbox, path: str, **params: Any) -> dict[str, Any]:
    answer = requests.get(
        f"{sandbox.url}{path}", params=params, headers={"Authorization": "Bearer sk_test_x"}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("path", LISTS)
def test_every_object_is_of_the_sdks_type(lived: RunningSandbox, path: str) -> None:
    page = ask(lived, path, limit=100)
    assert page["data"], f"nothing was made to be listed at {path}"
    assert sdk_types.problems(page) == []


@pytest.mark.parametrize("path", EXPANSIONS)
def test_expanded_objects_are_of_the_sdks_type(lived: RunningSandbox, path: str) -> None:
    assert sdk_types.problems(ask(lived, path, limit=100, **{"expand[]": EXPANSIONS[path]})) == []


@pytest.mark.parametrize("path", ["/v1/balance", "/v1/account"])
def test_single_objects_are_of_the_sdks_type(lived: RunningSandbox, path: str) -> None:
    assert sdk_types.problems(ask(lived, path)) == []


def test_saved_cards_attempts_and_tokens_are_of_the_sdks_type(lived: RunningSandbox) -> None:
    v1 = lived.client.v1
    for customer in v1.customers.list({"limit": 100}).data:
        assert sdk_types.problems(ask(lived, f"/v1/customers/{customer.id}/payment_methods")) == []
    for intent in v1.setup_intents.list({"limit": 100}).data:
        assert sdk_types.problems(ask(lived, "/v1/setup_attempts", setup_intent=intent.id)) == []
    token = v1.test_helpers.confirmation_tokens.create(
        {"payment_method": "pm_card_visa", "return_url": "https://shop.example"}
    )
    assert sdk_types.problems(ask(lived, f"/v1/confirmation_tokens/{token.id}")) == []
    code = v1.tokens.create({"cvc_update": {"cvc": "123"}})
    assert sdk_types.problems(ask(lived, f"/v1/tokens/{code.id}")) == []


def test_a_customer_session_is_of_the_sdks_type(lived: RunningSandbox) -> None:
    v1 = lived.client.v1
    session = v1.customer_sessions.create(
        {"customer": v1.customers.create().id, "components": {"payment_element": {"enabled": True}}}
    )
    assert sdk_types.problems(session.to_dict(recursive=True)) == []


def test_the_objects_inside_events_are_of_the_sdks_type(lived: RunningSandbox) -> None:
    events = list(lived.client.v1.events.list({"limit": 100}).auto_paging_iter())
    kinds = {event.data.object["object"] for event in events}
    assert len(kinds) >= 9
    assert [
        problem for event in events for problem in sdk_types.problems(event.data.object.to_dict(recursive=True))
    ] == []


def test_every_event_has_a_type_that_endpoints_can_ask_for(lived: RunningSandbox) -> None:
    types = {event.type for event in lived.client.v1.events.list({"limit": 100}).auto_paging_iter()}
    assert types <= EVENT_TYPES
    assert len(types) >= 25


CALLS = {
    ("POST", "/v1/customers"): "CustomerCreateParams",
    ("GET", "/v1/customers"): "CustomerListParams",
    ("POST", "/v1/customers/<customer_id>"): "CustomerUpdateParams",
    ("POST", "/v1/customer_sessions"): "CustomerSessionCreateParams",
    ("GET", "/v1/customers/search"): "CustomerSearchParams",
    ("GET", "/v1/customers/<customer_id>/payment_methods"): "CustomerPaymentMethodListParams",
    ("POST", "/v1/payment_methods"): "PaymentMethodCreateParams",
    ("GET", "/v1/payment_methods"): "PaymentMethodListParams",
    ("POST", "/v1/payment_methods/<method_id>"): "PaymentMethodUpdateParams",
    ("POST", "/v1/payment_methods/<method_id>/attach"): "PaymentMethodAttachParams",
    ("POST", "/v1/payment_methods/<method_id>/detach"): "PaymentMethodDetachParams",
    ("POST", "/v1/payment_intents"): "PaymentIntentCreateParams",
    ("GET", "/v1/payment_intents"): "PaymentIntentListParams",
    ("GET", "/v1/payment_intents/<intent_id>"): "PaymentIntentRetrieveParams",
    ("GET", "/v1/payment_intents/search"): "PaymentIntentSearchParams",
    ("POST", "/v1/payment_intents/<intent_id>"): "PaymentIntentUpdateParams",
    ("POST", "/v1/payment_intents/<intent_id>/confirm"): "PaymentIntentConfirmParams",
    ("POST", "/v1/payment_intents/<intent_id>/cancel"): "PaymentIntentCancelParams",
    ("POST", "/v1/payment_intents/<intent_id>/capture"): "PaymentIntentCaptureParams",
    ("POST", "/v1/payment_intents/<intent_id>/increment_authorization"): "PaymentIntentIncrementAuthorizationParams",
    ("POST", "/v1/setup_intents"): "SetupIntentCreateParams",
    ("GET", "/v1/setup_intents"): "SetupIntentListParams",
    ("POST", "/v1/setup_intents/<intent_id>"): "SetupIntentUpdateParams",
    ("POST", "/v1/setup_intents/<intent_id>/confirm"): "SetupIntentConfirmParams",
    ("POST", "/v1/setup_intents/<intent_id>/cancel"): "SetupIntentCancelParams",
    ("GET", "/v1/setup_attempts"): "SetupAttemptListParams",
    ("POST", "/v1/payment_intents/<intent_id>/verify_microdeposits"): "PaymentIntentVerifyMicrodepositsParams",
    ("POST", "/v1/setup_intents/<intent_id>/verify_microdeposits"): "SetupIntentVerifyMicrodepositsParams",
    ("GET", "/v1/mandates/<mandate_id>"): "MandateRetrieveParams",
    ("POST", "/v1/payment_method_configurations"): "PaymentMethodConfigurationCreateParams",
    ("GET", "/v1/payment_method_configurations"): "PaymentMethodConfigurationListParams",
    (
        "POST",
        "/v1/payment_method_configurations/<configuration_id>",
    ): "PaymentMethodConfigurationUpdateParams",
    ("POST", "/v1/payment_method_domains"): "PaymentMethodDomainCreateParams",
    ("GET", "/v1/payment_method_domains"): "PaymentMethodDomainListParams",
    ("POST", "/v1/payment_method_domains/<domain_id>"): "PaymentMethodDomainUpdateParams",
    ("POST", "/v1/payment_method_domains/<domain_id>/validate"): "PaymentMethodDomainValidateParams",
    ("POST", "/v1/tokens"): "TokenCreateParams",
    ("GET", "/v1/charges"): "ChargeListParams",
    ("GET", "/v1/charges/search"): "ChargeSearchParams",
    ("POST", "/v1/charges/<charge_id>"): "ChargeUpdateParams",
    ("POST", "/v1/charges/<charge_id>/capture"): "ChargeCaptureParams",
    ("POST", "/v1/refunds"): "RefundCreateParams",
    ("GET", "/v1/refunds"): "RefundListParams",
    ("POST", "/v1/refunds/<refund_id>"): "RefundUpdateParams",
    ("POST", "/v1/refunds/<refund_id>/cancel"): "RefundCancelParams",
    ("GET", "/v1/events"): "EventListParams",
    ("GET", "/v1/balance_transactions"): "BalanceTransactionListParams",
    ("GET", "/v1/disputes"): "DisputeListParams",
    ("POST", "/v1/disputes/<dispute_id>"): "DisputeUpdateParams",
    ("POST", "/v1/disputes/<dispute_id>/close"): "DisputeCloseParams",
    ("POST", "/v1/payouts"): "PayoutCreateParams",
    ("GET", "/v1/payouts"): "PayoutListParams",
    ("POST", "/v1/payouts/<payout_id>"): "PayoutUpdateParams",
    ("POST", "/v1/payouts/<payout_id>/cancel"): "PayoutCancelParams",
    ("POST", "/v1/payouts/<payout_id>/reverse"): "PayoutReverseParams",
    ("POST", "/v1/webhook_endpoints"): "WebhookEndpointCreateParams",
    ("GET", "/v1/webhook_endpoints"): "WebhookEndpointListParams",
    ("POST", "/v1/webhook_endpoints/<endpoint_id>"): "WebhookEndpointUpdateParams",
    ("GET", "/v1/radar/early_fraud_warnings"): "EarlyFraudWarningListParams",
}
NOT_IN_THE_SDK = {"client_secret", "card", "infer_from_client"}
"""What only browsers send: the proof that they may see an intent, card details inside `payment_method_data`, and a wordless acceptance."""


def route_of(call: tuple[str, str]) -> Route:
    return next(route for route in ROUTES if (route.method, route.rule) == call)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]} {call[1]}")
def test_every_parameter_of_the_sdk_is_known(call: tuple[str, str]) -> None:
    known = route_of(call).parameters
    reader = Hash({**known.fields, "expand": ListOf(Choice(()))}, unsupported=known.unsupported)
    assert list(_differences(reader, sdk_types.parameters(CALLS[call]), "")) == []


def _differences(reader: Hash, sdk: dict[str, Any], place: str) -> Iterator[str]:
    """Where a declaration and the SDK's type disagree: names, nested names, and choices."""
    known = set(reader.fields) | reader.unsupported
    for name in sdk.keys() - known:
        yield f"{place}{name} is unknown to the sandbox"
    gone = {name for name, one in reader.fields.items() if isinstance(one, Gone)}
    for name in known - sdk.keys() - NOT_IN_THE_SDK - gone:
        yield f"{place}{name} is unknown to the SDK"
    for name in sdk.keys() & reader.fields.keys():
        yield from _inner_differences(reader.fields[name], sdk[name], f"{place}{name}")


def _inner_differences(reader: Reader, sdk: Any, place: str) -> Iterator[str]:
    if isinstance(reader, Either):
        reader = next((one for one in (reader.first, reader.second) if isinstance(one, Hash | Choice)), reader)
    if isinstance(reader, ListOf):
        yield from _inner_differences(reader.item, sdk, place)
    elif isinstance(reader, Hash) and isinstance(sdk, dict):
        yield from _differences(reader, sdk, f"{place}.")
    elif (
        isinstance(reader, Choice)
        and isinstance(sdk, set)
        and reader.values
        and set(reader.values) - {"card"} != sdk - {"card"}
    ):
        yield f"{place}: {sorted(sdk ^ set(reader.values))}"


def test_the_check_itself_finds_what_is_wrong(lived: RunningSandbox) -> None:
    charge = ask(lived, "/v1/charges", limit=1)["data"][0]
    wrong = {
        **charge,
        "colour": "red",
        "amount": "20",
        "status": "odd",
        "payment_method_details": {"card": {"colour": "blue"}, "type": "card"},
    }
    del wrong["paid"]
    found = "\n".join(sdk_types.problems(wrong))
    for part in (
        "colour is not",
        "amount is '20'",
        "status is 'odd'",
        "paid is missing",
        "card.colour is not",
        "card.exp_month is missing",
    ):
        assert part in found
