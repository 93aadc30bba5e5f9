"""The controls and the pages for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import html5lib
import pytest
import requests
import stripe

from portal.sandbox.controls import CONTROLS
from tests.certain import as_sent
from tests.contract.support import ACCEPTED
from tests.sandbox import sdk_types
from tests.sandbox.conftest import RunningSandbox, start
from tests.waiting import eventually

PAGES = ["/", "/payments", "/deliveries", "/controls", "/mail"]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_valid_html_without_inline_scripts(sandbox: RunningSandbox, page: str) -> None:
    sandbox.pay(description="<b>bold</b>")
    answer = sandbox.get(f"/_sandbox{page}")
    assert answer.status_code == 200
    parser = html5lib.HTMLParser(strict=True)
    parser.parse(answer.text)
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert "<b>bold" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_is_a_form_of_the_page(sandbox: RunningSandbox, name: str) -> None:
    assert f'<form method="post" action="/_sandbox/{name}">' in sandbox.get("/_sandbox/controls").text


def test_a_form_leads_back_to_its_page(sandbox: RunningSandbox) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/clock", data={"seconds": "60"}, allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/_sandbox/controls")
    assert 59 < sandbox.state()["clock_offset_seconds"] < 61


def test_an_object_is_shown_without_what_the_sandbox_keeps_to_itself(sandbox: RunningSandbox) -> None:
    method = sandbox.client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    shown = sandbox.get(f"/_sandbox/objects/{method.id}", headers={"Accept": "application/json"}).json()
    assert shown["id"] == method.id
    assert not [key for key in shown if key.startswith("_")]


def test_a_mandate_ends_at_the_bank(sandbox: RunningSandbox) -> None:
    intent = sandbox.client.v1.setup_intents.create(as_sent({"allowed_payment_method_types": ["sepa_debit"]}))
    given = {"payment_method": "pm_sepaDebit_success_de", "mandate_data": ACCEPTED}
    mandate = sandbox.client.v1.setup_intents.confirm(intent.id, as_sent(given)).mandate
    sandbox.control("mandates/end", mandate=mandate)
    assert sandbox.client.v1.mandates.retrieve(str(mandate)).status == "inactive"


@pytest.mark.parametrize("headers", [{"Host": "sandbox.example"}, {"Origin": "https://evil.example"}])
def test_controls_answer_this_machine_and_its_own_pages_alone(sandbox: RunningSandbox, headers: dict[str, str]) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/reset", json={}, headers=headers, timeout=10)
    assert answer.status_code == 403


def test_a_reset_forgets_everything(sandbox: RunningSandbox) -> None:
    at_first = sandbox.state()["objects"]
    sandbox.pay()
    sandbox.control("clock", seconds=1000)
    sandbox.control("faults", fault="conflict", path="/v1/customers", times=3)
    sandbox.control("reset")
    state = sandbox.state()
    assert state["objects"] == at_first
    assert sum(at_first.values()) == at_first["payment_method_configuration"] == 1
    assert (state["clock_offset_seconds"], state["faults"]) == (0.0, [])


def test_a_seed_makes_customers_with_cards(sandbox: RunningSandbox) -> None:
    made = sandbox.control("seed", customers=[{"email": "a@example.com", "payment_method": "pm_card_visa"}])[
        "customers"
    ]
    assert len(sandbox.client.v1.customers.payment_methods.list(made[0]).data) == 1


def test_everything_is_there_after_a_restart(db_path: Path) -> None:
    first = start(db_path)
    try:
        customer = first.client.v1.customers.create({"name": "Kept"}, {"idempotency_key": "the-key"})
        first.control("clock", seconds=500)
    finally:
        first.server.stop()
    second = start(db_path)
    try:
        again = second.client.v1.customers.create({"name": "Kept"}, {"idempotency_key": "the-key"})
        assert again.id == customer.id
        assert 499 < second.state()["clock_offset_seconds"] < 501
    finally:
        second.server.stop()


def test_a_key_lives_for_a_day_of_the_sandbox(sandbox: RunningSandbox) -> None:
    first = sandbox.client.v1.customers.create({}, {"idempotency_key": "the-key"})
    sandbox.control("clock", seconds=23 * 3600)
    assert sandbox.client.v1.customers.create({}, {"idempotency_key": "the-key"}).id == first.id
    sandbox.control("clock", seconds=2 * 3600)
    assert sandbox.client.v1.customers.create({}, {"idempotency_key": "the-key"}).id != first.id


def test_money_becomes_available_when_its_day_comes(sandbox: RunningSandbox) -> None:
    sandbox.pay()
    sandbox.control("finish")
    assert sandbox.client.v1.balance.retrieve().available[0].amount == 0
    sandbox.control("clock", seconds=3 * 24 * 3600)
    assert sandbox.client.v1.balance.retrieve().available[0].amount == 2000 - 88


def test_the_schedule_pays_out_what_is_available(sandbox: RunningSandbox) -> None:
    intents = [sandbox.pay("pm_card_bypassPending") for _ in range(3)]
    sandbox.control("finish")
    sandbox.client.v1.refunds.create({"payment_intent": intents[0].id, "amount": 500})
    sandbox.control("clock", seconds=3 * 24 * 3600)
    payout = sandbox.client.v1.payouts.retrieve(sandbox.control("payouts")["payouts"][0])
    included = sandbox.client.v1.balance_transactions.list({"payout": payout.id, "limit": 100}).data
    assert payout.automatic is True
    assert sum(one.net for one in included if one.type != "payout") == payout.amount == 3 * (2000 - 88) - 500
    sandbox.control("clock", seconds=3 * 24 * 3600)
    eventually(lambda: sandbox.client.v1.payouts.retrieve(payout.id).reconciliation_status == "completed")
    assert sandbox.client.v1.payouts.retrieve(payout.id).status == "paid"
    types = [
        event.type
        for event in sandbox.client.v1.events.list(
            {"types": ["payout.created", "payout.paid", "payout.reconciliation_completed"]}
        ).data
    ]
    assert types == ["payout.reconciliation_completed", "payout.paid", "payout.created"]


def test_a_payout_can_fail_after_it_was_paid(sandbox: RunningSandbox) -> None:
    sandbox.pay("pm_card_bypassPending")
    sandbox.control("finish")
    payout = sandbox.client.v1.payouts.create({"amount": 1000, "currency": "eur"})
    sandbox.control("clock", seconds=3 * 24 * 3600)
    sandbox.control("payouts/fail", payout=payout.id)
    failed = sandbox.client.v1.payouts.retrieve(payout.id, {"expand": ["failure_balance_transaction"]})
    assert failed.status == "failed"
    assert failed.failure_balance_transaction.amount == 1000  # type: ignore[union-attr]
    assert sandbox.client.v1.events.list({"type": "payout.failed"}).data


def test_a_refund_can_be_made_to_fail(sandbox: RunningSandbox) -> None:
    intent = sandbox.pay()
    refund = sandbox.client.v1.refunds.create({"payment_intent": intent.id})
    sandbox.control("refunds/fail", refund=refund.id)
    assert sandbox.client.v1.refunds.retrieve(refund.id).status == "failed"


def test_a_charge_can_be_disputed_and_the_dispute_decided(sandbox: RunningSandbox) -> None:
    charge = str(sandbox.pay().latest_charge)
    sandbox.control("disputes", charge=charge, reason="duplicate")
    dispute = sandbox.client.v1.disputes.list({"charge": charge}).data[0]
    sandbox.control("disputes/decide", dispute=dispute.id, verdict="won")
    assert sandbox.client.v1.disputes.retrieve(dispute.id).status == "won"


def test_an_unanswered_dispute_is_lost_when_its_time_is_up(sandbox: RunningSandbox) -> None:
    charge = str(sandbox.pay().latest_charge)
    sandbox.control("disputes", charge=charge)
    sandbox.control("clock", seconds=30 * 24 * 3600)
    assert sandbox.client.v1.disputes.list({"charge": charge}).data[0].status == "lost"


def test_a_renewed_card_is_told_by_its_event(sandbox: RunningSandbox) -> None:
    customer = sandbox.client.v1.customers.create({"payment_method": "pm_card_visa"})
    card = sandbox.client.v1.customers.payment_methods.list(customer.id).data[0]
    sandbox.control("cards/renew", payment_method=card.id)
    event = sandbox.client.v1.events.list({"type": "payment_method.automatically_updated"}).data[0]
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes.to_dict() == {"card": {"exp_year": card.card.exp_year}}  # type: ignore[union-attr]


def test_a_saved_card_can_begin_to_decline(sandbox: RunningSandbox) -> None:
    customer = sandbox.client.v1.customers.create({"payment_method": "pm_card_visa"})
    card = sandbox.client.v1.customers.payment_methods.list(customer.id).data[0]
    sandbox.control("cards/behave", payment_method=card.id, like="4000 0000 0000 9995")
    with pytest.raises(stripe.CardError):
        sandbox.pay(card.id, customer=customer.id)


def test_a_saved_card_can_ask_for_its_code(sandbox: RunningSandbox) -> None:
    v1 = sandbox.client.v1
    customer = v1.customers.create({"payment_method": "pm_card_visa"}).id
    card = v1.customers.payment_methods.list(customer).data[0].id

    def pay(**options: str) -> stripe.PaymentIntent:
        return sandbox.pay(card, customer=customer, payment_method_options={"card": options})

    def token() -> str:
        return v1.tokens.create({"cvc_update": {"cvc": "123"}}).id

    sandbox.control("cards/behave", payment_method=card, like="asks_for_cvc")
    with pytest.raises(stripe.CardError) as refused:
        pay()
    assert refused.value.code == "incorrect_cvc"
    assert pay(cvc_token=token()).status == "succeeded"
    sandbox.control("cards/behave", payment_method=card, like="4000 0000 0000 0127")
    with pytest.raises(stripe.CardError) as wrong:
        pay(cvc_token=token())
    assert wrong.value.code == "incorrect_cvc"


def test_the_balance_is_the_sum_of_its_transactions(sandbox: RunningSandbox) -> None:
    first, second = sandbox.pay(), sandbox.pay("pm_card_createDispute")
    sandbox.client.v1.refunds.create({"payment_intent": first.id, "amount": 700})
    eventually(lambda: sandbox.client.v1.disputes.list({"payment_intent": second.id}).data)
    sandbox.control("finish")
    balance = sandbox.client.v1.balance.retrieve()
    shown = balance.available[0].amount + balance.pending[0].amount
    transactions = list(sandbox.client.v1.balance_transactions.list({"limit": 100}).auto_paging_iter())
    assert shown == sum(one.net for one in transactions)
    assert all(one.net == one.amount - one.fee for one in transactions)


def test_payment_methods_are_turned_on_for_the_account(sandbox: RunningSandbox) -> None:
    v1 = sandbox.client.v1
    assert v1.payment_intents.create({"amount": 2000, "currency": "eur"}).payment_method_types == ["card"]
    sandbox.control("payment_methods", on="card, sepa_debit,ideal")
    offered = v1.payment_intents.create({"amount": 2000, "currency": "eur"}).payment_method_types
    assert offered == ["card", "sepa_debit", "ideal"]


def test_an_unknown_payment_method_is_not_turned_on(sandbox: RunningSandbox) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/payment_methods", json={"on": "cash"}, timeout=10)
    assert answer.status_code == 400


def test_a_saved_account_begins_to_behave_like_another(sandbox: RunningSandbox) -> None:
    method = sandbox.client.v1.payment_methods.retrieve("pm_sepaDebit_success_de")
    done = sandbox.control("cards/behave", payment_method=method.id, like="DE62370400440532013001")
    assert done["behaviour"] == "account_fails"


@pytest.mark.parametrize("wallet", ["apple_pay", "google_pay", "link"])
def test_a_card_is_paid_with_out_of_a_wallet(sandbox: RunningSandbox, wallet: str) -> None:
    method = sandbox.client.v1.payment_methods.retrieve("pm_card_visa")
    sandbox.control("cards/wallet", payment_method=method.id, wallet=wallet)
    charge = sandbox.client.v1.charges.retrieve(str(sandbox.pay(method.id).latest_charge))
    details: Any = charge.payment_method_details
    assert details.card.wallet.type == wallet
    assert sdk_types.problems(charge.to_dict(recursive=True)) == []


def test_a_bank_account_is_in_no_wallet(sandbox: RunningSandbox) -> None:
    method = sandbox.client.v1.payment_methods.retrieve("pm_sepaDebit_success_de")
    given = {"payment_method": method.id, "wallet": "apple_pay"}
    assert requests.post(f"{sandbox.url}/_sandbox/cards/wallet", json=given, timeout=10).status_code == 400
