"""Webhooks that stop: silence is no fault by itself, an event at Stripe that never came is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from portal.core import audit, clock, config, db, metrics
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
        assert metrics.WEBHOOKS_MISSING._value.get() >= 500
        with db.reading() as session:
            assert operations.state(session).webhooks_missing_since == missing
        with app.app_context():
            outbox.run_due()
        (mail,) = smtp.wait_for(1)
        assert mail["Subject"] == "Stripe’s webhooks do not arrive"
        arrived(created_at=clock.now())
        assert silence.check() is None
    with db.reading() as session:
        assert queries.missing_since(session) is None
        actions = session.scalars(
            select(audit.AuditEvent.action)
            .where(audit.AuditEvent.subject == "webhooks")
            .order_by(audit.AuditEvent.number)
        ).all()
    assert actions == ["webhooks.missing", "webhooks.arrive"]


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
