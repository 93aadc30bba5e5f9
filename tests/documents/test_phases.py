"""From the settled payment or refund to the mailbox, with a death at every step on the way.

The jobs run as a worker runs them; a process dies right before or right after one of its commits. Whatever was in memory
is gone, the lease runs out, and another worker goes on: there must be one number, one PDF, and a mail whose repeats are
known for the same mail.
"""

from __future__ import annotations

import hashlib
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import delete, event, select
from sqlalchemy.orm import Session, undefer

from portal.content import mail
from portal.core import audit, config, db
from portal.core.errors import Conflict
from portal.documents import jobs, queries, service
from portal.documents.models import Document, DocumentKind
from portal.jobs import outbox
from portal.jobs.models import JobRow
from portal.payments import jobs as payment_jobs
from portal.refunds import jobs as refund_jobs
from tests.crashing import dies
from tests.documents.conftest import GiveBack, Pay, alter_pdf, fail
from tests.smtp import Mailbox, attachment

# What the three jobs commit: each is claimed, does its one phase, and is closed; the mail's phase records the mail first.
COMMITS = 10
# The commit that records the mail, which was taken before it, and the one that marks the document as mailed.
MAIL_RECORDED, MAIL_MARKED = 8, 9
# Likewise of a revocation, whose two jobs are the revoking and the mail.
REVOKING_COMMITS = 7
REVOCATION_RECORDED, REVOCATION_MARKED = 5, 6


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


@pytest.fixture(params=[DocumentKind.RECEIPT, DocumentKind.CREDIT_NOTE])
def kind(request: pytest.FixtureRequest, pay: Pay, give_back: GiveBack) -> str:
    """The kind of a document whose job is left, as the transaction does that settles the payment or the refund."""
    payment_id = pay() if request.param == DocumentKind.RECEIPT else pay(("Green electricity", 1_500, 100_00, 1900))
    if request.param == DocumentKind.RECEIPT:
        with db.transaction() as session:
            payment_jobs.issue_receipt.enqueue(session, payment_id=payment_id)
        return DocumentKind.RECEIPT
    service.issue(payment_id)
    refund_id = give_back(payment_id, amount_minor=50_00)
    with db.transaction() as session:
        session.execute(delete(JobRow))  # the receipt's own
        refund_jobs.issue_credit_note.enqueue(session, refund_id=refund_id)
    return DocumentKind.CREDIT_NOTE


def documents(kind: str) -> list[Document]:
    with db.reading() as session:
        return list(
            session.execute(select(Document).where(Document.kind == kind).options(undefer(Document.pdf))).scalars()
        )


def told(kind: str) -> list[str]:
    """What the audit trail tells of documents of this kind, without the kind's name."""
    with db.reading() as session:
        assert audit.verify(session) is None
        actions = session.execute(select(audit.AuditEvent.action).order_by(audit.AuditEvent.number)).scalars()
        return [action.removeprefix(f"{kind}.") for action in actions if action.startswith(f"{kind}.")]


def test_money_that_moved_ends_in_a_mail_with_its_document(app: Flask, smtp: Mailbox, kind: str) -> None:
    with app.app_context():
        work()
    [document] = documents(kind)
    [message] = smtp.messages
    assert attachment(message) == document.pdf
    assert document.pdf is not None
    assert document.pdf_sha256 == hashlib.sha256(document.pdf).hexdigest()
    assert document.mailed_at is not None
    assert told(kind) == ["issued", "rendered", "mailed"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at_commit", range(1, COMMITS + 1))
def test_a_death_at_any_commit_costs_no_number_no_pdf_and_no_mail(
    app: Flask, smtp: Mailbox, kind: str, at_commit: int, when: str
) -> None:
    with app.app_context():
        with pytest.raises(Died), dying(at_commit, when):
            work()
        at_death = [document.pdf_sha256 for document in documents(kind)]
        work()
    [document] = documents(kind)
    assert at_death in ([], [None], [document.pdf_sha256]), "a stored PDF is never replaced"
    repeated = at_commit == MAIL_RECORDED or (at_commit == MAIL_MARKED and when == "before")
    assert len(smtp.messages) == (2 if repeated else 1)
    assert_issued_rendered_and_mailed(smtp, kind)


# Those between two commits, and those where the mail is out and nothing says so.
BEFORE_THE_MAIL = ["number taken", "document issued", "document rendered", "document stored"]
AFTER_THE_MAIL = ["mail taken", "document mailed", "document marked"]


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("point", BEFORE_THE_MAIL + AFTER_THE_MAIL)
def test_a_death_between_two_steps_costs_no_number_no_pdf_and_no_mail(
    app: Flask, smtp: Mailbox, kind: str, point: str
) -> None:
    with app.app_context():
        dies(point, work)
        work()
    assert len(smtp.messages) == (2 if point in AFTER_THE_MAIL else 1)
    assert_issued_rendered_and_mailed(smtp, kind)


def assert_issued_rendered_and_mailed(smtp: Mailbox, kind: str) -> None:
    """There is one document, with the first number and one PDF, and every mail is known for the same mail."""
    [document] = documents(kind)
    assert document.number.endswith("-000001")
    assert document.pdf is not None
    assert document.pdf_sha256 == hashlib.sha256(document.pdf).hexdigest()
    assert document.mailed_at is not None
    assert {message["Message-ID"] for message in smtp.messages} == {mail.message_id(f"{kind}:{document.id}")}
    assert {attachment(message) for message in smtp.messages} == {document.pdf}
    assert told(kind) == ["issued", "rendered", "mailed"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at_commit", range(1, REVOKING_COMMITS + 1))
def test_a_death_at_any_commit_of_a_revocation_costs_no_mail(
    app: Flask, smtp: Mailbox, pay: Pay, give_back: GiveBack, at_commit: int, when: str
) -> None:
    payment_id = pay()
    service.issue(payment_id)
    refund_id = give_back(payment_id)
    service.issue_credit_note(refund_id)
    fail(refund_id)
    with db.transaction() as session:
        session.execute(delete(JobRow))  # those of the documents
        refund_jobs.revoke_credit_note.enqueue(session, refund_id=refund_id)
    with app.app_context():
        with pytest.raises(Died), dying(at_commit, when):
            work()
        work()
    [note] = documents(DocumentKind.CREDIT_NOTE)
    assert note.revoked_at is not None
    assert note.revocation_mailed_at is not None
    repeated = at_commit == REVOCATION_RECORDED or (at_commit == REVOCATION_MARKED and when == "before")
    assert len(smtp.messages) == (2 if repeated else 1)
    assert {message["Message-ID"] for message in smtp.messages} == {mail.message_id(f"credit_note_revoked:{note.id}")}
    assert told(DocumentKind.CREDIT_NOTE) == ["issued", "revoked", "revocation_mailed"]


@pytest.mark.database("sqlite")
def test_dead_while_a_credit_note_is_revoked_nothing_of_it_is_left(
    app: Flask, smtp: Mailbox, pay: Pay, give_back: GiveBack
) -> None:
    payment_id = pay()
    service.issue(payment_id)
    refund_id = give_back(payment_id)
    service.issue_credit_note(refund_id)
    fail(refund_id)
    dies("credit note revoked", lambda: service.revoke_credit_note(refund_id))
    assert (documents(DocumentKind.CREDIT_NOTE)[0].revoked_at, told(DocumentKind.CREDIT_NOTE)) == (None, ["issued"])
    service.revoke_credit_note(refund_id)
    assert told(DocumentKind.CREDIT_NOTE) == ["issued", "revoked"]


def test_each_job_may_run_twice(app: Flask, smtp: Mailbox, pay: Pay, give_back: GiveBack) -> None:
    payment_id = pay()
    refund_id = give_back(payment_id)
    for _ in range(2):
        payment_jobs.issue_receipt.run(payment_id)
        refund_jobs.issue_credit_note.run(refund_id)
    [receipt], [note] = documents(DocumentKind.RECEIPT), documents(DocumentKind.CREDIT_NOTE)
    with app.app_context():
        for document in (receipt, note):
            for _ in range(2):
                jobs.render.run(document.id)
            for _ in range(2):
                jobs.mail.run(document.id)
        fail(refund_id)
        for _ in range(2):
            refund_jobs.revoke_credit_note.run(refund_id)
        for _ in range(2):
            jobs.mail_revocation.run(note.id)
    assert len(smtp.messages) == 3
    assert told(DocumentKind.RECEIPT) == ["issued", "rendered", "mailed"]
    assert told(DocumentKind.CREDIT_NOTE) == ["issued", "rendered", "mailed", "revoked", "revocation_mailed"]


def test_a_credit_note_that_was_revoked_before_it_was_mailed_is_not_mailed_any_more(
    app: Flask, smtp: Mailbox, pay: Pay, give_back: GiveBack
) -> None:
    payment_id = pay()
    refund_id = give_back(payment_id)
    payment_jobs.issue_receipt.run(payment_id)
    refund_jobs.issue_credit_note.run(refund_id)
    [note] = documents(DocumentKind.CREDIT_NOTE)
    fail(refund_id)
    refund_jobs.revoke_credit_note.run(refund_id)
    with app.app_context():
        jobs.render.run(note.id)
        jobs.mail.run(note.id)
        jobs.mail_revocation.run(note.id)
    assert [message["Subject"] for message in smtp.messages] == [
        f"Credit note {note.number} from Nordlicht Energie GmbH is canceled"
    ]


@pytest.mark.parametrize("answer", ["451 4.3.0 come again", "550 5.1.1 unknown"])
def test_a_mail_server_that_refuses_a_mail_is_asked_again(
    app: Flask, smtp: Mailbox, pay: Pay, give_back: GiveBack, answer: str
) -> None:
    payment_id = pay()
    refund_id = give_back(payment_id)
    payment_jobs.issue_receipt.run(payment_id)
    refund_jobs.issue_credit_note.run(refund_id)
    [note] = documents(DocumentKind.CREDIT_NOTE)
    jobs.render.run(note.id)
    with app.app_context():
        smtp.refuse_next(answer)
        with pytest.raises(smtplib.SMTPException):
            jobs.mail.run(note.id)
        assert documents(DocumentKind.CREDIT_NOTE)[0].mailed_at is None
        jobs.mail.run(note.id)
        fail(refund_id)
        refund_jobs.revoke_credit_note.run(refund_id)
        smtp.refuse_next(answer)
        with pytest.raises(smtplib.SMTPException):
            jobs.mail_revocation.run(note.id)
        assert documents(DocumentKind.CREDIT_NOTE)[0].revocation_mailed_at is None
        jobs.mail_revocation.run(note.id)
    [note] = documents(DocumentKind.CREDIT_NOTE)
    assert note.mailed_at is not None
    assert note.revocation_mailed_at is not None
    assert len(smtp.messages) == 2


@pytest.mark.owner
def test_a_pdf_that_was_altered_in_the_database_is_not_sent(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    payment_jobs.issue_receipt.run(pay())
    [receipt] = documents(DocumentKind.RECEIPT)
    jobs.render.run(receipt.id)
    alter_pdf(receipt.id, b"%PDF-1.7 a million for me")
    with app.app_context(), pytest.raises(Exception, match="Something went wrong"):
        jobs.mail.run(receipt.id)
    assert smtp.messages == []


UNKNOWN = "\ue0a7"  # a sign of the private use area, which no font has


def test_a_document_that_lacks_a_character_waits_until_a_person_has_looked(
    pay: Pay, app: Flask, smtp: Mailbox, settings: config.Settings
) -> None:
    payment_id = pay(("Power", 1_000, 100_00, 1900), customer={"name": f"Spree {UNKNOWN} 東京 ไทย 👩‍🚀"})
    receipt_id = service.issue(payment_id)
    with app.app_context():
        work()
        service.requeue_lost_jobs()
        work()
        (told,) = smtp.wait_for(1)
        assert told["To"] == settings.company.support_email and "missing characters" in told["Subject"]
        assert "U+E0A7" in str(told.get_body(("plain",)))

        with db.reading() as session:
            document = session.get_one(Document, receipt_id)
            assert (document.missing_glyphs, document.pdf_sha256, document.is_held) == (UNKNOWN, None, True)
            assert [one.id for one in queries.held(session, payment_id)] == [receipt_id]

        service.render_held(receipt_id, as_it_is=False)  # no font was installed
        work()
        smtp.wait_for(2)
        service.render_held(receipt_id, as_it_is=True)
        with pytest.raises(Conflict):
            service.render_held(receipt_id, as_it_is=True)
        work()
    sent = smtp.wait_for(3)[-1]
    assert sent["To"] == "ada@spree-bikes.test" and attachment(sent).startswith(b"%PDF")
    with db.reading() as session:
        assert queries.held(session, payment_id) == []
