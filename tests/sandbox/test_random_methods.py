"""Every payment method with every outcome, at any pace: whatever comes of it, the answer is Stripe-shaped and the money adds up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from portal.sandbox import money
from portal.sandbox.app import SandboxApp, create_sandbox
from portal.sandbox.resources.payment_method_types import TYPES
from portal.sandbox.resources.testaccounts import BY_NUMBER
from portal.sandbox.settings import DAY_SECONDS, SandboxSettings
from tests.sandbox import sdk_types
from tests.sandbox.test_random_calls import flat

HOLDER = {
    "name": "Jenny Rosen",
    "email": "jenny.rosen@example.com",
    "address": {"line1": "123 Main Street", "city": "Berlin", "postal_code": "10115", "country": "DE"},
}
AMOUNT = 2000
ACCEPTED = {"customer_acceptance": {"type": "offline"}}


def _details(kind: str, number: str) -> dict[str, Any]:
    account = BY_NUMBER[kind, number]
    if kind == "sepa_debit":
        return {"iban": number}
    bank = {"routing_number": account.bank} if kind == "us_bank_account" else {"sort_code": account.bank}
    holder = {"account_holder_type": "individual"} if kind == "us_bank_account" else {}
    return {"account_number": number, **bank, **holder}


DEBITS = ("sepa_debit", "us_bank_account", "bacs_debit")
METHODS = st.one_of(
    *(
        st.sampled_from(sorted(key for key in BY_NUMBER if key[0] == kind)).map(
            lambda key: (key[0], {key[0]: _details(*key)})
        )
        for kind in DEBITS
    ),
    st.sampled_from(sorted(TYPES.keys() - set(DEBITS))).map(lambda name: (name, {})),
)
ANSWERS = st.sampled_from(["authorize", "authorize", "fail", "close"])
CODES = st.sampled_from(["SM11AA", "SM11AA", "SM11AA", "SM33CC", "SM44DD", "SM00ZZ"])
WAITS = st.sampled_from([7 * DAY_SECONDS, 7 * DAY_SECONDS, 7 * DAY_SECONDS, 60, 200 * DAY_SECONDS])
MOSTLY = st.sampled_from([True, True, True, False])
ACTS = st.lists(
    st.sampled_from(["capture", "refund", "refund", "dispute", "cancel", "confirm", "detach", "wait"]), max_size=4
)


class Shop:
    """Pays once, and then does what it is told, in whatever order."""

    def __init__(self, app: SandboxApp) -> None:
        self._app = app
        self._client = Client(app)

    def ask(self, method: str, path: str, **params: Any) -> dict[str, Any]:
        form = urlencode(list(flat("", params)))
        where: dict[str, Any] = (
            {"data": form, "content_type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        )
        answer = self._client.open(path, method=method, headers={"Authorization": "Bearer sk_test_x"}, **where)
        body = json.loads(answer.get_data())
        assert answer.status_code < 500, (path, params, body)
        if answer.status_code == 200:
            assert sdk_types.problems(body) == []
        return dict(body)

    def control(self, name: str, **given: Any) -> None:
        here = {"REMOTE_ADDR": "127.0.0.1"}
        answer = self._client.post(f"/_sandbox/{name}", json=given, environ_overrides=here)
        assert answer.status_code in (200, 400), answer.get_data()

    def go_on(self, intent_id: str, answer: str, code: str) -> None:
        """Do what the intent waits for: press a button on the page, or tell what was paid in."""
        path = f"/v1/payment_intents/{intent_id}"
        action = self.ask("GET", path)["next_action"] or {}
        if "redirect_to_url" in action:
            page = "/" + action["redirect_to_url"]["url"].split("/", 3)[3]
            assert self._client.post(page, data={"outcome": answer}).status_code in (200, 303)
        if "verify_with_microdeposits" in action:
            self.ask("POST", f"{path}/verify_microdeposits", descriptor_code=code)

    def act(self, name: str, intent_id: str) -> None:
        path = f"/v1/payment_intents/{intent_id}"
        intent = self.ask("GET", path)
        match name:
            case "wait":
                self.control("clock", seconds=10 * DAY_SECONDS)
            case "refund":
                self.ask("POST", "/v1/refunds", payment_intent=intent_id, amount="500")
            case "dispute":
                self.control("disputes", charge=intent["latest_charge"] or "ch_none", reason="general")
            case "detach":
                self.ask("POST", f"/v1/payment_methods/{intent['payment_method'] or 'pm_none'}/detach")
            case _:
                self.ask("POST", f"{path}/{name}")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxApp]:
    never_by_itself = replace(SandboxSettings(), bank_day_seconds=DAY_SECONDS)
    made = create_sandbox(tmp_path_factory.mktemp("methods") / "sandbox.db", never_by_itself)
    yield made
    made.close()


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    method=METHODS,
    saves=st.booleans(),
    held=st.booleans(),
    accepted=MOSTLY,
    known=st.booleans(),
    answer=ANSWERS,
    code=CODES,
    seconds=WAITS,
    acts=ACTS,
    data=st.data(),
)
def test_every_method_may_end_in_every_way(
    app: SandboxApp,
    method: tuple[str, dict[str, Any]],
    *,
    saves: bool,
    held: bool,
    accepted: bool,
    known: bool,
    answer: str,
    code: str,
    seconds: int,
    acts: list[str],
    data: st.DataObject,
) -> None:
    shop = Shop(app)
    kind, details = method
    payable = [currency for currency in TYPES[kind].currencies if money.minimum(currency) <= AMOUNT]
    currency = data.draw(st.sampled_from(sorted(payable)))
    customer = {"customer": shop.ask("POST", "/v1/customers")["id"]} if known else {}
    intent = shop.ask(
        "POST",
        "/v1/payment_intents",
        amount=str(AMOUNT),
        currency=currency,
        allowed_payment_method_types=[kind, "card"],
        capture_method="manual" if held and TYPES[kind].holds else "automatic",
        **customer,
        **({"setup_future_usage": "off_session"} if saves and known and TYPES[kind].saved_as else {}),
    )
    shop.ask(
        "POST",
        f"/v1/payment_intents/{intent['id']}/confirm",
        payment_method_data={"type": kind, "billing_details": HOLDER, **details},
        return_url="https://shop.example/return",
        **({"mandate_data": ACCEPTED} if accepted else {}),
    )
    shop.go_on(intent["id"], answer, code)
    shop.control("clock", seconds=seconds)
    for name in acts:
        shop.act(name, intent["id"])
    app.sandbox.run_due_effects()
    _the_money_adds_up(shop, intent["id"])


def _the_money_adds_up(shop: Shop, intent_id: str) -> None:
    """What stands in the balance for a charge is what it took, less what it gave back."""
    charge_id = shop.ask("GET", f"/v1/payment_intents/{intent_id}")["latest_charge"]
    if charge_id is None:
        return
    charge = shop.ask("GET", f"/v1/charges/{charge_id}")
    refunds = shop.ask("GET", f"/v1/refunds?charge={charge_id}")["data"]
    sources = [charge_id, *(refund["id"] for refund in refunds)]
    moved = sum(
        transaction["amount"]
        for source in sources
        for transaction in shop.ask("GET", f"/v1/balance_transactions?source={source}")["data"]
    )
    given_back = sum(refund["amount"] for refund in refunds if refund["status"] in ("pending", "succeeded"))
    taken = charge["amount_captured"] if charge["status"] != "failed" and charge["balance_transaction"] else 0
    assert moved == taken - (given_back if taken else 0)
