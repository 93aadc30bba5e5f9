"""Stripe's events: what is taken in, what is refused, and that their order and number do not matter."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, select, update

from portal.core import clock, db
from portal.core.errors import NotFound
from portal.jobs import outbox
from portal.jobs.models import JobRow
from portal.payments import service as payments
from portal.payments.statuses import PaymentStatus
from portal.stripe_events import handlers, service
from portal.stripe_events import job_handlers as registered
from portal.stripe_events.models import StripeEvent
from tests.crashing import dies
from tests.payments.conftest import Checkout, audited, books, checkout, everything, jobs

# The fixture is used here too, and importing the jobs registers what applies an event.
__all__ = ["checkout", "registered"]

SECRET = "whsec_tests"
ADDRESS = "/api/webhooks/stripe"


def signed(body: bytes, *, secret: str = SECRET, age: int = 0) -> str:
    moment = int(clock.now().timestamp()) - age
    return f"t={moment},v1={hmac.new(secret.encode(), b'%d.' % moment + body, hashlib.sha256).hexdigest()}"


def event(type_: str = "payment_intent.succeeded", number: int = 1, **about: Any) -> bytes:
    about = {"id": "pi_1", "object": "payment_intent"} | about
    return json.dumps(
        {
            "id": f"evt_{number}",
            "object": "event",
            "type": type_,
            "created": int(clock.now().timestamp()),
            "livemode": False,
            "api_version": "2026-10-28.endive",
            "data": {"object": about},
        }
    ).encode()


def stored() -> list[StripeEvent]:
    with db.reading() as session:
        return list(session.execute(select(StripeEvent).order_by(StripeEvent.id)).scalars())


def test_an_event_is_stored_whole_with_its_job(client: FlaskClient) -> None:
    body = event()
    answer = client.post(ADDRESS, data=body, headers={"Stripe-Signature": signed(body)})
    assert answer.status_code == 200
    (row,) = stored()
    assert (row.body, row.type, row.intent_id, row.status) == (body, "payment_intent.succeeded", "pi_1", "received")
    assert jobs("stripe_events.apply") == [{"event_id": "evt_1", "replay": 0}]


def test_the_same_event_twice_is_stored_once(client: FlaskClient) -> None:
    body = event()
    for _ in range(2):
        assert client.post(ADDRESS, data=body, headers={"Stripe-Signature": signed(body)}).status_code == 200
    assert len(stored()) == 1
    assert len(jobs("stripe_events.apply")) == 1
    assert not service.receive(body, signed(body))


FORGERIES: dict[str, Callable[[bytes], tuple[bytes, str]]] = {
    "no signature": lambda body: (body, ""),
    "another secret": lambda body: (body, signed(body, secret="whsec_other")),
    "another body": lambda body: (body.replace(b"pi_1", b"pi_2"), signed(body)),
    "truncated": lambda body: (body[:-20], signed(body)),
    "stale": lambda body: (body, signed(body, age=301)),
    "from the future": lambda body: (body, signed(body, age=-400)),
    "no timestamp": lambda body: (body, signed(body).split(",")[1]),
    "nonsense": lambda body: (body, "t=abc,v1=zzz,,="),
    "not an event": lambda _: (b"[]", signed(b"[]")),
    "not JSON": lambda _: (b"\xff\xfe", signed(b"\xff\xfe")),
    "of thousands of digits": lambda body: (body, "t=" + "1" * 5_000 + ",v1=00"),
    "signed, of an absurd year": lambda body: resigned(dated(body, "99999999999999")),
    "signed, of a year before Stripe": lambda body: resigned(dated(body, "-62135596801")),
    "signed, of no number": lambda body: resigned(dated(body, "1e400")),
    "signed, of thousands of digits": lambda body: resigned(dated(body, "1" * 5_000)),
    "signed, of infinity": lambda body: resigned(dated(body, "Infinity")),
    "signed, nested without end": lambda body: resigned(
        body[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    ),
    "signed, with a half of a pair": lambda body: resigned(body.replace(b'"pi_1"', rb'"pi_\ud800"')),
    "signed, with a half elsewhere": lambda body: resigned(body[:-1] + rb', "x": "\uDFFF"}'),
    "signed, with bytes of a half": lambda body: resigned(body[:-1] + b', "x": "\xed\xa0\x80"}'),
    "signed, with a NUL": lambda body: resigned(body.replace(b'"evt_1"', rb'"evt_\u0000"')),
    "signed, with a name of no end": lambda body: resigned(body.replace(b'"evt_1"', b'"evt_' + b"1" * 100 + b'"')),
    "of the live mode": lambda body: (live(body), signed(live(body))),
}


def resigned(body: bytes) -> tuple[bytes, str]:
    return body, signed(body)


def dated(body: bytes, created: str) -> bytes:
    return re.sub(rb'"created": \d+', b'"created": ' + created.encode(), body)


def live(body: bytes) -> bytes:
    return body.replace(b'"livemode": false', b'"livemode": true')


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_stripe_did_not_send_now_is_refused_and_nothing_is_written(client: FlaskClient, forgery: str) -> None:
    body, signature = FORGERIES[forgery](event())
    before = everything()
    answer = client.post(ADDRESS, data=body, headers={"Stripe-Signature": signature})
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert everything() == before


def test_a_body_over_the_limit_is_refused(client: FlaskClient) -> None:
    body = event(padding="x" * service.LARGEST_BODY_BYTES)
    answer = client.post(ADDRESS, data=body, headers={"Stripe-Signature": signed(body)})
    assert answer.status_code == 413
    assert stored() == []


@pytest.mark.settings(STRIPE_WEBHOOK_SECRETS="whsec_new_one,whsec_tests")
@pytest.mark.database("sqlite")
def test_both_secrets_are_good_while_one_is_being_rotated(client: FlaskClient) -> None:
    for number, secret in enumerate(("whsec_new_one", "whsec_tests")):
        body = event(number=number)
        headers = {"Stripe-Signature": signed(body, secret=secret)}
        assert client.post(ADDRESS, data=body, headers=headers).status_code == 200


def test_an_unknown_type_is_stored_and_ignored(client: FlaskClient) -> None:
    body = event("price.created", id="price_1", object="price")
    assert client.post(ADDRESS, data=body, headers={"Stripe-Signature": signed(body)}).status_code == 200
    service.apply("evt_1")
    (row,) = stored()
    assert row.status == "ignored"
    assert row.applied_at is not None


def receive_all(bodies: list[bytes]) -> None:
    for body in bodies:
        service.receive(body, signed(body))
    while outbox.run_due() > 0:
        pass


def paid_at_stripe(checkout: Checkout) -> tuple[str, list[bytes]]:
    """A payment that Stripe has declined, then taken, and the events that tell of it; the portal has heard nothing yet."""
    started = checkout.start()
    checkout.decline(started.intent_id, "pm_card_visa_chargeDeclined")
    checkout.confirm(started.intent_id)
    checkout.sandbox.control("finish")
    found = checkout.sandbox.client.v1.events.list({"limit": 100}).data
    bodies = [json.dumps(one.to_dict()).encode() for one in reversed(found)]
    return started.payment_id, [body for body in bodies if json.loads(body)["type"] in handlers.HANDLERS]


def end_state(checkout: Checkout) -> tuple[Any, ...]:
    payment = checkout.payment
    return (
        payment.status,
        payment.card_last4,
        payment.fee_minor,
        payment.failure_code,
        checkout.invoice.status,
        books_without_ids(),
    )


def books_without_ids() -> list[tuple[str, int]]:
    return sorted((kind, minor) for kind, _, minor in books())


@pytest.mark.parametrize("order", ["as sent", "reversed", "doubled", "only the last", "only the first"])
def test_events_in_any_order_and_number_end_in_the_same_books(checkout: Checkout, order: str) -> None:
    _, bodies = paid_at_stripe(checkout)
    chosen = {
        "as sent": bodies,
        "reversed": bodies[::-1],
        "doubled": list(itertools.chain.from_iterable(zip(bodies, bodies, strict=True))),
        "only the last": bodies[-1:],
        "only the first": bodies[:1],
    }[order]
    receive_all(chosen)
    status, last4, fee, failure, invoice, postings = end_state(checkout)
    assert (status, last4, failure, invoice) == (PaymentStatus.SUCCEEDED, "4242", "", "paid")
    assert postings == [("charge", 119_00), ("fee", fee)]
    assert len(jobs("documents.issue")) == 1


def test_with_every_event_lost_the_worker_finds_out_by_itself(checkout: Checkout) -> None:
    payment_id, _ = paid_at_stripe(checkout)
    payments.follow_up(payment_id)
    assert end_state(checkout)[0] == PaymentStatus.SUCCEEDED


def test_dead_while_an_event_is_stored_nothing_of_it_is_left_and_stripe_sends_it_again(settings: object) -> None:
    body = event()
    dies("event verified", lambda: service.receive(body, signed(body)))
    assert (stored(), jobs("stripe_events.apply")) == ([], [])
    assert service.receive(body, signed(body))


def test_dead_before_stripe_has_its_answer_the_event_is_there_and_stays_one(settings: object) -> None:
    body = event()
    dies("event acknowledged", lambda: service.receive(body, signed(body)))
    assert not service.receive(body, signed(body))
    assert len(stored()) == len(jobs("stripe_events.apply")) == 1


def test_dead_before_an_event_is_marked_as_applied_it_is_applied_again_and_books_nothing_twice(
    checkout: Checkout,
) -> None:
    _, bodies = paid_at_stripe(checkout)
    service.receive(bodies[-1], signed(bodies[-1]))
    (row,) = stored()
    dies("event applied", lambda: service.apply(row.id))
    assert stored()[0].status == "received"
    once = end_state(checkout)
    service.apply(row.id)
    assert stored()[0].status == "applied"
    assert end_state(checkout) == once
    assert [kind for kind, _ in books_without_ids()] == ["charge", "fee"]
    assert len(jobs("documents.issue")) == 1


def test_an_event_about_an_intent_that_is_none_of_ours_is_ignored(checkout: Checkout) -> None:
    foreign = checkout.sandbox.client.v1.payment_intents.create({"amount": 5_00, "currency": "eur"})
    body = event(id=foreign.id)
    receive_all([body])
    (row,) = stored()
    assert row.status == "ignored"


def test_while_stripe_is_down_an_event_waits_and_is_applied_later(checkout: Checkout) -> None:
    payment_id, bodies = paid_at_stripe(checkout)
    checkout.fail("error_before", "/v1/payment_intents/*", times=2)
    service.receive(bodies[-1], signed(bodies[-1]))
    outbox.run_due(most=1)
    assert stored()[0].status == "received"
    assert checkout.payment.status != PaymentStatus.SUCCEEDED
    with db.transaction() as session:
        for job in session.execute(select(JobRow).where(JobRow.name == "stripe_events.apply")).scalars():
            assert job.last_error
            job.run_at = clock.now()
    outbox.run_due()
    assert [(payment.id, payment.status) for payment in checkout.payments] == [(payment_id, PaymentStatus.SUCCEEDED)]


# Applied anew by staff


def replayed(event_id: str = "evt_1") -> tuple[bool, StripeEvent]:
    answer = service.replay(event_id)
    (row,) = stored()
    return answer, row


def job_statuses() -> list[str]:
    with db.reading() as session:
        found = select(JobRow.status).where(JobRow.name == "stripe_events.apply").order_by(JobRow.id)
        return list(session.scalars(found))


def test_an_event_is_applied_anew_and_books_nothing_twice(checkout: Checkout) -> None:
    _, bodies = paid_at_stripe(checkout)
    receive_all(bodies[-1:])
    before = end_state(checkout)
    event_id = stored()[0].id
    for number in (1, 2):
        answer, row = replayed(event_id)
        assert (answer, row.status, row.replays, row.applied_at) == (True, "received", number, None)
        assert job_statuses() == ["done"] * number + ["queued"]
        assert not replayed(event_id)[0]  # a second click
        outbox.run_due()
        assert stored()[0].status == "applied"
    assert end_state(checkout) == before
    assert audited("webhook.replayed") == 2


def test_the_job_that_died_over_an_event_is_revived_instead_of_left_behind(settings: object) -> None:
    service.receive(event("price.created", id="price_1"), signed(event("price.created", id="price_1")))
    with db.transaction() as session:
        session.execute(update(JobRow).values(status="dead", attempts=12, finished_at=clock.now()))
    assert replayed()[0]
    assert job_statuses() == ["queued"]
    outbox.run_due()
    assert (job_statuses(), stored()[0].status, stored()[0].replays) == (["done"], "ignored", 0)


def test_an_event_whose_job_is_forgotten_gets_a_new_one(settings: object) -> None:
    service.receive(event("price.created", id="price_1"), signed(event("price.created", id="price_1")))
    outbox.run_due()
    with db.transaction() as session:
        session.execute(delete(JobRow))
    assert replayed()[0]
    assert job_statuses() == ["queued"]


def test_an_event_that_nobody_sent_cannot_be_applied(settings: object) -> None:
    with pytest.raises(NotFound):
        service.replay("evt_none")
