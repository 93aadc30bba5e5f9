"""The mail: to whom, in which language, with what; and that nobody writes headers through it."""

from __future__ import annotations

import io
from datetime import date
from email.message import EmailMessage
from typing import Any

import pypdf
import pytest
from flask import Flask
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import company_days, config, db
from portal.documents import email, service
from portal.documents.models import PaymentDocument
from portal.identity.models import User
from portal.jobs import outbox
from portal.payments.models import Payment
from tests import factories
from tests.documents.conftest import GiveBack, Pay, fail
from tests.smtp import Mailbox, attachment, text_of

LINE = ("Green electricity", 1_000, 1_000_00, 1900)


def bring(app: Flask, payment_id: str) -> str:
    """Issue, render and mail; returns the receipt's number."""
    receipt_id = service.issue(payment_id)
    service.render(receipt_id)
    with app.app_context():
        email.send(receipt_id)
    with db.reading() as session:
        return session.execute(select(PaymentDocument.number).where(PaymentDocument.id == receipt_id)).scalar_one()


def words_of(message: EmailMessage, kind: str) -> str:
    return " ".join(text_of(message, kind).split())


def test_it_brings_the_receipt_as_text_html_and_pdf(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    number = bring(app, pay(description="Green electricity", amount_minor=1_190_00))
    [message] = smtp.messages
    assert message["To"] == "ada@spree-bikes.test"
    assert message["Subject"] == f"Your receipt {number} from Nordlicht Energie GmbH"
    assert "Nordlicht Energie GmbH" in message["From"]
    assert message["Auto-Submitted"] == "auto-generated"
    for kind in ("plain", "html"):
        said = words_of(message, kind)
        assert number in said
        assert "€1,190.00" in said
        assert "Visa •••• 4242" in said
        assert "http://127.0.0.1:8000/receipts/rct_" in said
    [part] = message.iter_attachments()
    assert part.get_filename() == f"{number}.pdf"
    text = pypdf.PdfReader(io.BytesIO(attachment(message))).pages[0].extract_text()
    for words in (number, "Green electricity", "€1,190.00"):
        assert words in text


@pytest.mark.settings(
    PORTAL_COMPANY_REGISTER_COURT="Amtsgericht Hamburg",
    PORTAL_COMPANY_REGISTER_NUMBER="HRB 123456",
    PORTAL_COMPANY_DIRECTORS="Ada Kern | Ole Brandt",
    PORTAL_COMPANY_TAX_NUMBER="41/123/45678",
)
def test_what_the_law_wants_of_a_company_stands_in_the_foot_of_mail_and_document(
    app: Flask, smtp: Mailbox, pay: Pay
) -> None:
    bring(app, pay(LINE))
    [message] = smtp.messages
    text = " ".join(pypdf.PdfReader(io.BytesIO(attachment(message))).pages[0].extract_text().split())
    for said in (words_of(message, "plain"), words_of(message, "html"), text):
        assert "Amtsgericht Hamburg, HRB 123456" in said
        assert "Managing directors: Ada Kern, Ole Brandt" in said
    assert "Tax number: 41/123/45678" in text and "VAT ID: DE123456789" in text


def test_a_payment_confirmation_names_the_invoice_and_states_no_tax(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    number = bring(app, pay(LINE))
    [message] = smtp.messages
    assert message["Subject"] == f"Your payment confirmation {number} from Nordlicht Energie GmbH"
    assert "€1,190.00" in words_of(message, "plain")
    text = " ".join(pypdf.PdfReader(io.BytesIO(attachment(message))).pages[0].extract_text().split())
    assert "This is not an invoice. The tax is stated on invoice INV-" in text
    assert "19%" not in text and "Green electricity" not in text


def test_it_speaks_the_customers_language(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    number = bring(app, pay(LINE, customer={"language": "de", "name": "Bäckerei Süß"}))
    [message] = smtp.messages
    assert message["Subject"] == f"Ihre Zahlungsbestätigung {number} von Nordlicht Energie GmbH"
    assert "1.190,00 €" in words_of(message, "plain")
    assert '<html lang="de">' in words_of(message, "html")
    assert "Zahlungsbestätigung" in pypdf.PdfReader(io.BytesIO(attachment(message))).pages[0].extract_text()


def test_a_credit_note_says_what_went_back_where_to_and_when_it_arrives(
    app: Flask, smtp: Mailbox, pay: Pay, give_back: GiveBack
) -> None:
    payment_id = pay(LINE)
    service.issue(payment_id)
    refund_id = give_back(payment_id, amount_minor=119_00, expected_by=date(2026, 12, 7), reason="product_unacceptable")
    note_id = service.issue_credit_note(refund_id)
    assert note_id is not None
    service.render(note_id)
    with app.app_context():
        email.send(note_id)
    [message] = smtp.messages
    number = f"CN-{company_days.today().year}-000001"
    assert message["Subject"] == f"Your credit note {number} from Nordlicht Energie GmbH"
    for kind in ("plain", "html"):
        said = words_of(message, kind)
        for words in (number, "€119.00 to Visa •••• 4242", "The money should arrive by Dec 7, 2026", "Not as agreed"):
            assert words in said
        assert f"http://127.0.0.1:8000/receipts/{note_id}" in said
    [part] = message.iter_attachments()
    assert part.get_filename() == f"{number}.pdf"
    text = " ".join(pypdf.PdfReader(io.BytesIO(attachment(message))).pages[0].extract_text().split())
    for words in ("Credit note", number, "Tax 19% on €100.00 €19.00", "Total refunded €119.00", "Not as agreed"):
        assert words in text


def test_a_revocation_says_that_the_credit_note_is_void_and_brings_none(
    app: Flask, smtp: Mailbox, pay: Pay, give_back: GiveBack
) -> None:
    payment_id = pay(LINE)
    service.issue(payment_id)
    refund_id = give_back(payment_id)
    note_id = service.issue_credit_note(refund_id)
    assert note_id is not None
    fail(refund_id)
    service.revoke_credit_note(refund_id)
    with app.app_context():
        email.send_revocation(note_id)
    [message] = smtp.messages
    number = f"CN-{company_days.today().year}-000001"
    assert message["Subject"] == f"Credit note {number} from Nordlicht Energie GmbH is canceled"
    for kind in ("plain", "html"):
        said = words_of(message, kind)
        for words in (f"Credit note {number} is therefore canceled", "€1,190.00 to Visa •••• 4242", note_id):
            assert words in said
    assert list(message.iter_attachments()) == []


def test_what_a_customer_is_called_is_text_and_no_markup(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    bring(
        app, pay(description="<img src=x onerror=alert(1)>", customer={"name": "<script>alert(1)</script> {{ 7*7 }}"})
    )
    [message] = smtp.messages
    assert "<script>" not in words_of(message, "html")
    text = pypdf.PdfReader(io.BytesIO(attachment(message))).pages[0].extract_text()
    assert "<script>" in text
    assert "{{ 7*7 }}" in text


@pytest.mark.parametrize(
    "address", ["ada@spree-bikes.test\r\nBcc: all@others.test", "ada@spree-bikes.test\nBcc: all@others.test"]
)
def test_an_address_with_a_header_in_it_is_sent_nothing(app: Flask, smtp: Mailbox, pay: Pay, address: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        bring(app, pay(LINE, customer={"email": address}))
    assert smtp.messages == []


@pytest.mark.settings(PORTAL_COMPANY_NAME="Nordlicht\r\nBcc: all@others.test")
def test_a_company_name_with_a_header_in_it_is_sent_nothing(
    app: Flask, smtp: Mailbox, pay: Pay, settings: config.Settings
) -> None:
    with pytest.raises(ValueError, match=r"line break|CR or LF"):
        bring(app, pay(LINE))
    assert smtp.messages == []


def test_without_its_pdf_it_waits(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    receipt_id = service.issue(pay(LINE))
    with app.app_context(), pytest.raises(email.NotRendered):
        email.send(receipt_id)
    assert smtp.messages == []


# Whoever paid


def paid_by(payment_id: str, **values: Any) -> User:
    """A colleague of the one who is billed has pressed Pay."""
    with db.transaction() as session:
        payment = session.get_one(Payment, payment_id)
        customer = session.get_one(Customer, payment.customer_id)
        person = factories.user(session, customer, **{"language": "de", **values})
        payment.paid_by = person.id
    return person


def test_whoever_paid_gets_the_receipt_too_in_their_language(app: Flask, smtp: Mailbox, pay: Pay) -> None:
    payment_id = pay(LINE)
    person = paid_by(payment_id)
    number = bring(app, payment_id)
    with app.app_context():
        outbox.run_due()
        outbox.run_due()
    to = {message["To"]: message for message in smtp.messages}
    assert set(to) == {"ada@spree-bikes.test", person.email}
    assert to[person.email]["Subject"].startswith(f"Ihre Zahlungsbestätigung {number}")
    assert to[person.email]["Message-ID"] != to["ada@spree-bikes.test"]["Message-ID"]
    assert attachment(to[person.email]) == attachment(to["ada@spree-bikes.test"])


@pytest.mark.parametrize("values", [{"email": "ada@spree-bikes.test"}, {"active": False}], ids=["same", "left"])
def test_nobody_gets_a_receipt_twice_and_nobody_who_has_left_gets_one(
    app: Flask, smtp: Mailbox, pay: Pay, values: dict[str, Any]
) -> None:
    payment_id = pay(LINE)
    paid_by(payment_id, **values)
    bring(app, payment_id)
    with app.app_context():
        outbox.run_due()
    assert [message["To"] for message in smtp.messages] == ["ada@spree-bikes.test"]
