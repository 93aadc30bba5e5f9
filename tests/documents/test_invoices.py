"""An invoice is a document from its issue on: frozen, rendered, mailed once, sent again, void when it is voided."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, timedelta

import pypdf
import pytest
import segno
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.content import mail
from portal.core import audit, company_days, config, db
from portal.documents import e_invoices, facts, pdf, queries, service
from portal.documents.models import InvoiceDocument
from portal.invoices import drafts
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.jobs import outbox
from tests import factories
from tests.smtp import Mailbox, attachment

LINES = (LineDraft("Green electricity", 1_500, 100_00, 1900), LineDraft("Grid fee", 1_000, 10_00, 700))


def work() -> None:
    while claimed := outbox.claim("worker", 1, lease_seconds=0):
        outbox.run(claimed[0], "worker")


def document_of(invoice_id: str) -> InvoiceDocument:
    with db.reading() as session:
        found = queries.of_issued_invoice(session, invoice_id)
        assert found is not None
        return found


@pytest.fixture
def invoice_id(settings: config.Settings) -> str:
    with db.transaction() as session:
        customer_id = factories.customer(session, email="books@spree.test").id
    draft = InvoiceDraft(customer_id, "eur", LINES, reference="PO 7781", note="Thank you.")
    return invoices.issue(draft).id


def test_an_invoice_is_frozen_when_it_is_issued(invoice_id: str) -> None:
    document = document_of(invoice_id)
    said = facts.from_json(document.facts)
    assert isinstance(said, facts.InvoiceFacts)
    assert (document.number, document.payment_id, document.total_minor) == (said.number, None, 189_20)
    assert [(tax.tax_rate_basis_points, tax.tax_minor) for tax in said.taxes] == [(1900, 28_50), (700, 70)]
    today = company_days.today()
    assert (said.issued_on, said.supplied_on) == (today, today)
    assert said.due_on == today + timedelta(days=drafts.USUAL_DAYS_TO_PAY)
    assert said.reference.labelled_details("en") == [("Purchase order number", "PO 7781")]
    assert (said.note, said.pay_at) == ("Thank you.", f"http://127.0.0.1:8000/invoices/{invoice_id}")


@pytest.mark.settings(
    PORTAL_COMPANY_NAME="Nordlicht", PORTAL_COMPANY_IBAN="de02 1203 0000 0000 2020 51", PORTAL_COMPANY_BIC="BYLADEM1001"
)
@pytest.mark.database("sqlite")
def test_where_the_company_names_its_account_an_invoice_can_be_transferred(
    app: Flask, client: FlaskClient, smtp: Mailbox, invoice_id: str
) -> None:
    document = document_of(invoice_id)
    said = facts.from_json(document.facts)
    assert isinstance(said, facts.InvoiceFacts)
    assert said.accounts == ("DE02120300000000202051",)
    pages = pypdf.PdfReader(io.BytesIO(pdf.render(said).pdf)).pages
    printed = " ".join("".join(page.extract_text() for page in pages).split())
    for words in ("Account holder Nordlicht", "IBAN DE02 1203 0000 0000 2020 51", "BIC BYLADEM1001"):
        assert words in printed
    assert f"Payment reference {said.number}" in printed
    # What a banking app reads. Source: EPC069-12, version 002.
    lines = (
        "BCD",
        "002",
        "1",
        "SCT",
        "BYLADEM1001",
        "Nordlicht",
        "DE02120300000000202051",
        "EUR189.2",
        "",
        "",
        said.number,
    )
    drawn = io.BytesIO()
    segno.make_qr("\n".join(lines), error="m", boost_error=False).save(drawn, kind="svg", border=0, xmldecl=False)
    assert pdf.transfer_code(said) == drawn.getvalue()
    assert pdf.transfer_code(replace(said, currency="usd")) == b""
    assert e_invoices.means_of(said) == "58"
    with app.app_context():
        work()
    [message] = smtp.messages
    body = message.get_body(("plain",))
    assert body is not None
    assert "IBAN: DE02 1203 0000 0000 2020 51" in body.get_content()
    with db.transaction() as session:
        issued = queries.by_code(session, document.code)
        owner = factories.user(session, session.get_one(Customer, document.customer_id))
    factories.sign_in(client, owner)
    page = client.get(f"/invoices/{invoice_id}").text
    assert "Pay by bank transfer" in page and "DE02 1203 0000 0000 2020 51" in page
    assert document.number in client.get("/receipts/?status=open").text
    assert issued is not None
    assert issued.accounts == said.accounts


@pytest.mark.parametrize(
    ("first", "last", "printed"),
    [
        (date(2026, 10, 1), date(2026, 10, 31), "Service period Oct 1, 2026 – Oct 31, 2026"),
        (date(2026, 10, 7), None, "Date of supply Oct 7, 2026"),
    ],
    ids=["period", "day"],
)
def test_what_it_bills_was_supplied_when_it_says(
    settings: config.Settings, first: date, last: date | None, printed: str
) -> None:
    with db.transaction() as session:
        customer_id = factories.customer(session).id
    draft = InvoiceDraft(customer_id, "eur", LINES, supplied_from=first, supplied_to=last)
    said = facts.from_json(document_of(invoices.issue(draft).id).facts)
    pages = pypdf.PdfReader(io.BytesIO(pdf.render(said).pdf)).pages
    assert printed in " ".join(" ".join(page.extract_text() for page in pages).split())


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        (None, date(2026, 10, 31), "supplied_from"),
        (date(2026, 10, 31), date(2026, 10, 1), "supplied_to"),
        (date(1998, 1, 1), None, "supplied_from"),
    ],
    ids=["no beginning", "ends before", "too old"],
)
def test_a_service_period_that_cannot_be_is_named_at_its_field(
    first: date | None, last: date | None, field: str
) -> None:
    draft = InvoiceDraft("cus_1", "eur", LINES, supplied_from=first, supplied_to=last)
    assert [problem.field for problem in drafts.problems(draft)] == [field]


def test_it_is_mailed_once_with_its_pdf(app: Flask, smtp: Mailbox, invoice_id: str) -> None:
    with app.app_context():
        work()
        work()
    [message] = smtp.messages
    document = document_of(invoice_id)
    assert document.mailed_at is not None
    assert (message["To"], document.number in message["Subject"]) == ("books@spree.test", True)
    with db.reading() as session:
        assert attachment(message) == queries.with_pdf(session, document.id).pdf
        assert queries.sent_to(session, document) == "books@spree.test"
        told = session.scalars(select(audit.AuditEvent.action).where(audit.AuditEvent.subject == invoice_id)).all()
    assert sorted(told) == ["invoice.issued", "invoice.mailed", "invoice.rendered"]


def test_rendered_again_it_is_the_same_to_the_byte(invoice_id: str) -> None:
    said = facts.from_json(document_of(invoice_id).facts)
    first = pdf.render(said)
    assert first.missing == ()
    assert pdf.render(said).pdf == first.pdf


def test_a_voided_invoice_is_not_mailed_and_its_code_says_so(app: Flask, smtp: Mailbox, invoice_id: str) -> None:
    invoices.void(invoice_id, "Wrong customer")
    with app.app_context():
        work()
    assert smtp.messages == []
    document = document_of(invoice_id)
    with db.reading() as session:
        told = queries.by_code(session, document.code)
    assert told is not None
    assert (told.kind, told.revoked_at is not None) == ("invoice", True)
    assert service.requeue_lost_jobs() == 0


def test_staff_see_where_it_went_download_it_and_send_it_again(
    app: Flask, client: FlaskClient, smtp: Mailbox, invoice_id: str
) -> None:
    with app.app_context():
        work()
    with db.transaction() as session:
        staff = factories.staff(session)
    factories.sign_in(client, staff)
    page = client.get(f"/support/invoices/{invoice_id}").text
    assert "books@spree.test" in page
    document = document_of(invoice_id)
    got = client.get(f"/support/documents/{document.id}/pdf")
    assert got.data[:5] == b"%PDF-"
    token = {"csrf_token": factories.csrf_token(client)}
    assert client.post(f"/support/documents/{document.id}/mail", data=token).status_code == 303
    with app.app_context():
        work()
    first, second = smtp.messages
    assert first["Message-ID"] != second["Message-ID"]


def test_a_mail_server_that_refuses_it_is_told_to_staff(
    app: Flask, client: FlaskClient, smtp: Mailbox, invoice_id: str
) -> None:
    smtp.refuse_next("451 4.3.0 come again")
    with app.app_context():
        work()
    with db.transaction() as session:
        staff = factories.staff(session)
    factories.sign_in(client, staff)
    shown = client.get(f"/support/invoices/{invoice_id}").text
    assert "The mail server refused it" in shown and "come again" in shown


REPORT = """\
From: Mail Delivery Subsystem <mailer-daemon@mx.example>
To: billing@portal.test
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="xx"

--xx
Content-Type: text/plain; charset=us-ascii

I am sorry to inform you that your message could not be delivered.

--xx
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Mon, 30 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; Books@Spree.test
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 No such user

--xx
Content-Type: {headers}

From: billing@portal.test
To: books@spree.test
Message-ID: {message_id}

--xx--
"""


@pytest.mark.database("sqlite")
def test_a_mail_that_came_back_is_told_to_staff_and_customer_until_one_arrives(
    app: Flask, client: FlaskClient, smtp: Mailbox, invoice_id: str
) -> None:
    with app.app_context():
        work()
    [message] = smtp.messages
    command = app.test_cli_runner()

    def bounced(**values: str) -> tuple[int, str]:
        told = {"action": "failed", "headers": "text/rfc822-headers", "message_id": str(message["Message-ID"])} | values
        ran = command.invoke(args=["mail", "bounced"], input=REPORT.format(**told))
        return ran.exit_code, ran.output

    # Anyone can write that an address is dead.
    for wrong in ({"message_id": "<forged@portal.test>"}, {"action": "delayed"}):
        assert bounced(**wrong)[0] == 1
    assert command.invoke(args=["mail", "bounced"], input="Subject: Hello\n\nNot a report.\n").exit_code == 1
    document = document_of(invoice_id)
    with db.reading() as session:
        assert mail.refused(session, document.customer_id) == {}
    for headers in ("message/rfc822", "text/rfc822-headers"):
        assert bounced(headers=headers) == (0, "books@spree.test: 5.1.1 smtp; 550 5.1.1 No such user\n")

    with db.transaction() as session:
        staff = factories.staff(session)
        owner = factories.user(session, session.get_one(Customer, document.customer_id))
    factories.sign_in(client, owner)
    assert "Refused by the mail server" in client.get("/account/recipients").text
    assert client.get(f"/receipts/{document.id}/pdf").status_code == 200
    assert client.get(f"/receipts/{document.id}/pdf").status_code == 200
    factories.sign_in(client, staff)
    page = client.get(f"/support/invoices/{invoice_id}").text
    assert "The last e-mail to books@spree.test was refused, or came back" in page
    assert "550 5.1.1 No such user" in page
    assert "Downloaded by the customer 2 times" in page
    assert "books@spree.test" in client.get(f"/support/customers/{document.customer_id}").text
    with app.app_context():
        service.send_again(document.id)
        work()
    with db.reading() as session:
        assert mail.refused(session, document.customer_id) == {}
