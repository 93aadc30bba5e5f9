"""An app pays: invoices and amounts, with a card at once or with Stripe's SDK, and no more than once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from portal.api import app_requests
from portal.core import db
from portal.identity.models import CustomerRole
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.jobs import outbox
from tests import factories
from tests.api.conftest import App, World

PROCESS = "/api/payments/process"
DEPOSIT: dict[str, Any] = {"amount": 25_00, "currency": "eur", "description": "Deposit"}


def test_an_invoice_is_paid_with_one_call(world: World, owner: App) -> None:
    answer = owner.post(PROCESS, {"invoice_id": world.invoice_id, "payment_method_id": world.method()})
    assert answer.status_code == 201
    paid = answer.json
    assert paid is not None
    assert (paid["status"], paid["amount"], paid["currency"]) == ("succeeded", 119_00, "eur")
    assert (paid["client_secret"], paid["next_action"], paid["error"]) == (None, None, None)
    assert paid["card"]["last4"] == "4242"
    assert world.invoice.status == "paid"
    (intent,) = world.intents
    assert (paid["stripe_payment_intent_id"], intent.amount_received) == (intent.id, 119_00)
    assert owner.get(f"/api/payments/{paid['id']}").json == {
        name: value for name, value in paid.items() if name not in {"client_secret", "next_action"}
    }


@pytest.mark.parametrize(
    ("status", "code"), [("paid", "already_paid"), ("void", "invoice_void"), ("by card", "already_paid")]
)
def test_an_invoice_that_is_closed_is_refused_by_the_code_of_the_table(
    world: World, owner: App, status: str, code: str
) -> None:
    order = {"invoice_id": world.invoice_id, "payment_method_id": world.method()}
    if status == "by card":
        assert owner.post(PROCESS, order).status_code == 201
    else:
        with db.transaction() as session:
            session.get_one(Invoice, world.invoice_id).status = InvoiceStatus(status)
    charged = len(world.intents)
    for again in (order, {"invoice_id": world.invoice_id}):
        answer = owner.post(PROCESS, again)
        assert answer.json is not None
        assert (answer.status_code, answer.json["code"]) == (409, code)
    assert len(world.intents) == charged


def test_a_test_cards_name_does_as_at_stripe(world: World, owner: App) -> None:
    answer = owner.post(PROCESS, {"invoice_id": world.invoice_id, "payment_method_id": "pm_card_mastercard"})
    assert answer.json is not None
    assert answer.status_code == 201, answer.text
    assert answer.json["card"]["brand"] == "mastercard"


def test_without_a_card_the_answer_is_what_stripes_sdk_needs(world: World, owner: App) -> None:
    answer = owner.post(PROCESS, {"invoice_id": world.invoice_id}).json
    assert answer is not None
    assert (answer["status"], answer["next_action"]) == ("requires_payment_method", "confirm")
    (intent,) = world.intents
    assert answer["client_secret"] == intent.client_secret
    world.confirm(intent.id)
    outbox.run_due()


def test_an_amount_with_items_and_metadata(world: World, owner: App) -> None:
    order = {
        "amount": 25_00,
        "currency": "eur",
        "payment_method_id": world.method(),
        "description": "Spare parts",
        "items": [
            {"description": "Brake pads", "quantity": "2", "unit_amount": 10_00},
            {"description": "Oil", "unit_amount": 5_00},
        ],
        "metadata": {"order": "A-17"},
    }
    paid = owner.post(PROCESS, order).json
    assert paid is not None
    assert (paid["status"], paid["metadata"], paid["description"]) == ("succeeded", {"order": "A-17"}, "Spare parts")
    assert paid["items"][0] == {"description": "Brake pads", "quantity": "2", "unit_amount": 10_00}
    assert world.intents[0].metadata["order"] == "A-17"


@pytest.mark.parametrize("keep", [True, False])
def test_a_card_is_kept_if_its_customer_wants_it(world: World, owner: App, keep: bool) -> None:
    owner.post(PROCESS, DEPOSIT | {"payment_method_id": world.method(), "save_payment_method": keep})
    (intent,) = world.intents
    assert intent.setup_future_usage == ("off_session" if keep else None)


def test_a_bank_that_asks_is_answered_by_its_customer(owner: App, world: World) -> None:
    order = {"invoice_id": world.invoice_id, "payment_method_id": world.method("authenticationRequired")}
    answer = owner.post(PROCESS, order)
    assert answer.status_code == 201
    assert answer.json is not None
    assert (answer.json["status"], answer.json["next_action"]) == ("requires_action", "authenticate")
    assert answer.json["client_secret"]


def test_a_decline_is_402_with_what_may_be_said(owner: App, world: World) -> None:
    order = {"invoice_id": world.invoice_id, "payment_method_id": world.method("visa_chargeDeclinedInsufficientFunds")}
    refused = owner.post(PROCESS, order)
    assert refused.status_code == 402
    assert refused.json is not None
    assert (refused.json["code"], refused.json["decline_code"]) == ("card_declined", "insufficient_funds")
    assert "not enough money" in refused.json["detail"]
    assert refused.json["payment"]["status"] == "requires_payment_method"
    again = owner.post(PROCESS, {"invoice_id": world.invoice_id, "payment_method_id": world.method()})
    assert (again.status_code, len(world.intents)) == (201, 1), "the next card is tried on the same payment"


@pytest.mark.parametrize("method", ["visa_chargeDeclinedStolenCard", "visa_chargeDeclinedLostCard"])
def test_what_hints_at_fraud_is_told_to_nobody(owner: App, world: World, method: str) -> None:
    refused = owner.post(PROCESS, {"invoice_id": world.invoice_id, "payment_method_id": world.method(method)})
    assert refused.status_code == 402
    assert refused.json is not None
    assert (refused.json["code"], refused.json["decline_code"]) == ("card_declined", None)
    assert "stolen" not in refused.text and "lost" not in refused.text


def test_a_second_call_with_the_key_shows_the_payment_as_it_is_now(owner: App, world: World) -> None:
    first = owner.post(PROCESS, {"invoice_id": world.invoice_id}, key="my-order-17")
    assert first.json is not None and first.json["status"] == "requires_payment_method"
    world.confirm(world.intents[0].id)
    second = owner.post(PROCESS, {"invoice_id": world.invoice_id}, key="my-order-17")
    assert (second.status_code, second.headers["Idempotent-Replayed"]) == (201, "true")
    assert second.json is not None
    assert (second.json["id"], second.json["status"]) == (first.json["id"], "succeeded")
    assert len(world.intents) == 1


def test_a_refusal_is_replayed_with_its_status_and_the_payment_as_it_is_now(owner: App, world: World) -> None:
    order = {"invoice_id": world.invoice_id, "payment_method_id": world.method("chargeDeclined")}
    refused = owner.post(PROCESS, order, key="my-order-18")
    owner.post(PROCESS, {"invoice_id": world.invoice_id, "payment_method_id": world.method()})
    replay = owner.post(PROCESS, order, key="my-order-18")
    assert (refused.status_code, replay.status_code) == (402, 402)
    assert refused.json is not None and replay.json is not None
    assert replay.json["payment"]["status"] == "succeeded"
    assert [replay.json[name] for name in ("code", "detail")] == [refused.json[name] for name in ("code", "detail")]
    assert replay.json["request_id"] != refused.json["request_id"]


def test_a_key_stands_for_one_request_of_one_caller(owner: App, world: World) -> None:
    key = "my-order-19"
    owner.post(PROCESS, {"invoice_id": world.invoice_id}, key=key)
    other = owner.post(PROCESS, DEPOSIT, key=key)
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")  # type: ignore[index]
    elsewhere = world.stranger().post(PROCESS, DEPOSIT, key=key)
    assert elsewhere.status_code == 201


@pytest.mark.parametrize("key", ["", "short", "x" * 256, "with space in it"])
def test_without_a_good_key_nothing_moves(owner: App, world: World, key: str) -> None:
    answer = owner.post(PROCESS, {"invoice_id": world.invoice_id}, key=key)
    assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_missing")  # type: ignore[index]
    assert (world.intents, world.payments) == ([], [])


def test_while_the_first_request_runs_the_second_is_told_to_wait(owner: App, world: World) -> None:
    order = {"invoice_id": world.invoice_id, "payment_method_id": world.method()}
    world.fail("delay", "/v1/payment_intents")
    seen: list[Any] = []
    first = threading.Thread(target=lambda: seen.append(owner.post(PROCESS, order, key="my-order-20")))
    first.start()
    try:
        while not _is_held("my-order-20"):
            assert first.is_alive()
        second = owner.post(PROCESS, order, key="my-order-20")
    finally:
        first.join()
    assert (second.status_code, second.json["code"]) == (409, "request_in_flight")  # type: ignore[index]
    assert int(second.headers["Retry-After"]) > 0
    assert seen[0].status_code == 201
    assert owner.post(PROCESS, order, key="my-order-20").json["id"] == seen[0].json["id"]  # type: ignore[index]


def _is_held(key: str) -> bool:
    with db.reading() as session:
        row = session.query(app_requests.AppRequest).filter_by(key=key).one_or_none()
    return row is not None and row.status is None


def test_what_a_dead_process_began_is_finished_by_the_next_request(owner: App, world: World) -> None:
    order = {"invoice_id": world.invoice_id, "payment_method_id": world.method()}
    world.fail("reset_after", "/v1/payment_intents/*/confirm")
    first = owner.post(PROCESS, order, key="my-order-21")
    with db.transaction() as session:  # the process died before the answer was kept
        row = session.query(app_requests.AppRequest).filter_by(key="my-order-21").one()
        row.status = row.answer = row.held_until = None
        row.subject = ""
    second = owner.post(PROCESS, order, key="my-order-21")
    assert (second.status_code, second.json["status"]) == (201, "succeeded")  # type: ignore[index]
    assert first.status_code in {201, 503}
    assert [intent.amount_received for intent in world.intents] == [119_00]


def test_when_stripe_is_down_the_same_request_goes_on_later(owner: App, world: World) -> None:
    order = {"invoice_id": world.invoice_id, "payment_method_id": world.method()}
    world.fail("error_before", "/v1/*", times=50)
    down = owner.post(PROCESS, order, key="my-order-22")
    assert (down.status_code, down.headers["Retry-After"]) == (503, "30")
    world.sandbox.control("faults/clear")
    assert owner.post(PROCESS, order, key="my-order-22").status_code == 201
    assert [intent.amount_received for intent in world.intents] == [119_00]


def test_a_charge_without_an_answer_is_processing_and_the_same_again_is_refused(owner: App, world: World) -> None:
    order = DEPOSIT | {"payment_method_id": world.method()}
    world.fail("reset_before", "/v1/payment_intents/*/confirm", times=2)
    lost = owner.post(PROCESS, order, key="my-order-23")
    begun = lost.json
    assert begun is not None
    assert (lost.status_code, begun["status"], begun["error"], begun["next_action"]) == (201, "processing", None, None)
    assert owner.get(f"/api/payments/{begun['id']}").json["status"] == "processing"  # type: ignore[index]
    assert _ids(owner, status="processing") == [begun["id"]]
    assert _ids(owner, status="unfinished") == []
    again = DEPOSIT | {"payment_method_id": world.method("mastercard")}
    for _time in range(2):  # a refusal is kept, with the payment as it is when it is told again
        refused = owner.post(PROCESS, again, key="my-order-24")
        assert refused.json is not None
        assert (refused.status_code, refused.json["code"]) == (409, "payment_unresolved")
        assert refused.json["payment"]["id"] == begun["id"]
    outbox.run_due()
    assert owner.get(f"/api/payments/{begun['id']}").json["status"] == "succeeded"  # type: ignore[index]
    assert sum(intent.amount_received for intent in world.intents) == 25_00
    assert owner.post(PROCESS, again).status_code == 201, "it is known how the first one ended"


def test_an_app_may_insist_on_the_same_again(owner: App, world: World) -> None:
    world.fail("reset_before", "/v1/payment_intents/*/confirm", times=2)
    owner.post(PROCESS, DEPOSIT | {"payment_method_id": world.method()})
    insisting = DEPOSIT | {"payment_method_id": world.method(), "allow_duplicate": True}
    assert owner.post(PROCESS, insisting).status_code == 201
    assert len(_ids(owner)) == 2


def test_a_payment_that_waits_is_canceled_by_its_customer_and_by_the_company(owner: App, world: World) -> None:
    callers = [owner, world.of(world.staff("support")), world.api_client("payments:cancel")]
    for caller in callers:
        begun = owner.post(PROCESS, {"invoice_id": world.invoice_id}).json
        assert begun is not None
        for _time in range(2):
            answer = caller.post(f"/api/payments/{begun['id']}/cancellation", key="")
            assert (answer.status_code, answer.json["status"]) == (200, "canceled"), answer.text  # type: ignore[index]
    assert [intent.status for intent in world.intents] == ["canceled"] * len(callers)
    assert world.invoice.status == "open"


def test_what_is_paid_at_this_moment_is_not_canceled_and_that_is_told(owner: App, world: World) -> None:
    begun = owner.post(PROCESS, {"invoice_id": world.invoice_id}).json
    assert begun is not None
    world.confirm(world.intents[0].id)
    answer = owner.post(f"/api/payments/{begun['id']}/cancellation", key="")
    assert (answer.status_code, answer.json["code"]) == (409, "already_paid")  # type: ignore[index]
    assert world.invoice.status == "paid"
    assert world.stranger().post(f"/api/payments/{begun['id']}/cancellation", key="").status_code == 404


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({}, ""),
        ({"amount": 25_00}, ""),
        ({"amount": "2500", "currency": "eur"}, "amount"),
        ({"amount": 25.5, "currency": "eur"}, "amount"),
        ({"amount": True, "currency": "eur"}, "amount"),
        ({"amount": 0, "currency": "eur"}, "amount"),
        (DEPOSIT | {"amount": 1}, "amount"),
        ({"amount": 25_00, "currency": "EUR"}, "currency"),
        (DEPOSIT | {"currency": "xxx"}, "currency"),
        ({"amount": 25_00, "currency": "eur"}, "description"),
        (DEPOSIT | {"tip": 5}, "tip"),
        (DEPOSIT | {"metadata": {"payment_id": "x"}}, "metadata"),
        (DEPOSIT | {"items": [{"description": "A", "unit_amount": 1}]}, "items"),
        (DEPOSIT | {"description": "with \0"}, "description"),
        (DEPOSIT | {"payment_method_id": "pm_none"}, "payment_method_id"),
    ],
)
def test_a_wrong_order_names_its_field_and_moves_nothing(
    owner: App, world: World, order: dict[str, Any], field: str
) -> None:
    answer = owner.post(PROCESS, order)
    assert answer.status_code == 422
    assert answer.json is not None
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert world.intents == []


def test_who_tries_out_one_card_after_the_other_is_stopped(owner: App, world: World) -> None:
    answers = [
        owner.post(PROCESS, {"invoice_id": world.invoice_id, "payment_method_id": world.method("chargeDeclined")})
        for _try in range(11)
    ]
    assert [answer.status_code for answer in answers] == [402] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 600


def test_an_invoices_amount_comes_from_the_invoice(owner: App, world: World) -> None:
    answer = owner.post(PROCESS, {"invoice_id": world.invoice_id, "amount": 1_00, "currency": "eur"})
    assert answer.status_code == 422
    assert world.intents == []


def test_anothers_invoice_is_not_there(world: World) -> None:
    answer = world.stranger().post(PROCESS, {"invoice_id": world.invoice_id, "payment_method_id": world.method()})
    assert (answer.status_code, world.intents) == (404, [])


def test_who_may_pay(world: World) -> None:
    order = {"invoice_id": world.invoice_id}
    assert world.of(world.person(CustomerRole.VIEWER)).post(PROCESS, order).status_code == 403
    assert world.api_client("payments:read").post(PROCESS, order).status_code == 403
    assert world.of(world.staff("admin")).post(PROCESS, order).status_code == 403
    assert world.of(world.person(CustomerRole.PAYER), "payments:read").post(PROCESS, order).status_code == 403
    assert world.payments == []


# The list


def test_history_is_paged_by_cursor(world: World, owner: App) -> None:
    with db.transaction() as session:
        made = [factories.payment(session, world.customer).id for _number in range(7)]
    newest = list(reversed(made))
    first = owner.get("/api/payments/history", limit=3, total="true").json
    assert first is not None
    assert ([row["id"] for row in first["data"]], first["total"], first["has_more"]) == (newest[:3], 7, True)
    second = owner.get("/api/payments/history", limit=3, cursor=first["next_cursor"]).json
    assert second is not None
    assert ([row["id"] for row in second["data"]], second["total"]) == (newest[3:6], None)
    last = owner.get("/api/payments/history", limit=3, cursor=second["next_cursor"]).json
    assert last is not None
    assert ([row["id"] for row in last["data"]], last["has_more"], last["next_cursor"]) == (newest[6:], False, None)
    assert _ids(owner, sort="created_at", limit=2) == made[:2]


def _ids(app: App, **query: Any) -> list[str]:
    answer = app.get("/api/payments/history", **query)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return [row["id"] for row in answer.json["data"]]


def test_history_is_narrowed(world: World, owner: App) -> None:
    with db.transaction() as session:
        dollars = factories.payment(session, world.customer, currency="usd", description="Brake pads").id
        waiting = factories.payment(session, world.customer, status="processing", succeeded_at=None).id
    assert _ids(owner, currency="usd") == [dollars]
    assert _ids(owner, status="processing") == [waiting]
    assert _ids(owner, q="brake") == [dollars]
    assert _ids(owner, **{"from": "2999-01-01"}) == []


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 101}, {"offset": 20}, {"sort": "amount"}, {"status": "lost"}, {"page": 2},
     {"cursor": "!"}, {"from": "soon"}],
)  # fmt: skip
def test_a_wrong_filter_is_named(owner: App, query: dict[str, Any]) -> None:
    answer = owner.get("/api/payments/history", **query)
    assert answer.status_code == 422
    assert answer.json is not None
    assert [error["field"] for error in answer.json["errors"]] == list(query)


def test_the_company_names_whose_payments_it_wants(world: World) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, world.customer).id
    support = world.of(world.staff("support"))
    assert support.get("/api/payments/history").status_code == 422
    assert _ids(support, customer_id=world.customer_id) == [payment]
    assert _ids(world.api_client("payments:read"), customer_id=world.customer_id) == [payment]
    stranger = world.stranger()
    assert stranger.get("/api/payments/history", customer_id=world.customer_id).status_code == 404
    assert stranger.get(f"/api/payments/{payment}").status_code == 404
