"""What staff are told of disputes and fraud warnings, and what they find on their pages. On a moved clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage

import pytest
import stripe
import time_machine
from flask import Flask
from sqlalchemy import select

from portal import gateway, stripe_sync
from portal.core import clock, config, db
from portal.disputes import email, queries, service, settling
from portal.disputes.models import EarlyFraudWarning
from portal.gateway.translating import to_fraud_warning
from portal.jobs import outbox
from portal.operations import queries as operations_queries
from tests.crashing import dies
from tests.disputes.conftest import Case
from tests.payments.conftest import audited, everything, jobs
from tests.smtp import Mailbox, text_of
from tests.stripe_events.test_webhooks import receive_all, stored

STAFF = "help@portal.test"


@pytest.fixture
def worker(app: Flask, case: Case, smtp: Mailbox) -> Worker:
    return Worker(app, smtp)


class Worker:
    """Runs what is due, and reads what it has mailed."""

    def __init__(self, app: Flask, smtp: Mailbox) -> None:
        self.app = app
        self.smtp = smtp

    def hears(self, bodies: list[bytes]) -> None:
        """These events arrive, and all that they call for is done."""
        with self.app.app_context():
            receive_all(bodies)

    def work(self) -> None:
        with self.app.app_context():
            while outbox.run_due():
                pass

    @contextmanager
    def later(self, days: float) -> Iterator[None]:
        """Within the block it is so many days after the time before it, and the worker has looked."""
        with time_machine.travel(clock.now() + timedelta(days=days)):
            self.work()
            yield

    def mails(self, words: str) -> list[EmailMessage]:
        """The mails to staff whose subject has these words."""
        return [mail for mail in self.smtp.messages if mail["To"] == STAFF and words in mail["Subject"]]


def test_staff_are_told_once_of_a_dispute_and_where_to_answer_it(case: Case, worker: Worker) -> None:
    case.pay("pm_card_createDispute")
    worker.hears(case.events("charge.dispute.") * 2)
    (mail,) = worker.mails("A payment of €119.00 by Spree Bikes GmbH is disputed")
    text = text_of(mail)
    for fact in (
        "ada@spree-bikes.test",
        case.payment.description,
        "The cardholder says that they did not make this payment (fraud)",
        f"https://dashboard.stripe.com/test/disputes/{case.at_stripe.id}",
        f"/support/disputes/{case.ours.id}",
        "Evidence due: ",
    ):
        assert fact in text
    assert len(worker.smtp.messages) == 2  # and the customer's receipt


def test_an_inquiry_is_told_as_one_and_told_again_when_it_becomes_a_dispute(case: Case, worker: Worker) -> None:
    case.pay("pm_card_createDisputeInquiry")
    worker.hears(case.events("charge.dispute."))
    (mail,) = worker.mails("A bank asks about a payment")
    assert "no money has moved" in text_of(mail)
    case.decide("needs_response").heard().heard()
    worker.work()
    (mail,) = worker.mails("has become a dispute")
    assert "Without it the dispute is lost" in text_of(mail)


@pytest.mark.database("sqlite")  # PostgreSQL's jobs go by its own clock, which does not travel
def test_staff_are_reminded_three_days_before_the_evidence_is_due(case: Case, worker: Worker) -> None:
    case.pay().dispute().heard()
    with worker.later(5.9):
        assert worker.mails("is due on") == []
    with worker.later(7.1):  # evidence is due at the end of a day
        (mail,) = worker.mails("is due on")
        assert "The bank has no evidence from us yet." in text_of(mail)
    with worker.later(8):
        assert len(worker.mails("is due on")) == 1


@pytest.mark.database("sqlite")  # PostgreSQL's jobs go by its own clock, which does not travel
@pytest.mark.parametrize("end", ["evidence", "lost"])
def test_nobody_is_reminded_of_what_was_answered_or_is_over(case: Case, worker: Worker, end: str) -> None:
    case.pay().dispute().heard()
    if end == "evidence":
        client = case.checkout.sandbox.client
        client.v1.disputes.update(case.at_stripe.id, {"evidence": {"uncategorized_text": "It was delivered."}})
    else:
        case.decide("lost")
    case.heard()
    with worker.later(7):
        assert worker.mails("is due on") == []


def test_a_day_that_was_moved_reminds_on_the_new_one_alone(case: Case, worker: Worker) -> None:
    case.pay().dispute().heard()
    found = gateway.current().retrieve_dispute(case.at_stripe.id)
    moved = replace(found, evidence_due_by=clock.now() + timedelta(days=30))
    stripe_sync.settle(settling.KIND, case.ours.id, moved, None, seen_version=case.ours.version)
    old, new = jobs("disputes.remind")
    with worker.app.app_context():
        email.send_reminder(**old)
        assert worker.mails("is due on") == []
        email.send_reminder(**new)
    assert len(worker.mails("is due on")) == 1


# Fraud warnings


def kept() -> list[EarlyFraudWarning]:
    with db.reading() as session:
        return list(session.execute(select(EarlyFraudWarning)).scalars())


def test_a_fraud_warning_is_kept_and_told_once(case: Case, worker: Worker) -> None:
    case.pay("pm_card_createIssuerFraudRecord", known=False)
    worker.hears(case.events("radar.") * 2)
    (warning,) = kept()
    assert (warning.payment_id, warning.actionable) == (case.payment.id, True)
    (mail,) = worker.mails("may be fraud")
    assert "card used without the cardholder’s consent" in text_of(mail)
    assert f"https://dashboard.stripe.com/test/payments/{case.payment.stripe_intent_id}" in text_of(mail)
    payment_id = case.payment.id
    with db.reading() as session:
        assert [one.id for one in queries.warnings_of(session, [payment_id, "pay_other"])] == [warning.id]
        assert queries.warnings_of(session, ["pay_other"]) == queries.warnings_of(session, []) == []


def test_a_refund_settles_a_warning(case: Case) -> None:
    case.pay("pm_card_createIssuerFraudRecord")
    client = case.checkout.sandbox.client
    (theirs,) = client.v1.radar.early_fraud_warnings.list().data
    assert service.sync_warning(theirs.id)
    before = everything()
    assert service.sync_warning(theirs.id)
    assert everything() == before
    client.v1.refunds.create({"payment_intent": str(case.payment.stripe_intent_id)})
    assert service.sync_warning(theirs.id)
    assert [(one.actionable, one.version) for one in kept()] == [(False, 2)]
    assert (audited("fraud_warning.received"), audited("fraud_warning.changed")) == (1, 1)


def test_a_warning_about_a_charge_that_is_not_ours_is_ignored(case: Case) -> None:
    """As another program of the same account makes one."""
    case.checkout.sandbox.client.v1.payment_intents.create(
        {
            "amount": 5_00,
            "currency": "eur",
            "confirm": True,
            "payment_method": "pm_card_createIssuerFraudRecord",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    case.checkout.sandbox.control("finish")
    receive_all(case.events("radar."))
    assert kept() == []
    assert [event.note for event in stored()] == ["the charge of the fraud warning is not the portal's"]


def test_a_warning_about_another_charge_of_its_payment_is_held_for_review_and_not_mailed(case: Case) -> None:
    case.pay("pm_card_createIssuerFraudRecord").checkout.change(stripe_charge_id="ch_another")
    receive_all(case.events("radar.") * 2)
    (warning,) = kept()
    assert "is not this payment's" in warning.review_reason
    assert (audited("fraud_warning.held_for_review"), jobs("disputes.mail_warning")) == (1, [])
    with db.reading() as session:
        assert queries.warnings_of(session, [warning.payment_id]) == []
        state = operations_queries.state(session)
        assert (state.warnings_to_review, state.fraud_warnings) == (1, 0)
        assert [(one.kind, one.id, one.words) for one in operations_queries.review_items(session)] == [
            ("fraud_warning", warning.payment_id, warning.review_reason)
        ]


def test_a_warning_about_a_charge_without_an_intent_is_nobodys(settings: config.Settings) -> None:
    """As another program of the same account makes charges; Stripe leaves the field out then."""
    facts = {"charge": "ch_1", "created": 1, "fraud_type": "misc", "livemode": False, "actionable": True}
    theirs = stripe.radar.EarlyFraudWarning.construct_from({"id": "issfr_1", **facts}, "sk_test_1")
    found = to_fraud_warning(theirs)
    assert (found.charge_id, found.intent_id) == ("ch_1", None)
    assert settling.payment_of(found.intent_id, found.charge_id) is None


def test_dead_while_a_warning_is_kept_leaves_nothing_of_it(case: Case) -> None:
    case.pay("pm_card_createIssuerFraudRecord")
    (theirs,) = case.checkout.sandbox.client.v1.radar.early_fraud_warnings.list().data
    before = everything()
    for point in ("object fetched", "job to enqueue"):
        dies(point, lambda: service.sync_warning(theirs.id))
        assert everything() == before, point
    assert service.sync_warning(theirs.id)
    assert len(jobs("disputes.mail_warning")) == 1
