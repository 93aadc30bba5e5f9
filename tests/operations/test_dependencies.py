"""What the portal depends on: how each is, since when, and what is to be done, from what was written down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from portal.core import answers, clock, config, db
from portal.operations import dependencies, versions
from portal.operations.dependencies import Dependency, Standing
from portal.stripe_events.models import WebhookSilence
from tests import factories

ORDER = ["database", "stripe", "webhooks", "mail", "provider", "vies", "endpoints"]


def found(*, worker_is_behind: bool = False) -> dict[str, Dependency]:
    with db.reading() as session:
        listed = dependencies.all_of_them(session, worker_is_behind=worker_is_behind)
    return dict(zip(ORDER, listed, strict=True))


def waiting(service: str, error: str, **values: Any) -> None:
    now = clock.now()
    facts = {"waits_for": service, "waits_since": now - timedelta(hours=2), "run_at": now + timedelta(hours=20)}
    with db.transaction() as session:
        factories.failed_job(session, status="queued", finished_at=None, last_error=error, **(facts | values))


def test_of_what_nobody_has_needed_nothing_is_claimed(database: str, settings: config.Settings) -> None:
    assert {name: one.standing for name, one in found().items()} == {
        "database": Standing.FINE,
        "stripe": Standing.UNKNOWN,
        "webhooks": Standing.UNKNOWN,
        "mail": Standing.UNKNOWN,
        "provider": Standing.UNUSED,
        "vies": Standing.UNUSED,
        "endpoints": Standing.UNKNOWN,
    }


def test_what_comes_back_by_itself_is_said_to_need_nothing(database: str, settings: config.Settings) -> None:
    now = clock.now()
    waiting("stripe", "Unavailable (unavailable)")
    stripe = found()["stripe"]
    assert (stripe.standing, stripe.number) == (Standing.SILENT, 1)
    assert stripe.since is not None
    assert abs(stripe.since - (now - timedelta(hours=2))) < timedelta(seconds=1)
    assert stripe.advice == "Nothing to do: it is retried automatically, next at %(moment)s."
    assert stripe.next_at is not None
    assert stripe.next_at - clock.now() < timedelta(seconds=11)  # not in twenty hours: workers try one of them
    assert found()["mail"].standing is not Standing.SILENT


def test_while_no_worker_runs_nothing_is_said_to_come_by_itself(database: str, settings: config.Settings) -> None:
    waiting("mail", "ConnectionRefusedError: [Errno 111]")
    assert found(worker_is_behind=True)["mail"].advice.startswith("Start the worker")


@pytest.mark.parametrize(
    ("service", "error", "setting"),
    [
        ("mail", "smtplib.SMTPAuthenticationError: (535, b'no')", "PORTAL_MAIL_PASSWORD"),
        ("stripe", "Misconfigured (payment_provider_misconfigured)", "STRIPE_SECRET_KEY"),
    ],
)
@pytest.mark.database("sqlite")
def test_what_a_person_must_mend_is_named(
    database: str, settings: config.Settings, service: str, error: str, setting: str
) -> None:
    waiting(service, error)
    assert setting in found()[service].advice


def test_webhooks_that_are_missing_are_told_with_their_last_arrival(database: str, settings: config.Settings) -> None:
    now = clock.now()
    with db.transaction() as session:
        factories.stripe_event(session, received_at=now - timedelta(hours=1))
    assert found()["webhooks"].standing is Standing.FINE
    with db.transaction() as session:
        session.add(WebhookSilence(id=1, checked_at=now, missing_since=now - timedelta(minutes=50)))
    webhooks = found()["webhooks"]
    assert (webhooks.standing, webhooks.answered_at) == (Standing.SILENT, now - timedelta(hours=1))
    assert webhooks.since == now - timedelta(minutes=50)


def test_customers_endpoints_that_take_nothing_are_counted(database: str, settings: config.Settings) -> None:
    now = clock.now()
    with db.transaction() as session:
        customer = factories.customer(session)
        silent = factories.endpoint(session, customer, failing_since=now - timedelta(hours=5))
        factories.endpoint(session, customer, failing_since=now - timedelta(days=9), disabled_at=now)
        factories.endpoint(session, customer, failing_since=now - timedelta(days=9), removed_at=now)
        again = {"status": "pending", "attempts": 3, "delivered_at": None, "next_attempt_at": now + timedelta(hours=1)}
        factories.delivery(session, customer, silent, **again)
    endpoints = found()["endpoints"]
    assert (endpoints.standing, endpoints.number, endpoints.since) == (Standing.SILENT, 1, now - timedelta(hours=5))
    assert endpoints.next_at == now + timedelta(hours=1)


def test_the_identity_provider_is_known_by_who_signed_in(database: str, settings: config.Settings) -> None:
    named = {"staff_oidc_issuer": "https://id.example.test", "staff_oidc_client_secret": SecretStr("x")}
    config.use(settings.model_copy(update=named))
    assert found()["provider"].standing is Standing.UNKNOWN
    answers.failed(answers.IDENTITY_PROVIDER)
    first = found()["provider"]
    assert (first.standing, first.answered_at) == (Standing.SILENT, None)
    answers.failed(answers.IDENTITY_PROVIDER)
    assert found()["provider"].since == first.since
    with db.transaction() as session:
        answers.answered(session, answers.IDENTITY_PROVIDER)
    assert found()["provider"].standing is Standing.FINE


def test_the_schema_and_the_programs_are_named(database: str, settings: config.Settings) -> None:
    with db.reading() as session:
        running = versions.of_this_process(session)
    assert running.schema_fits
    assert running.database.split()[0] in {"SQLite", "PostgreSQL"}
    assert dict(running.libraries)["Flask"]
