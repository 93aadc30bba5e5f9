"""The mails of documents to further recipients: each of its own, in its language, and of what it gets alone."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.accounts.models import Customer, DocumentRecipient, RecipientMail
from portal.core import db
from portal.documents import email, queries, service
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.jobs import outbox
from portal.payments.models import Payment
from tests import factories
from tests.documents.conftest import GiveBack, Pay, fail
from tests.smtp import Mailbox, attachment

LINE = ("Green electricity", 1_000, 1_000_00, 1900)
BOOKS = "books@spree-bikes.test"


def run(app: Flask) -> None:
    with app.app_context():
        while outbox.run_due():
            pass


def with_recipient(payment_id: str, **values: object) -> str:
    with db.transaction() as session:
        customer = session.get_one(Customer, session.get_one(Payment, payment_id).customer_id)
        return factories.recipient(session, customer, **values).id


def brought(app: Flask, document_id: str) -> None:
    service.render(document_id)
    run(app)


def test_each_recipient_gets_the_document_in_its_own_language(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    payment_id = pay(LINE)
    with_recipient(payment_id)
    brought(app, service.issue(payment_id))
    to = {message["To"]: message for message in smtp.messages}
    assert list(to) == ["ada@spree-bikes.test", BOOKS]
    assert to[BOOKS]["Subject"].startswith("Ihre Zahlungsbestätigung")
    assert to[BOOKS]["Message-ID"] != to["ada@spree-bikes.test"]["Message-ID"]
    assert attachment(to[BOOKS]) == attachment(to["ada@spree-bikes.test"])


@pytest.mark.parametrize(
    "values",
    [{"mails": RecipientMail.INVOICES}, {"confirmed_at": None}, {"email": "ada@spree-bikes.test"}],
    ids=["of invoices", "not confirmed", "the billed one"],
)
def test_who_does_not_get_such_documents_or_gets_them_anyway_is_sent_nothing(
    app: Flask, smtp: Mailbox, pay: Pay, values: dict[str, object]
) -> None:
    payment_id = pay(LINE)
    with_recipient(payment_id, **values)
    brought(app, service.issue(payment_id))
    assert [message["To"] for message in smtp.messages] == ["ada@spree-bikes.test"]


def test_whoever_paid_and_gets_confirmations_anyway_gets_one(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    payment_id = pay(LINE)
    with_recipient(payment_id)
    with db.transaction() as session:
        payment = session.get_one(Payment, payment_id)
        customer = session.get_one(Customer, payment.customer_id)
        payment.paid_by = factories.user(session, customer, email=BOOKS).id
    brought(app, service.issue(payment_id))
    assert [message["To"] for message in smtp.messages] == ["ada@spree-bikes.test", BOOKS]


def test_a_recipient_that_is_removed_before_its_mail_is_sent_nothing(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    payment_id = pay(LINE)
    recipient_id = with_recipient(payment_id)
    document_id = service.issue(payment_id)
    service.render(document_id)
    with app.app_context():
        email.send(document_id)
    with db.transaction() as session:
        session.delete(session.get_one(DocumentRecipient, recipient_id))
    run(app)
    assert [message["To"] for message in smtp.messages] == ["ada@spree-bikes.test"]


def test_an_address_that_is_refused_keeps_nobody_else_from_the_document(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    payment_id = pay(LINE)
    with_recipient(payment_id)
    smtp.refuse_next("550 5.1.1 no such mailbox", to=BOOKS)
    document_id = service.issue(payment_id)
    brought(app, document_id)
    assert [message["To"] for message in smtp.messages] == ["ada@spree-bikes.test"]
    with db.reading() as session:
        assert queries.for_company(session, document_id).mailed_at is not None


def test_a_document_that_is_sent_again_goes_to_all_of_them(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    payment_id = pay(LINE)
    with_recipient(payment_id)
    document_id = service.issue(payment_id)
    brought(app, document_id)
    smtp.clear()
    service.send_again(document_id)
    run(app)
    assert {message["To"] for message in smtp.messages} == {"ada@spree-bikes.test", BOOKS}


def test_who_was_sent_a_credit_note_is_told_that_it_is_void(
    app: Flask, smtp: Mailbox, pay: Pay, give_back: GiveBack
) -> None:
    payment_id = pay(LINE)
    with_recipient(payment_id, mails=RecipientMail.CREDIT_NOTES)
    service.issue(payment_id)
    refund_id = give_back(payment_id, reason="product_unacceptable")
    note_id = service.issue_credit_note(refund_id)
    assert note_id is not None
    brought(app, note_id)
    fail(refund_id)
    service.revoke_credit_note(refund_id)
    run(app)
    said = [message["Subject"] for message in smtp.messages if message["To"] == BOOKS]
    assert len(said) == 2 and said[1].endswith("ist storniert")


@pytest.mark.parametrize("with_xml", [True, False])
def test_an_e_invoice_comes_as_a_file_of_its_own_where_it_is_wanted(app: Flask, smtp: Mailbox, with_xml: bool) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        factories.recipient(session, customer, with_xml=with_xml)
    line = LineDraft(
        "Green electricity", quantity_thousandths=1_000, unit_price_minor=100_00, tax_rate_basis_points=1900
    )
    invoices.issue(InvoiceDraft(customer_id=customer.id, currency="eur", lines=(line,)))
    run(app)
    (message,) = (message for message in smtp.messages if message["To"] == BOOKS)
    kinds = [part.get_content_type() for part in message.iter_attachments()]
    assert kinds == ["application/pdf", "application/xml"] if with_xml else ["application/pdf"]
