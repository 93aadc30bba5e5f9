"""An event arrives at a customer's system, signed; what goes wrong there is tried again, told, and in the end given up."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from portal.accounts import queries as accounts
from portal.core import clock, db
from portal.core.audit import AuditEvent
from portal.core.errors import Conflict, NotFound
from portal.jobs import outbox, own_jobs
from portal.jobs.models import JobRow
from portal.webhook_endpoints import job_handlers, jobs, queries, sending, service
from portal.webhook_endpoints.models import Delivery, DisabledReason, EventType, WebhookEndpoint, WebhookEvent
from tests import factories
from tests.core.conftest import GaveUpError, given_up
from tests.counting import counted_queries
from tests.smtp import Mailbox, text_of
from tests.webhook_endpoints.conftest import Listener, Names, attempt, deliveries, delivery
from tests.webhook_endpoints.receiver import Receiver, answers


def actions() -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.number)))


def test_an_event_arrives_signed_and_once(listener: Listener, receiver: Receiver) -> None:
    before = clock.now().replace(microsecond=0)
    delivery_id = listener.emit("invoice.paid", invoice_id="inv_1", amount=119_00, note="Zoë")
    outbox.run_due()
    outbox.run_due()
    (got,) = receiver.received
    assert got.path == "/events?for=us"
    assert got.headers["host"] == f"{receiver.host}:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    told = Webhook(listener.secret).verify(got.body, got.headers)
    assert told == json.loads(got.body)
    assert (told["type"], told["data"]) == ("invoice.paid", {"invoice_id": "inv_1", "amount": 119_00, "note": "Zoë"})
    assert told["timestamp"].endswith("Z")
    row = delivery(delivery_id)
    assert (row.status, row.attempts, row.status_code, row.answer) == ("delivered", 1, 200, "thanks")
    assert (row.next_attempt_at, got.headers["webhook-id"]) == (None, row.event_id)
    assert row.delivered_at is not None and row.delivered_at >= before
    assert listener.endpoint.failing_since is None


def test_a_host_is_reached_by_its_second_address_when_the_first_takes_no_connection(
    listener: Listener, receiver: Receiver, names: Names
) -> None:
    names.known[receiver.host] = [["127.0.0.2", "127.0.0.1"]]
    listener.emit("invoice.paid", invoice_id="inv_1")
    outbox.run_due()
    assert len(receiver.received) == 1


def test_a_changed_body_or_another_secret_does_not_verify(listener: Listener, receiver: Receiver) -> None:
    attempt(listener.emit())
    (got,) = receiver.received
    with pytest.raises(WebhookVerificationError):
        Webhook(listener.secret).verify(got.body.replace(b"inv_1", b"inv_2"), got.headers)
    other = service.rotate_secret(listener.customer_id, listener.endpoint_id)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(got.body, got.headers)


def test_two_secrets_sign_for_a_day_after_a_change(listener: Listener, receiver: Receiver) -> None:
    new = service.rotate_secret(listener.customer_id, listener.endpoint_id)
    assert new != listener.secret
    attempt(listener.emit())
    for secret in (new, listener.secret):
        Webhook(secret).verify(receiver.received[-1].body, receiver.received[-1].headers)
    later = listener.emit()
    with time_machine.travel(clock.now() + timedelta(hours=24, seconds=1)):
        attempt(later)
        got = receiver.received[-1]
        Webhook(new).verify(got.body, got.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(listener.secret).verify(got.body, got.headers)
    assert "endpoint.secret_rotated" in actions()


def test_who_listens_to_nothing_costs_one_read(database: str) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        with counted_queries() as statements:
            service.emit(session, customer.id, "invoice.paid", {})
    assert len(statements) == 1
    with db.reading() as session:
        assert session.scalars(select(WebhookEvent)).all() == []


def test_only_who_asked_for_it_is_told_and_nobody_elses_system(listener: Listener, receiver: Receiver) -> None:
    service.add_endpoint(listener.customer_id, receiver.url, ["payment.failed"], "", "app")
    with db.transaction() as session:
        stranger = factories.customer(session, name="Elbe Boats AG")
        service.emit(session, stranger.id, "invoice.paid", {})
        service.emit(session, listener.customer_id, "invoice.paid", {})
    assert [one.endpoint_id for one in deliveries()] == [listener.endpoint_id]


def test_what_did_not_happen_is_not_told(listener: Listener) -> None:
    with pytest.raises(GaveUpError):
        given_up(lambda session: service.emit(session, listener.customer_id, "invoice.paid", {}))
    assert deliveries() == []


@pytest.mark.database("postgresql")
def test_whoever_announces_waits_for_nobody_who_changes_endpoints(listener: Listener) -> None:
    """They hold the customer or the endpoint and wait for the audit trail, which who announces may hold already."""
    with ThreadPoolExecutor(1) as other, db.transaction() as session:
        accounts.customer(session, listener.customer_id, lock=True)
        queries.endpoint(session, listener.customer_id, listener.endpoint_id, lock=True)
        other.submit(listener.emit).result(timeout=10)
    assert len(deliveries()) == 1


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_success_counts(listener: Listener, receiver: Receiver, status: int) -> None:
    receiver.behaves = answers(status)
    delivery_id = listener.emit()
    assert attempt(delivery_id) is None
    assert (delivery(delivery_id).status, delivery(delivery_id).status_code) == ("delivered", status)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500, 503])
def test_anything_else_is_tried_again_and_no_redirect_followed(
    listener: Listener, receiver: Receiver, status: int
) -> None:
    receiver.behaves = answers(status, b"<h1>no\x00</h1>", Location=receiver.url.replace("/events", "/elsewhere"))
    delivery_id = listener.emit()
    wait = attempt(delivery_id)
    assert wait is not None and 0.8 <= wait <= 1.2
    row = delivery(delivery_id)
    assert (row.status, row.attempts, row.status_code, row.answer) == ("pending", 1, status, "<h1>no </h1>")
    assert row.next_attempt_at is not None and row.next_attempt_at > clock.now() - timedelta(seconds=5)
    assert [got.path for got in receiver.received] == ["/events?for=us"]
    assert listener.endpoint.failing_since is not None
    receiver.behaves = answers(200)
    assert attempt(delivery_id) is None
    assert (delivery(delivery_id).status, delivery(delivery_id).attempts) == ("delivered", 2)
    assert receiver.received[0].headers["webhook-id"] == receiver.received[1].headers["webhook-id"]
    assert receiver.received[0].body == receiver.received[1].body
    assert listener.endpoint.failing_since is None


def test_the_last_try_that_fails_is_the_end_and_wakes_no_staff(listener: Listener, receiver: Receiver) -> None:
    receiver.behaves = answers(500)
    delivery_id = listener.emit()
    waits = [attempt(delivery_id) for _ in range(outbox.MOST_ATTEMPTS)]
    assert waits[-1] is None and None not in waits[:-1]
    assert attempt(delivery_id) is None
    assert len(receiver.received) == outbox.MOST_ATTEMPTS
    row = delivery(delivery_id)
    assert (row.status, row.attempts, row.next_attempt_at) == ("failed", outbox.MOST_ATTEMPTS, None)
    assert actions()[-1] == "delivery.failed"
    assert listener.endpoint.is_live
    outbox.run_due()
    with db.reading() as session:
        assert session.scalars(select(JobRow.name).where(JobRow.status == "dead")).all() == []
        assert session.scalars(select(JobRow.id).where(JobRow.name == own_jobs.mail_dead.name)).all() == []


def fail_for_good(listener: Listener) -> None:
    delivery_id = listener.emit()
    with db.transaction() as session:
        session.get_one(Delivery, delivery_id).attempts = outbox.MOST_ATTEMPTS - 1
    assert attempt(delivery_id) is None


def test_an_endpoint_that_takes_nothing_for_three_days_is_switched_off_and_its_owners_told(
    app: Flask, listener: Listener, receiver: Receiver, smtp: Mailbox
) -> None:
    receiver.behaves = answers(500)
    fail_for_good(listener)
    now = clock.now()
    with time_machine.travel(now + timedelta(days=2, hours=23)):
        fail_for_good(listener)
        assert listener.endpoint.is_live
    with time_machine.travel(now + timedelta(days=3, minutes=1)):
        fail_for_good(listener)
        endpoint = listener.endpoint
        assert (endpoint.disabled_reason, endpoint.is_live) == ("failing", False)
        assert actions()[-1] == "endpoint.disabled"
        with app.app_context():
            outbox.run_due()
        (mail,) = smtp.messages
        assert mail["To"] == listener.owner_email
        assert receiver.url in text_of(mail)


def test_one_that_is_switched_off_is_told_nothing_until_it_is_switched_on(
    listener: Listener, receiver: Receiver
) -> None:
    with db.transaction() as session:
        endpoint = session.get_one(WebhookEndpoint, listener.endpoint_id)
        endpoint.disabled_at, endpoint.disabled_reason, endpoint.failing_since = (
            clock.now(),
            DisabledReason.FAILING,
            clock.now(),
        )
    with db.transaction() as session:
        service.emit(session, listener.customer_id, "invoice.paid", {})
    assert deliveries() == []
    with pytest.raises(Conflict):
        service.send_test(listener.customer_id, listener.endpoint_id)
    service.enable_endpoint(listener.customer_id, listener.endpoint_id)
    service.enable_endpoint(listener.customer_id, listener.endpoint_id)
    assert actions().count("endpoint.enabled") == 1
    assert listener.endpoint.failing_since is None
    attempt(listener.emit())
    assert len(receiver.received) == 1


def test_one_that_was_delivered_between_ends_the_count(listener: Listener, receiver: Receiver) -> None:
    receiver.behaves = answers(500)
    fail_for_good(listener)
    now = clock.now()
    with time_machine.travel(now + timedelta(days=2)):
        receiver.behaves = answers(200)
        attempt(listener.emit())
        receiver.behaves = answers(500)
    with time_machine.travel(now + timedelta(days=4)):
        fail_for_good(listener)
    assert listener.endpoint.is_live


def test_410_switches_off_at_once_and_what_is_on_its_way_is_not_sent(listener: Listener, receiver: Receiver) -> None:
    receiver.behaves = answers(410)
    first, second = listener.emit(), listener.emit()
    assert attempt(first) is None
    assert (listener.endpoint.disabled_reason, delivery(first).status) == ("gone", "failed")
    assert attempt(second) is None
    assert (delivery(second).status, delivery(second).answer) == ("failed", "the endpoint is switched off")
    assert len(receiver.received) == 1


def test_staff_send_it_again_under_the_same_id_with_a_new_time(listener: Listener, receiver: Receiver) -> None:
    delivery_id = listener.emit()
    outbox.run_due()
    stale = delivery(delivery_id).replays
    service.send_again(delivery_id)
    assert delivery(delivery_id).status == "pending"
    with time_machine.travel(clock.now() + timedelta(minutes=1)):
        sending.deliver(delivery_id, stale)  # a job of the first beginning does nothing
        assert len(receiver.received) == 1
        attempt(delivery_id)
        first, second = receiver.received
        Webhook(listener.secret).verify(second.body, second.headers)
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    outbox.run_due()
    assert len(receiver.received) == 2
    assert actions()[-1] == "delivery.sent_again"
    service.remove_endpoint(listener.customer_id, listener.endpoint_id)
    with pytest.raises(Conflict):
        service.send_again(delivery_id)
    with pytest.raises(NotFound):
        service.send_again("dlv_none")


def test_a_test_goes_to_one_endpoint_whatever_it_asked_for(listener: Listener, receiver: Receiver) -> None:
    service.add_endpoint(listener.customer_id, receiver.url, list(EventType), "", "app")
    delivery_id = service.send_test(listener.customer_id, listener.endpoint_id)
    outbox.run_due()
    (got,) = receiver.received
    told = Webhook(listener.secret).verify(got.body, got.headers)
    assert (told["type"], told["data"]) == ("ping", {"endpoint_id": listener.endpoint_id})
    assert delivery(delivery_id).status == "delivered"


def test_systems_that_hang_leave_threads_to_payments(listener: Listener, receiver: Receiver) -> None:
    delivery_id = listener.emit()
    for _ in range(job_handlers.AT_ONCE):
        assert job_handlers._slots.acquire(blocking=False)
    try:
        with pytest.raises(outbox.Reschedule):
            job_handlers.deliver(delivery_id, 0)
    finally:
        for _ in range(job_handlers.AT_ONCE):
            job_handlers._slots.release()
    assert (receiver.received, delivery(delivery_id).attempts) == ([], 0)
    job_handlers.deliver(delivery_id, 0)
    assert delivery(delivery_id).status == "delivered"


def test_events_are_forgotten_after_their_time_and_removed_endpoints_with_the_last(listener: Listener) -> None:
    old = listener.emit()
    service.remove_endpoint(listener.customer_id, listener.endpoint_id)
    now = clock.now()
    with time_machine.travel(now + timedelta(days=29)):
        jobs.sweep.run()
        assert [one.id for one in deliveries()] == [old]
    with time_machine.travel(now + timedelta(days=30, minutes=1)):
        jobs.sweep.run()
        jobs.sweep.run()
    with db.reading() as session:
        for kind in (Delivery, WebhookEvent, WebhookEndpoint):
            assert session.scalars(select(kind)).all() == []
    sending.deliver(old, 0)  # its job may still be there
