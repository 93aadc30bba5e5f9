"""Calls that fail on purpose, and what is left of them."""

from __future__ import annotations

import threading

import pytest
import requests
import stripe

from portal.sandbox.faults import FAULTS
from tests.sandbox.conftest import RunningSandbox
from tests.waiting import eventually

CREATE = "/v1/customers"


def post(sandbox: RunningSandbox, key: str | None = None, **data: str) -> requests.Response:
    headers = {"Authorization": "Bearer sk_test_x", **({"Idempotency-Key": key} if key else {})}
    return requests.post(f"{sandbox.url}{CREATE}", data=data, headers=headers, timeout=10)


def customers(sandbox: RunningSandbox) -> int:
    return int(sandbox.state()["objects"]["customer"])


@pytest.mark.parametrize(
    ("fault", "effects"), [("reset_before", 0), ("reset_after", 1), ("hang_before", 0), ("hang_after", 1)]
)
def test_a_broken_connection_leaves_what_it_says(sandbox: RunningSandbox, fault: str, effects: int) -> None:
    sandbox.control("faults", fault=fault, path=CREATE, seconds=0.05)
    with pytest.raises(requests.ConnectionError):
        post(sandbox)
    assert customers(sandbox) == effects


@pytest.mark.parametrize(("fault", "effects"), [("error_before", 0), ("error_after", 1)])
def test_a_server_error_leaves_what_it_says(sandbox: RunningSandbox, fault: str, effects: int) -> None:
    sandbox.control("faults", fault=fault, path=CREATE)
    answer = post(sandbox)
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "api_error")
    assert customers(sandbox) == effects


def test_an_error_may_be_kept_without_any_effect(sandbox: RunningSandbox) -> None:
    sandbox.control("faults", fault="error_kept", path=CREATE)
    assert post(sandbox, "key").status_code == 500
    again = post(sandbox, "key")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (500, "true")
    assert customers(sandbox) == 0


def test_an_error_after_the_effect_is_repeated_under_its_key(sandbox: RunningSandbox) -> None:
    sandbox.control("faults", fault="error_after", path=CREATE)
    assert post(sandbox, "key").status_code == 500
    again = post(sandbox, "key")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (500, "true")
    assert customers(sandbox) == 1


def test_an_error_before_the_effect_leaves_the_key_free(sandbox: RunningSandbox) -> None:
    sandbox.control("faults", fault="error_before", path=CREATE)
    assert post(sandbox, "key").status_code == 500
    assert post(sandbox, "key").status_code == 200


def test_an_answer_can_break_off(sandbox: RunningSandbox) -> None:
    sandbox.control("faults", fault="truncate", path=CREATE)
    with pytest.raises(requests.RequestException):
        post(sandbox)
    assert customers(sandbox) == 1


def test_too_many_requests_say_when_to_come_back(sandbox: RunningSandbox) -> None:
    sandbox.control("faults", fault="rate_limit", path=CREATE)
    answer = post(sandbox)
    assert (answer.status_code, answer.json()["error"]["code"], answer.headers["Retry-After"]) == (
        429,
        "rate_limit",
        "1",
    )


def test_an_object_that_another_request_holds_is_a_429_that_asks_to_be_tried_again(sandbox: RunningSandbox) -> None:
    sandbox.control("faults", fault="conflict", path=CREATE)
    answer = post(sandbox, "key")
    assert (answer.status_code, answer.headers["Stripe-Should-Retry"]) == (429, "true")
    assert answer.json()["error"]["code"] == "lock_timeout"
    assert post(sandbox, "key").status_code == 200  # nothing began, so nothing was kept


def test_two_requests_at_once_under_one_key_collide(sandbox: RunningSandbox) -> None:
    sandbox.control("faults", fault="delay", path=CREATE, seconds=1.0)
    answers: list[int] = []
    first = threading.Thread(target=lambda: answers.append(post(sandbox, "key").status_code))
    first.start()
    try:
        eventually(lambda: sandbox.state()["faults"] == [])
        second = post(sandbox, "key")
    finally:
        first.join()
    assert (second.status_code, second.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert answers == [200]
    assert customers(sandbox) == 1


def test_the_sdk_retries_a_lost_answer_and_it_happens_once(sandbox: RunningSandbox) -> None:
    sandbox.control("faults", fault="reset_after", path=CREATE, times=2)
    client = stripe.StripeClient("sk_test_x", base_addresses={"api": sandbox.url}, max_network_retries=3)
    assert client.v1.customers.create({"name": "Once"}).name == "Once"
    assert customers(sandbox) == 1


def test_only_matching_calls_fail(sandbox: RunningSandbox) -> None:
    sandbox.control("faults", fault="error_before", method="POST", path="/v1/payment_intents/*/confirm")
    assert post(sandbox).status_code == 200
    intent = sandbox.client.v1.payment_intents.create({"amount": 2000, "currency": "eur"})
    with pytest.raises(stripe.APIError):
        sandbox.client.v1.payment_intents.confirm(
            intent.id, {"payment_method": "pm_card_visa", "return_url": "https://shop.example"}
        )


def test_faults_can_be_cleared(sandbox: RunningSandbox) -> None:
    sandbox.control("faults", fault="error_before", times=5)
    sandbox.control("faults/clear")
    assert post(sandbox).status_code == 200


def test_every_fault_is_offered(sandbox: RunningSandbox) -> None:
    page = sandbox.get("/_sandbox/controls").text
    assert all(f"<option>{fault}</option>" in page for fault in FAULTS)


def test_an_unknown_fault_is_refused(sandbox: RunningSandbox) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/faults", json={"fault": "flood"}, timeout=10)
    assert answer.status_code == 400
