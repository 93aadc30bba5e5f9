"""What is on its way and has lost its job gets one again, and so does what should have a job and has none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.core import clock, db
from portal.core.db import new_id
from portal.documents import service as receipts
from portal.documents.models import CreditNote, Receipt
from portal.jobs import outbox
from portal.jobs.outbox import START_OVER_AFTER, Job
from portal.payment_methods import setups
from portal.payment_methods.models import CardSetup
from portal.payments import service as payments
from portal.payments.models import PAID_TWICE, Confirmation
from portal.refunds import service as refunds
from portal.stripe_events import service as webhooks
from tests import factories

# A row that should have a job, and the job.
Lost = Callable[[Session], tuple[str, str]]


def payment(session: Session, **values: Any) -> Any:
    return factories.payment(session, factories.customer(session), **values)


def a_payment(session: Session) -> tuple[str, str]:
    return "payments.follow_up", f"follow_up:{payment(session, status='processing').id}"


def a_payment_that_stripe_does_not_know(session: Session) -> tuple[str, str]:
    row = payment(session, status="created", stripe_intent_id=None)
    return "payments.follow_up", f"follow_up:{row.id}"


def a_confirmation(session: Session) -> tuple[str, str]:
    paid = payment(session)
    row = Confirmation(
        id=new_id("cnf"), payment_id=paid.id, customer_id=paid.customer_id, client_key="press", off_session=False,
        stripe_payment_method_id="pm_1", key_used_at=clock.now(), created_at=clock.now(),
    )  # fmt: skip
    session.add(row)
    session.add(receipt_of(paid))
    return "payments.finish_confirmation", f"confirmation:{row.id}"


def a_card_setup(session: Session) -> tuple[str, str]:
    owner = factories.customer(session)
    row = CardSetup(
        id=new_id("set"), customer_id=owner.id, client_key="key", created_at=clock.now(), updated_at=clock.now()
    )
    session.add(row)
    return "cards.follow_up", f"setup:{row.id}"


def a_refund(session: Session) -> tuple[str, str]:
    paid = payment(session)
    session.add(receipt_of(paid))
    row = factories.refund(session, paid, state="executing")
    return "refunds.follow_up", f"follow_refund:{row.id}"


def a_duplicate(session: Session) -> tuple[str, str]:
    paid = payment(session, review_reason=PAID_TWICE)
    session.add(receipt_of(paid))
    return "refunds.return_duplicate", f"return:{paid.id}"


def a_receipt_to_issue(session: Session) -> tuple[str, str]:
    return receipts.ISSUE, f"receipt:{payment(session).id}"


def a_credit_note_to_issue(session: Session) -> tuple[str, str]:
    paid = payment(session)
    session.add(receipt_of(paid))
    row = factories.refund(session, paid, state="succeeded", succeeded_at=clock.now())
    return receipts.ISSUE_CREDIT_NOTE, f"credit_note:{row.id}"


def receipt_of(paid: Any, **values: Any) -> Receipt:
    kept = {"pdf": b"pdf", "pdf_sha256": "0" * 64, "mailed_at": clock.now()}
    return document(Receipt, paid, **(kept | values))


def document(kind: Any, paid: Any, **values: Any) -> Any:
    row_id = new_id("doc")
    return kind(
        id=row_id, number=row_id, payment_id=paid.id, customer_id=paid.customer_id, total_minor=1, currency="eur",
        facts={}, code=row_id[-20:], issued_at=clock.now(), **values,
    )  # fmt: skip


def a_document_to_render(session: Session) -> tuple[str, str]:
    row = receipt_of(payment(session), pdf=None, pdf_sha256=None, mailed_at=None)
    session.add(row)
    return receipts.RENDER, f"receipt.render:{row.id}"


def a_document_to_mail(session: Session) -> tuple[str, str]:
    row = receipt_of(payment(session), mailed_at=None)
    session.add(row)
    return receipts.MAIL, f"receipt.mail:{row.id}"


def a_revocation_to_mail(session: Session) -> tuple[str, str]:
    paid = payment(session)
    session.add(receipt_of(paid))
    refund = factories.refund(session, paid, state="failed")
    session.flush()
    row = document(CreditNote, paid, refund_id=refund.id, pdf=b"pdf", pdf_sha256="0" * 64, revoked_at=clock.now())
    session.add(row)
    return receipts.MAIL_REVOCATION, f"credit_note.mail_revocation:{row.id}"


def an_event(session: Session) -> tuple[str, str]:
    return "webhooks.apply", factories.stripe_event(session).job_key


def an_event_that_was_replayed(session: Session) -> tuple[str, str]:
    return "webhooks.apply", factories.stripe_event(session, replays=2).job_key


LOST: tuple[Lost, ...] = (
    a_payment, a_payment_that_stripe_does_not_know, a_confirmation, a_card_setup, a_refund, a_duplicate,
    a_receipt_to_issue, a_credit_note_to_issue, a_document_to_render, a_document_to_mail, a_revocation_to_mail,
    an_event, an_event_that_was_replayed,
)  # fmt: skip


def requeue_lost_jobs() -> int:
    makers = (
        payments.requeue_lost_jobs,
        setups.requeue_lost_jobs,
        refunds.requeue_lost_jobs,
        receipts.requeue_lost_jobs,
        webhooks.requeue_lost_jobs,
    )
    return sum(one() for one in makers)


def left() -> list[tuple[str, str | None, str]]:
    with db.reading() as session:
        return [(row.name, row.unique_key, row.state) for row in session.scalars(select(Job))]


def lose(lost: Lost) -> tuple[str, str]:
    with db.transaction() as session:
        expected = lost(session)
        session.flush()
        session.execute(delete(Job))
    return expected


def end(**values: Any) -> None:
    with db.transaction() as session:
        session.execute(Job.__table__.update().values(values))


@pytest.mark.parametrize("lost", LOST)
def test_what_has_lost_its_job_gets_one_and_no_second(settings: object, lost: Lost) -> None:
    name, key = lose(lost)
    assert requeue_lost_jobs() == 1
    assert left() == [(name, key, "queued")]
    assert requeue_lost_jobs() == 0


@pytest.mark.parametrize("state", ["done", "dead"])
@pytest.mark.parametrize("lost", [one for one in LOST if one is not a_duplicate])
@pytest.mark.database("sqlite")
def test_a_job_that_ended_too_early_begins_anew_a_day_later(settings: object, lost: Lost, state: str) -> None:
    name, key = lose(lost)
    requeue_lost_jobs()
    end(state=state, tries=12, finished_at=clock.now() - START_OVER_AFTER + timedelta(minutes=1))
    assert requeue_lost_jobs() == 0
    end(finished_at=clock.now() - START_OVER_AFTER)
    assert requeue_lost_jobs() == 1
    assert left() == [(name, key, "queued")]


def test_what_waits_for_a_person_gets_none(settings: object) -> None:
    with db.transaction() as session:
        paid = payment(session, review_reason="the amount differs", status="processing")
        factories.refund(session, paid, state="unknown", review_reason="send it again?")
        factories.refund(session, paid, state="requested")
        session.flush()
        session.execute(delete(Job))
    assert requeue_lost_jobs() == 0


def test_more_than_one_run_takes_are_found_by_the_next(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST_STARTED_OVER", 2)
    with db.transaction() as session:
        for _ in range(5):
            factories.stripe_event(session)
        session.execute(delete(Job))
    assert [webhooks.requeue_lost_jobs() for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.database("sqlite")
def test_done_periodic_jobs_are_forgotten_after_a_day(database: str) -> None:
    with db.transaction() as session:
        outbox.enqueue(session, "outbox.sweep")
        outbox.enqueue(session, "tests.once")
    end(state="done", finished_at=clock.now() - timedelta(days=1, minutes=1))
    outbox.sweep()
    assert [name for name, _key, _state in left()] == ["tests.once"]
