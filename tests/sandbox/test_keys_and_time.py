"""Keys and their rights, several processes over one file, and what happens when nobody does anything."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import requests
import stripe

from portal.sandbox.app import create_sandbox
from tests.certain import as_sent
from tests.sandbox.conftest import FAST, Listener, RunningSandbox, start
from tests.waiting import eventually

DAY = 24 * 3600


def test_a_restricted_key_may_lack_a_right(sandbox: RunningSandbox) -> None:
    client = stripe.StripeClient("rk_test_read_reports", base_addresses={"api": sandbox.url})
    assert client.v1.customers.list().data == []
    with pytest.raises(stripe.PermissionError, match="rak_customer_write"):
        client.v1.customers.create()


def test_a_key_may_be_the_user_of_basic_authentication(sandbox: RunningSandbox) -> None:
    assert requests.get(f"{sandbox.url}/v1/customers", auth=("sk_test_x", ""), timeout=10).status_code == 200


def test_a_browser_may_ask_first(sandbox: RunningSandbox) -> None:
    answer = requests.options(
        f"{sandbox.url}/v1/payment_methods", headers={"Origin": "https://shop.example"}, timeout=10
    )
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


def test_two_processes_answer_one_key_once(db_path: Path) -> None:
    apps = [create_sandbox(db_path, FAST) for _ in range(2)]
    first, second = start(db_path), start(db_path)
    try:
        made: list[str] = []

        def create(running: RunningSandbox) -> None:
            made.append(running.client.v1.customers.create({"name": "Once"}, {"idempotency_key": "shared"}).id)

        threads = [threading.Thread(target=create, args=(running,)) for running in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 2
        assert len(set(made)) == 1
        assert first.state()["objects"]["customer"] == 1
    finally:
        for running in (first, second):
            running.server.stop()
        for app in apps:
            app.close()


def test_a_payment_can_stay_in_processing(sandbox: RunningSandbox) -> None:
    sandbox.control("payments/slow", times=1, seconds=3600)
    intent = sandbox.pay()
    assert (intent.status, intent.latest_charge) == ("processing", None)
    sandbox.control("clock", seconds=3601)
    assert sandbox.client.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    types = [
        event.type
        for event in sandbox.client.v1.events.list({"limit": 100}).data
        if event.data.object["id"] == intent.id
    ]
    assert types == ["payment_intent.succeeded", "payment_intent.processing", "payment_intent.created"]
    assert sandbox.pay().status == "succeeded"


def test_a_processing_payment_can_be_declined(sandbox: RunningSandbox) -> None:
    sandbox.control("payments/slow", times=1, seconds=3600)
    intent = sandbox.pay("pm_card_visa_chargeDeclinedInsufficientFunds")
    assert intent.status == "processing"
    sandbox.control("clock", seconds=3601)
    declined = sandbox.client.v1.payment_intents.retrieve(intent.id)
    assert declined.status == "requires_payment_method"
    assert declined.last_payment_error is not None
    assert declined.last_payment_error.decline_code == "insufficient_funds"


def test_a_hold_that_nobody_captures_is_let_go(sandbox: RunningSandbox) -> None:
    intent = sandbox.pay(capture_method="manual")
    sandbox.control("clock", seconds=8 * DAY)
    gone = sandbox.client.v1.payment_intents.retrieve(intent.id)
    assert (gone.status, gone.cancellation_reason, gone.amount_received) == ("canceled", "expired", 0)
    assert sandbox.client.v1.events.list({"type": "charge.expired"}).data


def test_a_reset_keeps_the_endpoint_of_the_start(sandbox: RunningSandbox, listener: Listener) -> None:
    sandbox.control("endpoints", url=listener.url, secret="whsec_start")
    sandbox.control("reset")
    sandbox.client.v1.customers.create()
    eventually(lambda: listener.types() == ["customer.created"])


def test_an_effect_that_fails_does_not_hold_up_the_others(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with sandbox.server.app.sandbox.store.transaction() as session:
        session.run("INSERT INTO effects (due, name, body) VALUES (0, 'payout.arrive', '{}')")
    intent = sandbox.pay()
    eventually(lambda: sandbox.client.v1.charges.retrieve(str(intent.latest_charge)).balance_transaction)
    assert "could not carry out payout.arrive" in caplog.text


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("sepa_debit", "iban"), ("us_bank_account", "account_holder_type"), ("bacs_debit", "account_number")],
)
@pytest.mark.parametrize("is_empty", [False, True], ids=["missing", "empty"])
def test_details_that_are_missing_or_empty_are_named(
    sandbox: RunningSandbox, kind: str, missing: str, is_empty: bool
) -> None:
    details = {missing: ""} if is_empty else {}
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        sandbox.client.v1.payment_methods.create(as_sent({"type": kind, kind: details}))
    assert refusal.value.param == f"{kind}[{missing}]"
