"""What is on its way and has lost its job gets one again, and so does what should have a job and has none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ParamSpec

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.core import clock, db
from portal.core.db import new_id
from portal.documents import jobs as document_jobs
from portal.documents import service as receipts
from portal.documents.models import CreditNote, Receipt
from portal.jobs import outbox, own_jobs
from portal.jobs.job import REQUEUE_AFTER, Job
from portal.jobs.models import JobRow
from portal.payment_methods import jobs as card_jobs
from portal.payment_methods import setups
from portal.payment_methods.models import PaymentMethodSetup
from portal.payments import jobs as payment_jobs
from portal.payments import service as payments
from portal.payments.models import Confirmation
from portal.payments.statuses import Duplicate
from portal.refunds import jobs as refund_jobs
from portal.refunds import service as refunds
from portal.stripe_events import jobs as event_jobs
from portal.stripe_events import service as stripe_events
from tests import factories
from tests.core.jobs import named

# A row that should have a job, and the job.
Lost = Callable[[Session], tuple[str, str]]
P = ParamSpec("P")


def left_as(job: Job[P], *args: P.args, **kwargs: P.kwargs) -> tuple[str, str]:
    return job.name, job.key(*args, **kwargs)


def payment(session: Session, **values: Any) -> Any:
    return factories.payment(session, factories.customer(session), **values)


def a_payment(session: Session) -> tuple[str, str]:
    return left_as(payment_jobs.follow_up, payment_id=payment(session, status="processing").id)


def a_payment_that_stripe_does_not_know(session: Session) -> tuple[str, str]:
    row = payment(session, status="created", stripe_intent_id=None)
    return left_as(payment_jobs.follow_up, payment_id=row.id)


def a_confirmation(session: Session) -> tuple[str, str]:
    paid = payment(session)
    row = Confirmation(
        id=new_id("cnf"), payment_id=paid.id, customer_id=paid.customer_id, client_key="press", off_session=False,
        stripe_payment_method_id="pm_1", key_used_at=clock.now(), created_at=clock.now(),
    )  # fmt: skip
    session.add(row)
    session.add(receipt_of(paid))
    return left_as(payment_jobs.finish_confirmation, confirmation_id=row.id)


def a_payment_method_setup(session: Session) -> tuple[str, str]:
    owner = factories.customer(session)
    row = PaymentMethodSetup(
        id=new_id("set"), customer_id=owner.id, client_key="key", created_at=clock.now(), updated_at=clock.now()
    )
    session.add(row)
    return left_as(card_jobs.follow_up, setup_id=row.id)


def a_refund(session: Session) -> tuple[str, str]:
    paid = payment(session)
    session.add(receipt_of(paid))
    row = factories.refund(session, paid, status="executing")
    return left_as(refund_jobs.follow_up, refund_id=row.id)


def a_duplicate(session: Session) -> tuple[str, str]:
    paid = payment(session, duplicate=Duplicate.PAID_TWICE)
    session.add(receipt_of(paid))
    return left_as(payment_jobs.return_duplicate, payment_id=paid.id)


def money_of_a_second_intent(session: Session) -> tuple[str, str]:
    paid = payment(session, duplicate=Duplicate.SECOND_INTENT)
    session.add(receipt_of(paid))
    return left_as(payment_jobs.return_duplicate, payment_id=paid.id)


def a_receipt_to_issue(session: Session) -> tuple[str, str]:
    return left_as(payment_jobs.issue_receipt, payment_id=payment(session).id)


def a_credit_note_to_issue(session: Session) -> tuple[str, str]:
    paid = payment(session)
    session.add(receipt_of(paid))
    row = factories.refund(session, paid, status="succeeded", succeeded_at=clock.now())
    return left_as(refund_jobs.issue_credit_note, refund_id=row.id)


def receipt_of(paid: Any, **values: Any) -> Receipt:
    kept = {"pdf": b"pdf", "pdf_sha256": "0" * 64, "mailed_at": clock.now()}
    receipt: Receipt = document(Receipt, paid, **(kept | values))
    return receipt


def document(kind: Any, paid: Any, **values: Any) -> Any:
    row_id = new_id("doc")
    return kind(
        id=row_id, number=row_id, payment_id=paid.id, customer_id=paid.customer_id, total_minor=1, currency="eur",
        facts={}, code=row_id[-20:], issued_at=clock.now(), **values,
    )  # fmt: skip


def a_document_to_render(session: Session) -> tuple[str, str]:
    row = receipt_of(payment(session), pdf=None, pdf_sha256=None, mailed_at=None)
    session.add(row)
    return left_as(document_jobs.render, document_id=row.id)


def a_document_to_mail(session: Session) -> tuple[str, str]:
    row = receipt_of(payment(session), mailed_at=None)
    session.add(row)
    return left_as(document_jobs.mail, document_id=row.id)


def a_revocation_to_mail(session: Session) -> tuple[str, str]:
    paid = payment(session)
    session.add(receipt_of(paid))
    refund = factories.refund(session, paid, status="failed")
    session.flush()
    row = document(CreditNote, paid, refund_id=refund.id, pdf=b"pdf", pdf_sha256="0" * 64, revoked_at=clock.now())
    session.add(row)
    return left_as(document_jobs.mail_revocation, credit_note_id=row.id)


def an_event(session: Session) -> tuple[str, str]:
    return left_as(event_jobs.apply, event_id=factories.stripe_event(session).id, replay=0)


def an_event_that_was_replayed(session: Session) -> tuple[str, str]:
    return left_as(event_jobs.apply, event_id=factories.stripe_event(session, replays=2).id, replay=2)


LOST: tuple[Lost, ...] = (
    a_payment, a_payment_that_stripe_does_not_know, a_confirmation, a_payment_method_setup, a_refund, a_duplicate, money_of_a_second_intent,
    a_receipt_to_issue, a_credit_note_to_issue, a_document_to_render, a_document_to_mail, a_revocation_to_mail,
    an_event, an_event_that_was_replayed,
)  # fmt: skip


def requeue_lost_jobs() -> int:
    makers = (
        payments.requeue_lost_jobs,
        setups.requeue_lost_jobs,
        refunds.requeue_lost_jobs,
        receipts.requeue_lost_jobs,
        stripe_events.requeue_lost_jobs,
    )
    return sum(one() for one in makers)


def left() -> list[tuple[str, str | None, str]]:
    with db.reading() as session:
        return [(row.name, row.unique_key, row.status) for row in session.scalars(select(JobRow))]


def lose(lost: Lost) -> tuple[str, str]:
    with db.transaction() as session:
        expected = lost(session)
        session.flush()
        session.execute(delete(JobRow))
    return expected


def end(**values: Any) -> None:
    with db.transaction() as session:
        session.execute(update(JobRow).values(values))


@pytest.mark.parametrize("lost", LOST)
def test_what_has_lost_its_job_gets_one_and_no_second(settings: object, lost: Lost) -> None:
    name, key = lose(lost)
    assert requeue_lost_jobs() == 1
    assert left() == [(name, key, "queued")]
    assert requeue_lost_jobs() == 0


@pytest.mark.parametrize("status", ["done", "dead"])
@pytest.mark.parametrize("lost", [one for one in LOST if one not in {a_duplicate, money_of_a_second_intent}])
@pytest.mark.database("sqlite")
def test_a_job_that_ended_too_early_begins_anew_a_day_later(settings: object, lost: Lost, status: str) -> None:
    name, key = lose(lost)
    requeue_lost_jobs()
    end(status=status, attempts=12, finished_at=clock.now() - REQUEUE_AFTER + timedelta(minutes=1))
    assert requeue_lost_jobs() == 0
    end(finished_at=clock.now() - REQUEUE_AFTER)
    assert requeue_lost_jobs() == 1
    assert left() == [(name, key, "queued")]


def test_what_waits_for_a_person_gets_none(settings: object) -> None:
    with db.transaction() as session:
        paid = payment(session, review_reason="the amount differs", status="processing")
        factories.refund(session, paid, status="unknown", review_reason="send it again?")
        factories.refund(session, paid, status="requested")
        session.flush()
        session.execute(delete(JobRow))
    assert requeue_lost_jobs() == 0


def test_more_than_one_run_takes_are_found_by_the_next(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST_REQUEUED", 2)
    with db.transaction() as session:
        for _ in range(5):
            factories.stripe_event(session)
        session.execute(delete(JobRow))
    assert [stripe_events.requeue_lost_jobs() for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.database("sqlite")
def test_done_periodic_jobs_are_forgotten_after_a_day(database: str) -> None:
    with db.transaction() as session:
        own_jobs.sweep.enqueue(session)
        named("tests.once").enqueue(session)
    end(status="done", finished_at=clock.now() - timedelta(days=1, minutes=1))
    outbox.sweep()
    assert [name for name, _key, _status in left()] == ["tests.once"]
