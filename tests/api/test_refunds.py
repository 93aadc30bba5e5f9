"""Refunds over the API: asked for by customers, decided by staff, with the rules of the pages."""

from __future__ import annotations

from typing import Any

import pytest

from portal.accounts.models import Customer
from portal.core import db
from portal.core.audit import AuditEvent
from portal.jobs import outbox
from portal.payments.models import Payment
from portal.refunds import service as refunds
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from tests import factories
from tests.api.conftest import App, World

ASK = "/api/payments/refund"


@pytest.fixture
def payment(world: World, owner: App) -> str:
    """The id of a payment of 119 euros that has arrived."""
    paid = owner.post(
        "/api/payments/process", {"invoice_id": world.invoice_id, "payment_method_id": world.method()}
    ).json
    assert paid is not None and paid["status"] == "succeeded"
    return str(paid["id"])


def wish(payment: str, minor: int | None = 20_00, **more: Any) -> dict[str, Any]:
    return {"payment_id": payment, "amount": minor, "reason": "product_not_received"} | more


def test_a_customer_asks_and_staff_approve(world: World, owner: App, payment: str) -> None:
    asked = owner.post(ASK, wish(payment))
    assert asked.status_code == 201
    assert asked.json is not None
    assert (asked.json["status"], asked.json["amount"], asked.json["currency"]) == ("requested", 20_00, "eur")
    support = world.of(world.staff("support"))
    approved = support.post(f"/api/refunds/{asked.json['id']}/approval", {"amount": 15_00})
    assert approved.json is not None
    assert (approved.status_code, approved.json["status"], approved.json["amount"]) == (200, "approved", 15_00)
    outbox.run_due()
    now = owner.get(f"/api/refunds/{asked.json['id']}").json
    assert now is not None
    assert (now["status"], now["amount"], now["amount_asked"]) == ("succeeded", 15_00, 20_00)
    shown = owner.get(f"/api/payments/{payment}").json
    assert shown is not None and shown["amount_refunded"] == 15_00


@pytest.mark.settings(PORTAL_REFUND_OWN_APPROVAL="eur:10")
def test_staff_with_the_scope_execute_at_once_up_to_the_sum_of_the_settings(world: World, payment: str) -> None:
    support = world.of(world.staff("support"))
    done = support.post(ASK, wish(payment, 5_00, reason="goodwill")).json
    assert done is not None and done["status"] == "approved"
    more = support.post(ASK, wish(payment, 6_00, reason="goodwill")).json
    assert more is not None and more["status"] == "requested"
    proposing = world.of(world.staff("approver"), "refunds:request", "refunds:read")
    proposed = proposing.post(ASK, wish(payment, 6_00, reason="goodwill")).json
    assert proposed is not None and proposed["status"] == "requested"


@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:50")
def test_four_eyes_hold_here_too(world: World, payment: str) -> None:
    proposer, first = world.of(world.staff("approver")), world.of(world.staff("support"))
    begun = proposer.post(ASK, wish(payment, 100_00, reason="goodwill")).json
    assert begun is not None
    assert (begun["status"], begun["needs_second_approval"]) == ("requested", True)
    approval = f"/api/refunds/{begun['id']}/approval"
    for once in (proposer, first):
        assert once.post(approval, {}).status_code == (403 if once is proposer else 200)
        again = once.post(approval, {})
        assert (again.status_code, again.json["code"]) == (403, "four_eyes")  # type: ignore[index]
    low = world.of(world.staff("support")).post(approval, {})
    assert (low.status_code, low.json["code"]) == (403, "role_too_low")  # type: ignore[index]
    second = world.of(world.staff("admin")).post(approval, {})
    assert (second.status_code, second.json["status"]) == (200, "approved")  # type: ignore[index]


def test_a_second_call_with_the_key_repeats_nothing(world: World, owner: App, payment: str) -> None:
    support = world.of(world.staff("support"))
    first = support.post(ASK, wish(payment, 5_00, reason="goodwill"), key="return-17")
    world.of(world.staff("approver")).post(f"/api/refunds/{first.json['id']}/approval", {})  # type: ignore[index]
    outbox.run_due()
    second = support.post(ASK, wish(payment, 5_00, reason="goodwill"), key="return-17")
    assert first.json is not None and second.json is not None
    assert (second.json["id"], second.json["status"]) == (first.json["id"], "succeeded")
    assert len(world.sandbox.client.v1.refunds.list().data) == 1


@pytest.mark.settings(PORTAL_REFUND_OWN_APPROVAL="eur:10")
def test_one_that_was_cut_off_between_proposing_and_approving_is_finished(world: World, payment: str) -> None:
    person = world.staff("support")
    proposing = world.of(person, "refunds:request", "refunds:read")
    order = wish(payment, 5_00, reason="goodwill")
    proposed = proposing.post(ASK, order, key="return-18").json
    assert proposed is not None and proposed["status"] == "requested"
    with db.transaction() as session:  # what the request left behind when it died
        session.execute(Refund.metadata.tables["app_requests"].delete())
    finished = world.of(person).post(ASK, order, key="return-18").json
    assert finished is not None
    assert (finished["id"], finished["status"]) == (proposed["id"], "approved")


def test_all_that_is_left_is_asked_for_once_when_the_answer_was_lost(owner: App, payment: str) -> None:
    first = owner.post(ASK, wish(payment, None), key="return-19").json
    with db.transaction() as session:  # what the request left behind when it died
        session.execute(Refund.metadata.tables["app_requests"].delete())
    again = owner.post(ASK, wish(payment, None), key="return-19")
    assert first is not None and again.json is not None
    assert (again.status_code, again.json["id"], again.json["amount"]) == (201, first["id"], 119_00)


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"amount": 119_01}, 422, "too_much"),
        ({"amount": 0}, 422, "invalid_request"),
        ({"amount": -1}, 422, "invalid_request"),
        ({"currency": "usd"}, 422, "invalid"),
        ({"reason": "goodwill"}, 422, "invalid"),
        ({"reason": "other"}, 422, "invalid"),
        ({"reason": "because"}, 422, "invalid_request"),
        ({"payment_id": "pay_none"}, 404, "not_found"),
    ],
)
def test_what_cannot_be_refunded_is_told_and_changes_nothing(
    owner: App, payment: str, changed: dict[str, Any], status: int, code: str
) -> None:
    answer = owner.post(ASK, wish(payment) | changed)
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (status, code)
    with db.reading() as session:
        assert session.query(Refund).count() == 0


def test_a_payment_that_has_not_arrived_is_not_refunded(world: World, owner: App) -> None:
    with db.transaction() as session:
        waiting = factories.payment(session, world.customer, status="processing", succeeded_at=None).id
    answer = owner.post(ASK, wish(waiting, 1_00))
    assert (answer.status_code, answer.json["code"]) == (409, "payment_not_refundable")  # type: ignore[index]


def test_without_an_amount_all_that_is_left_is_asked_for(owner: App, payment: str) -> None:
    owner.post(ASK, wish(payment, 20_00))
    rest = owner.post(ASK, wish(payment, None)).json
    assert rest is not None and rest["amount"] == 99_00
    for amount in (None, 1_00):
        none = owner.post(ASK, wish(payment, amount))
        assert (none.status_code, none.json["code"]) == (422, "nothing_left")  # type: ignore[index]


def test_a_request_is_declined_or_withdrawn_once(world: World, owner: App, payment: str) -> None:
    support = world.of(world.staff("support"))
    first = owner.post(ASK, wish(payment, 1_00)).json
    second = owner.post(ASK, wish(payment, 2_00)).json
    assert first is not None and second is not None
    said = {"rejection": "The parts were used."}
    declined = support.post(f"/api/refunds/{first['id']}/rejection", said).json
    assert declined is not None
    assert (declined["status"], declined["rejection"]) == ("rejected", "The parts were used.")
    assert support.post(f"/api/refunds/{first['id']}/approval", {}).status_code == 409
    withdrawal = f"/api/refunds/{second['id']}/withdrawal"
    statuses = [owner.send("POST", withdrawal).json["status"] for _time in range(2)]  # type: ignore[index]
    assert statuses == ["withdrawn", "withdrawn"]
    assert owner.send("POST", f"/api/refunds/{first['id']}/withdrawal").status_code == 409
    listed = owner.get("/api/refunds", limit=1).json
    assert listed is not None
    assert ([row["id"] for row in listed["data"]], listed["has_more"]) == ([second["id"]], True)


def test_staff_who_look_leave_a_trace(world: World, payment: str) -> None:
    person = world.staff("support")
    world.of(person).get(f"/api/payments/{payment}")
    with db.reading() as session:
        customer_id = session.get_one(Payment, payment).customer_id
        seen = session.query(AuditEvent).filter_by(action="staff.viewed", actor_id=person.id, subject=payment).one()
    assert (seen.customer_id, seen.facts) == (customer_id, {"what": "payment"})


def test_staff_list_what_waits_of_all_customers(world: World, owner: App, payment: str) -> None:
    first, second = (owner.post(ASK, wish(payment, amount)).json for amount in (1_00, 2_00))
    assert first is not None and second is not None
    support = world.of(world.staff("support"))
    support.post(f"/api/refunds/{first['id']}/rejection", {"rejection": "The parts were used."})
    listed = support.get("/api/refunds", status="requested").json
    assert listed is not None and [row["id"] for row in listed["data"]] == [second["id"]]
    every = support.get("/api/refunds").json
    assert every is not None and [row["id"] for row in every["data"]] == [second["id"], first["id"]]
    own = owner.get("/api/refunds", status="rejected").json
    assert own is not None and [row["id"] for row in own["data"]] == [first["id"]]


@pytest.mark.parametrize("path", ["/api/refunds", "/api/invoices", "/api/payments/history", "/api/receipts"])
def test_staff_who_list_what_is_a_customers_leave_a_trace(world: World, path: str) -> None:
    person = world.staff("support")
    assert world.of(person).get(path, customer_id=world.customer.id).status_code == 200
    assert world.of(person).get(path, customer_id="cus_none").status_code == 404
    with db.reading() as session:
        seen = session.query(AuditEvent).filter_by(action="staff.viewed", actor_id=person.id).one()
    assert (seen.subject, seen.customer_id) == (world.customer.id, world.customer.id)


def test_staff_list_failed_refunds_leave_a_trace_and_resolve_one(world: World, owner: App, payment: str) -> None:
    asked = owner.post(ASK, wish(payment)).json
    assert asked is not None
    approver, person = world.of(world.staff("approver")), world.staff("support")
    approver.post(f"/api/refunds/{asked['id']}/approval", {})
    outbox.run_due()
    with db.transaction() as session:
        row = session.get_one(Refund, asked["id"])
        stripe_id = str(row.stripe_refund_id)
    world.sandbox.control("refunds/fail", refund=stripe_id)
    refunds.sync_refund(stripe_id)
    listed = world.of(person).get("/api/refunds/failed").json
    assert listed is not None and [row["id"] for row in listed["data"]] == [asked["id"]]
    assert "sent the money back" in owner.get(f"/api/refunds/{asked['id']}").json["message"]  # type: ignore[index]
    with db.reading() as session:
        seen = session.query(AuditEvent).filter_by(action="staff.viewed", actor_id=person.id).one()
    assert (seen.subject, seen.customer_id) == (asked["id"], world.customer_id)
    new = world.of(person).post(f"/api/refunds/{asked['id']}/replacement", {}).json
    assert new is not None and (new["status"], new["amount"]) == ("requested", 20_00)
    left = approver.get("/api/refunds/failed").json
    assert left is not None and left["data"] == []


def test_an_unknown_refund_is_told_in_words_and_decided_by_an_approver(world: World, owner: App, payment: str) -> None:
    approver = world.of(world.staff("approver"))
    asked = owner.post(ASK, wish(payment)).json
    assert asked is not None and asked["message"] is None
    approver.post(f"/api/refunds/{asked['id']}/approval", {})
    with db.transaction() as session:
        row = session.get_one(Refund, asked["id"])
        row.status, row.review_reason = RefundStatus.UNKNOWN, "Stripe’s answer was lost"
    told = owner.get(f"/api/refunds/{asked['id']}").json
    assert told is not None and (told["status"], "checking" in told["message"]) == ("unknown", True)
    address = f"/api/refunds/{asked['id']}/new-attempt"
    refused = world.of(world.staff("support")).post(address, {})
    assert (refused.status_code, refused.json["code"]) == (403, "role_too_low")  # type: ignore[index]
    for _ in range(2):
        sent = approver.post(address, {}, key="try-once-more")
        assert (sent.status_code, sent.json["status"]) == (200, "executing")  # type: ignore[index]
    outbox.run_due()
    assert owner.get(f"/api/refunds/{asked['id']}").json["status"] == "succeeded"  # type: ignore[index]
    over = approver.post(f"/api/refunds/{asked['id']}/abandonment", {})
    assert over.status_code == 409
    assert len(world.sandbox.client.v1.refunds.list().data) == 1


def test_an_amount_between_the_steps_of_its_currency_is_refused(world: World, owner: App) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, world.customer_id)
        paid = factories.payment(session, customer, currency="kwd", amount_minor=5_120).id
    refused = owner.post(ASK, wish(paid, 1_005))
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "amount")  # type: ignore[index]
