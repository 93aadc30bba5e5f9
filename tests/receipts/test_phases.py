"""From the settled payment to the mailbox, with a death at every step on the way.

The jobs run as a worker runs them; a process dies right before or right after one of its commits. Whatever was in memory
is gone, the lease runs out, and another worker goes on: there must be one number, one PDF, and a mail whose repeats are
known for the same mail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.orm import Session, undefer

from portal import audit, db, mail, outbox
from portal.receipts import jobs, service
from portal.receipts.models import Receipt
from tests.receipts.conftest import Pay
from tests.smtp import Mailbox, attachment

# What the three jobs commit: each is claimed, does its one phase, and is closed.
COMMITS = 9
# The commit of the mail job's phase: the mail was taken before it.
MAIL_MARKED = 8


class Died(BaseException):
    """The process is gone: no handler of errors gets to see it."""


@contextmanager
def dying(at_commit: int, when: str) -> Iterator[None]:
    """Die right before the n-th commit from here, counted from 1, or after it before the database is spoken to again."""
    commits = 0

    def before_commit(_session: Session) -> None:
        nonlocal commits
        commits += 1
        if commits == at_commit and when == "before":
            raise Died

    def after_begin(*_begun: object) -> None:
        if commits == at_commit:
            raise Died

    event.listen(Session, "before_commit", before_commit)
    event.listen(Session, "after_begin", after_begin)
    try:
        yield
    finally:
        event.remove(Session, "before_commit", before_commit)
        event.remove(Session, "after_begin", after_begin)


def work() -> None:
    """Run all jobs that are due, as workers whose leases run out at once: a job that was left lying is taken again."""
    while claimed := outbox.claim("worker", 1, lease_seconds=0):
        outbox.run(claimed[0], "worker")


def settle(payment_id: str) -> None:
    """Leave the job as the transaction that settles a payment does."""
    with db.transaction() as session:
        outbox.enqueue(session, service.ISSUE, key=f"receipt:{payment_id}", payment_id=payment_id)


def the_receipt() -> Receipt:
    with db.reading() as session:
        return session.execute(select(Receipt).options(undefer(Receipt.pdf))).scalar_one()


def told() -> list[str]:
    with db.reading() as session:
        assert audit.verify(session) is None
        return list(session.execute(select(audit.AuditEvent.action).order_by(audit.AuditEvent.number)).scalars())


def test_a_settled_payment_ends_in_a_mail_with_the_receipt(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    settle(pay(("Green electricity", 1_500, 100_00, 1900)))
    with app.app_context():
        work()
    receipt = the_receipt()
    [message] = smtp.messages
    assert attachment(message) == receipt.pdf
    assert receipt.pdf is not None
    assert receipt.pdf_sha256 == hashlib.sha256(receipt.pdf).hexdigest()
    assert receipt.mailed_at is not None
    assert told() == ["receipt.issued", "receipt.rendered", "receipt.mailed"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at_commit", range(1, COMMITS + 1))
def test_a_death_at_any_commit_costs_no_number_no_pdf_and_no_mail(
    app: Flask, smtp: Mailbox, pay: Pay, at_commit: int, when: str
) -> None:
    settle(pay())
    with app.app_context():
        with pytest.raises(Died), dying(at_commit, when):
            work()
        at_death = [receipt.pdf_sha256 for receipt in _receipts()]
        work()
    receipt = the_receipt()
    assert receipt.number.endswith("-000001")
    assert receipt.pdf is not None
    assert receipt.pdf_sha256 == hashlib.sha256(receipt.pdf).hexdigest()
    assert at_death in ([], [None], [receipt.pdf_sha256]), "a stored PDF is never replaced"
    assert receipt.mailed_at is not None
    repeated = at_commit == MAIL_MARKED and when == "before"
    assert len(smtp.messages) == (2 if repeated else 1)
    assert {message["Message-ID"] for message in smtp.messages} == {mail.message_id(f"receipt:{receipt.id}")}
    assert {attachment(message) for message in smtp.messages} == {receipt.pdf}
    assert told() == ["receipt.issued", "receipt.rendered", "receipt.mailed"]


def _receipts() -> list[Receipt]:
    with db.reading() as session:
        return list(session.execute(select(Receipt)).scalars())


def test_each_job_may_run_twice(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    payment_id = pay()
    for _ in range(2):
        jobs.issue(payment_id)
    receipt_id = the_receipt().id
    for _ in range(2):
        jobs.render(receipt_id)
    stored = the_receipt().pdf
    with app.app_context():
        for _ in range(2):
            jobs.send(receipt_id)
    assert len(smtp.messages) == 1
    assert the_receipt().pdf == stored
    assert told() == ["receipt.issued", "receipt.rendered", "receipt.mailed"]


@pytest.mark.parametrize("answer", ["451 4.3.0 come again", "550 5.1.1 unknown"])
def test_a_mail_server_that_refuses_is_asked_again(app: Flask, smtp: Mailbox, pay: Pay, answer: str) -> None:
    jobs.issue(pay())
    receipt_id = the_receipt().id
    jobs.render(receipt_id)
    smtp.refuse_next(answer)
    with app.app_context():
        with suppress(Exception):
            jobs.send(receipt_id)
        assert the_receipt().mailed_at is None
        jobs.send(receipt_id)
    assert the_receipt().mailed_at is not None
    assert len(smtp.messages) == 1


def test_a_pdf_that_was_altered_in_the_database_is_not_sent(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    jobs.issue(pay())
    receipt_id = the_receipt().id
    jobs.render(receipt_id)
    with db.transaction() as session:
        session.get_one(Receipt, receipt_id).pdf = b"%PDF-1.7 a million for me"
    with app.app_context(), pytest.raises(Exception, match="Something went wrong"):
        jobs.send(receipt_id)
    assert smtp.messages == []
