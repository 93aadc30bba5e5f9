"""The settings of an account: what it settles in, what it pays, how fast it may ask, and when it is paid out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from portal.sandbox.account_settings import SettingsRefused, from_file
from portal.sandbox.settings import DAY_SECONDS
from tests.sandbox import sdk_types
from tests.sandbox.conftest import FAST, Listener, RunningSandbox, start
from tests.waiting import eventually


def settled(sandbox: RunningSandbox, intent: stripe.PaymentIntent) -> stripe.BalanceTransaction:
    """The balance transaction of an intent's charge, once it has landed."""
    v1 = sandbox.client.v1

    def landed() -> Any:
        charge: Any = v1.charges.retrieve(str(intent.latest_charge), {"expand": ["balance_transaction"]})
        return charge.balance_transaction

    found: stripe.BalanceTransaction = eventually(landed)
    return found


def test_a_payment_is_converted_into_the_accounts_currency(sandbox: RunningSandbox) -> None:
    sandbox.control("account", settlement_currency="eur")
    transaction = settled(sandbox, sandbox.pay(currency="usd", amount=10_000))
    assert (transaction.currency, transaction.amount, transaction.exchange_rate) == ("eur", 8600, 0.86)
    assert transaction.net == transaction.amount - transaction.fee
    assert sdk_types.problems(transaction.to_dict(recursive=True)) == []


def test_yen_are_converted_with_their_missing_decimals(sandbox: RunningSandbox) -> None:
    sandbox.control("account", settlement_currency="eur")
    assert settled(sandbox, sandbox.pay(currency="jpy", amount=10_000)).amount == 57_00


def test_a_payment_in_the_accounts_currency_is_not_converted(sandbox: RunningSandbox) -> None:
    sandbox.control("account", settlement_currency="eur")
    assert settled(sandbox, sandbox.pay(currency="eur")).exchange_rate is None


def test_a_refund_of_a_converted_payment_leaves_only_the_fee(sandbox: RunningSandbox) -> None:
    sandbox.control("account", settlement_currency="eur")
    intent = sandbox.pay(currency="usd", amount=9999)
    fee = settled(sandbox, intent).fee
    sandbox.client.v1.refunds.create({"payment_intent": intent.id})
    balance = sandbox.client.v1.balance.retrieve()
    assert [(one.currency, one.amount) for one in balance.pending] == [("eur", -fee)]


def test_a_currency_without_a_rate_is_refused(sandbox: RunningSandbox) -> None:
    sandbox.control("account", settlement_currency="eur")
    with pytest.raises(stripe.InvalidRequestError, match="no exchange rate for mad"):
        sandbox.pay(currency="mad", amount=10_000, capture_method="automatic")


def test_an_agreed_tariff_is_what_a_payment_costs(sandbox: RunningSandbox) -> None:
    sandbox.control("account", tariffs={"card": {"basis_points": 100, "fixed": 10}})
    assert settled(sandbox, sandbox.pay(amount=10_000)).fee == 110


def test_a_tariff_of_one_method_leaves_the_others_alone(sandbox: RunningSandbox) -> None:
    sandbox.control("account", tariffs={"sepa_debit": {"basis_points": 0, "fixed": 99}})
    assert settled(sandbox, sandbox.pay(amount=10_000)).fee == 320


def test_the_statement_bears_the_accounts_words(sandbox: RunningSandbox) -> None:
    sandbox.control("account", statement_descriptor="NORTHWIND GMBH")
    charge = sandbox.client.v1.charges.retrieve(str(sandbox.pay().latest_charge))
    assert charge.calculated_statement_descriptor == "NORTHWIND GMBH"
    account: Any = sandbox.client.v1.accounts.retrieve_current()
    assert account.settings.payments.statement_descriptor == "NORTHWIND GMBH"


@pytest.mark.parametrize(("kind", "limit"), [("reads_per_second", 3), ("writes_per_second", 3)])
def test_a_call_too_many_in_a_second_is_a_429(sandbox: RunningSandbox, kind: str, limit: int) -> None:
    sandbox.control("account", **{kind: limit})
    ask = requests.get if kind == "reads_per_second" else requests.post
    answers = [
        ask(f"{sandbox.url}/v1/customers", headers={"Authorization": "Bearer sk_test_x"}, timeout=10)
        for _time in range(4 * limit)
    ]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["error"]["code"] == "rate_limit"
    assert sum(answer.status_code == 200 for answer in answers) >= limit


def test_reads_do_not_use_up_the_writes(sandbox: RunningSandbox) -> None:
    sandbox.control("account", reads_per_second=1)
    assert all(sandbox.client.v1.customers.create().id for _time in range(5))


def test_available_money_is_paid_out_each_day_of_the_schedule(sandbox: RunningSandbox) -> None:
    sandbox.control("account", payout_interval="daily")
    settled(sandbox, sandbox.pay("pm_card_bypassPending"))
    assert sandbox.client.v1.payouts.list().data == []
    sandbox.control("clock", seconds=DAY_SECONDS + 60)
    payout = sandbox.client.v1.payouts.list().data[0]
    assert payout.automatic
    account: Any = sandbox.client.v1.accounts.retrieve_current()
    assert account.settings.payouts.schedule.interval == "daily"
    assert sdk_types.problems(account.to_dict(recursive=True)) == []


def test_a_weekly_schedule_waits_for_its_day(sandbox: RunningSandbox) -> None:
    sandbox.control("account", payout_interval="weekly")
    settled(sandbox, sandbox.pay("pm_card_bypassPending"))
    sandbox.control("clock", seconds=8 * DAY_SECONDS)
    assert len(sandbox.client.v1.payouts.list().data) == 1


def test_a_negative_balance_stays_until_the_account_lets_it_be_collected(sandbox: RunningSandbox) -> None:
    v1 = sandbox.client.v1
    sandbox.control("account", payout_interval="daily")
    intent = sandbox.pay("pm_card_bypassPending")
    settled(sandbox, intent)
    sandbox.control("payouts")
    v1.refunds.create({"payment_intent": intent.id})
    sandbox.control("clock", seconds=3 * DAY_SECONDS)
    assert [one.amount < 0 for one in v1.balance.retrieve().available] == [True]
    sandbox.control("account", debits_negative_balance=True)
    sandbox.control("clock", seconds=DAY_SECONDS)
    assert [one.amount for one in v1.balance.retrieve().available] == [0]
    assert v1.payouts.list().data[0].amount < 0


def test_an_endpoint_may_ask_for_another_version(sandbox: RunningSandbox, listener: Listener) -> None:
    endpoint = sandbox.client.v1.webhook_endpoints.create(
        {"url": listener.url, "enabled_events": ["customer.created"], "api_version": "2025-09-30.clover"}
    )
    sandbox.client.v1.customers.create()
    eventually(lambda: listener.posts)
    assert listener.posts[0].event["api_version"] == endpoint.api_version == "2025-09-30.clover"


def test_a_reset_takes_the_settings_back(sandbox: RunningSandbox) -> None:
    sandbox.control("account", settlement_currency="eur")
    sandbox.control("reset")
    assert settled(sandbox, sandbox.pay(currency="usd")).currency == "usd"


@pytest.mark.parametrize(
    "given",
    [
        {"colour": "red"},
        {"settlement_currency": "xyz"},
        {"reads_per_second": "many"},
        {"payout_interval": "hourly"},
        {"tariffs": {"cash": {"fixed": 1}}},
        {"tariffs": {"card": {"colour": 1}}},
        {"tariffs": {"card": {"fixed": "much"}}},
        {"debits_negative_balance": "perhaps"},
    ],
)
def test_a_setting_that_is_none_is_refused_and_changes_nothing(sandbox: RunningSandbox, given: Any) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/account", json=given, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == next(iter(given))


def test_an_account_is_described_by_a_file(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps({"settlement_currency": "eur", "payment_methods": ["card", "sepa_debit"]}))
    running = start(tmp_path / "sandbox.db", from_file(path, replace(FAST)))
    try:
        intent = running.client.v1.payment_intents.create({"amount": 2000, "currency": "eur"})
        assert intent.payment_method_types == ["card", "sepa_debit"]
        assert settled(running, running.pay(currency="usd")).currency == "eur"
    finally:
        running.server.stop()


@pytest.mark.parametrize("text", ["not JSON", "[]", '{"colour": "red"}', '{"payment_methods": ["cash"]}'])
def test_a_file_that_makes_no_sense_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "account.json"
    path.write_text(text)
    with pytest.raises(SettingsRefused, match=r"account\.json"):
        from_file(path, FAST)
