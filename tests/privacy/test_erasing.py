"""An erasure leaves what the law asks to keep and nothing else of a person; nobody decides alone, and no money is lost over it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text, update

from portal.accounts import customer_access
from portal.accounts import queries as accounts
from portal.accounts.models import Customer, WordTrigram
from portal.content.mail import SentMail
from portal.core import audit, clock, company_days, db
from portal.core.audit import AuditEvent
from portal.core.db import Base
from portal.core.errors import Forbidden
from portal.core.four_eyes import Reviewer
from portal.documents import queries as document_queries
from portal.documents import service as documents
from portal.documents.models import Document
from portal.identity.models import SignInSession, User
from portal.invoices.models import Invoice
from portal.ledger import Posting
from portal.payment_methods import service as payment_methods
from portal.privacy import erasing, kinds, queries, sweeping
from portal.privacy.erasing import StillOpen
from portal.privacy.held import Erase
from portal.privacy.inventory import TABLES
from portal.privacy.models import Erasure
from portal.privacy.statuses import ErasureStatus
from portal.refunds.models import Refund, RefundMessage
from portal.stripe_events.models import EventStatus, StripeEvent
from tests import factories
from tests.crashing import dies
from tests.live import SandboxServer
from tests.privacy.filled import fill, mark
from tests.smtp import Mailbox, text_of

pytestmark = pytest.mark.database("sqlite")
_OVER: dict[str, dict[str, Any]] = {
    "invoices": {"status": "paid"},
    "payments": {"status": "succeeded", "review_reason": ""},
    "refunds": {"status": "succeeded"},
    "disputes": {"status": "won"},
    "payment_confirmations": {"answered_at": clock.now()},
    "payment_methods": {"removed_at": clock.now()},
    "mandates": {"ended_at": clock.now()},
    "customers": {"deactivated_at": clock.now(), "language": "en", "erased_at": None, "email": "ada@spree-bikes.test"},
    "erasures": {"status": "withdrawn", "kept": []},
}


def everything(who: str) -> dict[str, list[dict[str, Any]]]:
    """All rows in which a mark of theirs stands, by table."""
    with db.reading() as session:
        rows = {name: session.execute(select(table)).mappings().all() for name, table in Base.metadata.tables.items()}
    return {name: [dict(row) for row in found if f"~{who}" in str(dict(row))] for name, found in rows.items()}


def approved(customer_id: str) -> str:
    """A request of an owner's that was approved; returns its id."""
    with db.transaction() as session:
        approver = factories.staff(session, "approver")
    erasure_id = erasing.ask(customer_id, None, by_customer=True)
    erasing.approve(customer_id, Reviewer(approver.id, "approver"))
    return erasure_id


def run(app: Flask, erasure_id: str) -> None:
    """Do the job."""
    with app.app_context():
        erasing.erase(erasure_id)


def test_what_is_to_go_is_gone_from_every_table_and_nobody_elses_is_touched(
    app: Flask, smtp: Mailbox, sandbox: SandboxServer
) -> None:
    with db.transaction() as session:
        mine, _strangers = fill(session, "mine"), fill(session, "stranger")
        for table, values in _OVER.items():
            key = Base.metadata.tables[table]
            session.execute(update(key).values(values).where(key.c.id == mine[table]["id"]))
    strangers = everything("stranger")
    customer_id = mine["customers"]["id"]
    erasure_id = approved(customer_id)
    dies("table erased", lambda: run(app, erasure_id), time=9)
    with db.reading() as session:
        assert session.get_one(Erasure, erasure_id).status == ErasureStatus.APPROVED
    run(app, erasure_id)
    run(app, erasure_id)
    left = everything("mine")
    assert everything("stranger") == strangers
    for held in TABLES:
        told = "\n".join(str(row) for row in left[held.table])
        if held.erase == Erase.REMOVE and held.table != "customer_words":
            assert not told, held.table
        for column in held.replaced:
            assert mark("mine", held.table, column) not in told, (held.table, column)
        if held.erase == Erase.KEEP and held.by and held.kind.law:
            assert told, f"{held.table} has to be kept"
    with db.reading() as session:
        customer, done = session.get_one(Customer, customer_id), session.get_one(Erasure, erasure_id)
        assert (customer.name, customer.email) == ("Erased customer", f"{customer_id}@erased.invalid")
        assert customer.erased_at == done.done_at is not None
        year = company_days.today().year
        assert [one.until.year - year if one.until else None for one in erasing.kept_of(done)] == [8, 10, 6, None]
    assert {(mail["To"], mail["Message-ID"]) for mail in smtp.messages} == {
        ("ada@spree-bikes.test", smtp.messages[0]["Message-ID"])
    }
    assert "§ 147" in text_of(smtp.messages[0])


@pytest.mark.database("sqlite", "postgresql")
def test_a_customer_with_a_history_is_erased_and_books_documents_and_trail_still_verify(
    app: Flask, smtp: Mailbox
) -> None:
    with db.transaction() as session:
        customer = factories.customer(session, name="Zweirad Xylander")
        owner = factories.user(session, customer, name="Ada Xylander")
        factories.recipient(session, customer)
        factories.endpoint(session, customer)
        colleague, other = factories.staff(session, "approver"), factories.staff(session, "admin")
        helper = factories.staff(session, "support")
        invoice = factories.invoice(session, customer)
        payment = factories.payment(session, customer)
    receipt_id = documents.issue(payment.id)
    with pytest.raises(StillOpen) as refused:
        erasing.ask(customer.id, owner.id, by_customer=True)
    assert refused.value.reasons == ["Invoices are open.", "Documents are still being created or sent."]
    documents.render(receipt_id)
    with db.transaction() as session:
        session.execute(update(Invoice).where(Invoice.id == invoice.id).values(status="void"))
        session.execute(update(Document).where(Document.id == receipt_id).values(mailed_at=clock.now()))
    with db.reading() as session:
        before = document_queries.with_pdf(session, receipt_id)
        postings = session.scalars(select(Posting.id).where(Posting.customer_id == customer.id)).all()

    first = erasing.ask(customer.id, owner.id, by_customer=True)
    assert erasing.ask(customer.id, owner.id, by_customer=True) == first
    erasing.withdraw(customer.id)
    erasing.ask(customer.id, colleague.id, reason="They wrote a letter", by_customer=False)
    with pytest.raises(erasing.OwnErasure):
        erasing.approve(customer.id, Reviewer(colleague.id, "approver"))
    with pytest.raises(Forbidden):
        erasing.approve(customer.id, Reviewer(helper.id, "support"))
    erasing.reject(customer.id, Reviewer(other.id, "admin"), "The address is not theirs")
    with pytest.raises(erasing.Decided):
        erasing.approve(customer.id, Reviewer(other.id, "admin"))
    erasure_id = erasing.ask(customer.id, owner.id, by_customer=True)
    erasing.approve(customer.id, Reviewer(colleague.id, "approver"))
    erasing.approve(customer.id, Reviewer(colleague.id, "approver"))
    run(app, erasure_id)

    with db.reading() as session:
        assert audit.verify(session) is None
        after = document_queries.with_pdf(session, receipt_id)
        assert after.pdf == before.pdf and after.facts == before.facts
        assert session.scalars(select(Posting.id).where(Posting.customer_id == customer.id)).all() == postings
        gone = session.get_one(User, owner.id)
        assert (gone.name, gone.email, gone.active) == ("Erased person", f"{owner.id}@erased.invalid", False)
        assert session.scalar(select(WordTrigram.word).where(WordTrigram.word == "xylander")) is None
        assert session.scalars(select(SentMail.recipient)).unique().all() == ["someone@erased.invalid"]
        assert session.scalar(select(SignInSession.user_id).where(SignInSession.user_id == owner.id)) is None
    with pytest.raises(accounts.Erased):
        customer_access.reactivate(customer.id)
    with pytest.raises(accounts.Erased):
        erasing.ask(customer.id, owner.id, by_customer=True)


def test_the_pages_ask_decide_and_tell_why_not(app: Flask, client: FlaskClient, smtp: Mailbox) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        owner, colleague = factories.user(session, customer), factories.staff(session, "approver")
    desk = FlaskClient(app, app.response_class)
    factories.sign_in(client, owner)
    factories.sign_in(desk, colleague)
    place = f"/support/customers/{customer.id}/privacy"
    form = {"csrf_token": factories.csrf_token(client)}
    assert client.post("/account/privacy/erasure", data=form).status_code == 303
    assert "Withdraw the request" in client.get("/account/privacy").text
    assert "Erasures of customers to decide" in desk.get("/support").text
    said = {"csrf_token": factories.csrf_token(desk), "reject-reason": "Please name the invoice"}
    assert desk.post(f"{place}/erasure/rejection", data=said).status_code == 303
    assert "Please name the invoice" in client.get("/account/privacy").text
    with db.reading() as session:
        request = queries.latest(session, customer.id)
    assert request is not None
    with app.app_context():
        erasing.mail_rejection(request.id)
    assert "Please name the invoice" in text_of(smtp.messages[0])

    client.post("/account/privacy/erasure", data=form)
    approval = desk.post(f"{place}/erasure/approval", data={"csrf_token": said["csrf_token"]}, follow_redirects=True)
    assert "The customer is being erased." in approval.text
    with db.reading() as session:
        request = queries.latest(session, customer.id)
    assert request is not None
    run(app, request.id)
    page = desk.get(f"/support/customers/{customer.id}").text
    assert "This customer was erased" in page and f"{customer.id}/reactivation" not in page
    assert f"{customer.id}/details" not in page
    sent = len(smtp.messages)
    with app.app_context():
        erasing.mail_rejection(request.id)  # a job that was left before
    assert len(smtp.messages) == sent, "nothing is sent to nowhere"
    shown = desk.get(place).text
    assert "What is kept" in shown and "Erased customer" in shown and customer.name not in shown
    assert "ada" not in desk.get(f"/support/customers/{customer.id}/timeline").text.lower()


def test_what_is_over_its_time_goes_once_a_day_and_nothing_before(database: str) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        refund = factories.refund(session, factories.payment(session, customer), explanation="It was damaged")
        session.add(
            RefundMessage(id=db.new_id("rms"), refund_id=refund.id, at=clock.now(), from_customer=True, words="Why?")
        )
        done = factories.stripe_event(session, status=EventStatus.APPLIED, applied_at=clock.now())
        waits = factories.stripe_event(session)
        session.add(
            SentMail(key="a", recipient="ada@spree-bikes.test", subject="Hello", template="t", sent_at=clock.now())
        )
    assert sweeping.sweep() == 0
    with time_machine.travel(clock.now() + sweeping.KEEP_BODIES + timedelta(minutes=1)):
        assert (sweeping.sweep(), sweeping.sweep()) == (1, 0)
    with db.reading() as session:
        assert session.get_one(StripeEvent, done.id).body == b"" != session.get_one(StripeEvent, waits.id).body
    last = company_days.begins(
        company_days.today().replace(year=company_days.today().year + kinds.YEARS_OF_LETTERS + 1, month=1, day=1)
    )
    with time_machine.travel(last - timedelta(hours=1)):
        assert sweeping.sweep() == 0
    with time_machine.travel(last + timedelta(hours=1)):
        assert (sweeping.sweep(), sweeping.sweep()) == (3, 0)
    with db.reading() as session:
        assert session.get_one(Refund, refund.id).explanation == ""
        assert session.scalar(text("SELECT count(*) FROM refund_messages")) == 0


def test_stripe_forgets_the_customer_too_and_a_job_that_died_goes_on(
    app: Flask, sandbox: SandboxServer, smtp: Mailbox
) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        owner, colleague = factories.user(session, customer), factories.staff(session, "approver")
    at_stripe = payment_methods.ensure_stripe_customer(customer.id)
    assert sandbox.client.v1.customers.retrieve(at_stripe).email == customer.email
    erasure_id = erasing.ask(customer.id, owner.id, by_customer=True)
    erasing.approve(customer.id, Reviewer(colleague.id, "approver"))
    sandbox.client.v1.customers.delete(at_stripe)  # what a job has done that died before it could write it down
    run(app, erasure_id)
    run(app, erasure_id)
    gone = sandbox.client.v1.customers.retrieve(at_stripe)
    assert gone.deleted
    with db.reading() as session:
        assert session.get_one(Customer, customer.id).stripe_customer_id is None
        facts = session.scalars(select(AuditEvent.facts).where(AuditEvent.action == "erasure.done")).one()
        assert facts["deleted_at_stripe"] == 1


def test_stripe_is_told_to_delete_a_customer_who_is_erased(app: Flask, sandbox: SandboxServer, smtp: Mailbox) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        owner, colleague = factories.user(session, customer), factories.staff(session, "approver")
    at_stripe = payment_methods.ensure_stripe_customer(customer.id)
    erasure_id = erasing.ask(customer.id, owner.id, by_customer=True)
    erasing.approve(customer.id, Reviewer(colleague.id, "approver"))
    run(app, erasure_id)
    assert sandbox.client.v1.customers.retrieve(at_stripe).deleted
