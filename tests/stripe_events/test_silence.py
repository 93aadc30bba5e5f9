"""Webhooks that stop: silence is no fault by itself, an event at Stripe that never came is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import REGISTRY
from sqlalchemy import select

from portal.core import audit, clock, config, db
from portal.jobs import outbox
from portal.operations import alerts
from portal.operations import queries as operations
from portal.stripe_events import job_handlers, queries, service, silence
from portal.stripe_events.models import StripeEvent
from tests import factories
from tests.live import SandboxServer
from tests.smtp import Mailbox

# Importing these registers what is run by the outbox.
__all__ = ["alerts", "job_handlers"]


@pytest.fixture
def stripe(sandbox: SandboxServer, settings: config.Settings) -> Any:
    """Stripe, where nothing has happened yet."""
    return sandbox.client.v1


def later(**span: float) -> Any:
    return time_machine.travel(clock.now() + timedelta(**span))


def happens(stripe: Any) -> None:
    """Something that makes an event of a type that we use."""
    intent = stripe.payment_intents.create(
        {"amount": 1000, "currency": "eur", "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )
    stripe.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})


def arrived(**values: Any) -> str:
    with db.transaction() as session:
        return factories.stripe_event(session, status="applied", **values).id


def test_a_quiet_night_is_no_fault(stripe: Any) -> None:
    arrived()
    with later(hours=9):
        assert silence.check() is None


def test_an_event_that_never_came_is_told_by_page_mail_and_metric_until_webhooks_arrive_again(
    stripe: Any, app: Flask, smtp: Mailbox
) -> None:
    arrived(created_at=clock.now() - timedelta(days=2), received_at=clock.now() - timedelta(days=2))
    happens(stripe)
    happened: datetime = clock.now()
    with later(minutes=10):
        missing = silence.check()
        assert missing is not None and abs(missing - happened) < timedelta(seconds=30)
        assert silence.check() == missing
        assert 500 <= (REGISTRY.get_sample_value("portal_webhooks_missing_seconds") or 0) <= 700
        with db.reading() as session:
            assert operations.state(session).webhooks_missing_since == missing
        with app.app_context():
            outbox.run_due()
        (mail,) = smtp.wait_for(1)
        assert mail["Subject"] == "Stripe’s webhooks do not arrive"
        arrived(created_at=clock.now())
        assert silence.check() is None
        assert REGISTRY.get_sample_value("portal_webhooks_missing_seconds") == 0
        last = REGISTRY.get_sample_value("portal_last_webhook_timestamp_seconds")
        assert last is not None and 0 <= clock.now().timestamp() - last < 60
    with db.reading() as session:
        assert queries.missing_since(session) is None
        actions = session.scalars(
            select(audit.AuditEvent.action)
            .where(audit.AuditEvent.subject == "webhooks")
            .order_by(audit.AuditEvent.number)
        ).all()
    assert actions == ["webhooks.missing", "webhooks.arrive"]


@pytest.mark.parametrize("came_before", [True, False])
def test_what_is_missing_stays_so_through_days_of_silence_until_a_webhook_arrives(
    stripe: Any, came_before: bool
) -> None:
    """After a quiet day nothing new is missing, and nothing has come either."""
    if came_before:
        arrived(created_at=clock.now() - timedelta(hours=1), received_at=clock.now() - timedelta(hours=1))
    happens(stripe)
    with later(minutes=10):
        missing = silence.check()
    assert missing is not None
    for days in (2, 9, 40):
        with later(days=days):
            assert silence.check() == missing
    with later(days=40, hours=1):
        arrived(created_at=clock.now())
        assert silence.check() is None
    with db.reading() as session:
        told = select(audit.AuditEvent.action).where(audit.AuditEvent.subject == "webhooks")
        assert session.scalars(told.order_by(audit.AuditEvent.number)).all() == ["webhooks.missing", "webhooks.arrive"]


def test_what_was_lost_while_the_worker_stood_still_for_days_is_missing(stripe: Any) -> None:
    arrived(created_at=clock.now() - timedelta(hours=1), received_at=clock.now() - timedelta(hours=1))
    happens(stripe)
    with later(days=9):
        assert silence.check() is not None


@pytest.mark.database("sqlite")
def test_the_page_is_red_exactly_while_they_are_missing(stripe: Any, client: FlaskClient) -> None:
    with db.transaction() as session:
        person = factories.staff(session)
    factories.sign_in(client, person)

    def line() -> str:
        page = client.get("/support/operations").get_data(as_text=True)
        return page[page.index("The last one received") :].partition("</tr>")[0]

    assert "None yet" in line()
    arrived(created_at=clock.now() - timedelta(hours=1), received_at=clock.now() - timedelta(hours=1))
    assert "Fine" in line() and "Missing since" not in line()
    happens(stripe)
    with later(minutes=10):
        silence.check()
    assert "Missing since" in line() and "Fine" not in line()


def test_what_was_fetched_from_stripe_does_not_count_as_arrived(stripe: Any) -> None:
    happens(stripe)
    (newest,) = [event for event in stripe.events.list({"limit": 20}).data if event.type == "payment_intent.succeeded"]
    assert service.take_in(str(newest).encode())
    with later(minutes=40):
        assert silence.check() is not None
        with db.reading() as session:
            assert queries.last_delivered(session) is None
        service._store(service._parsed(str(newest).encode()), str(newest).encode(), delivered=True)
        with db.reading() as session:
            assert session.scalars(select(StripeEvent.delivered)).all() == [True]
        assert silence.check() is None


def test_types_that_we_do_not_use_are_not_missed(stripe: Any) -> None:
    stripe.customers.create({"name": "Ada"})  # customer.created
    with later(minutes=40):
        assert silence.check() is None
