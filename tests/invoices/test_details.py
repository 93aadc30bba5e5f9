"""Each detail that an invoice may have goes all the way, from where it is typed to where it is read."""

from __future__ import annotations

import io

import pypdf
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict

from portal.accounts.models import Customer
from portal.api import invoice_schemas, representations
from portal.core import db
from portal.core.errors import Invalid
from portal.documents import facts, pdf
from portal.documents import service as documents
from portal.documents.models import Document
from portal.invoices import details, queries, spreadsheet
from portal.invoices.details import DETAILS, Detail
from portal.invoices.staff_forms import InvoiceForm
from tests import factories
from tests.invoices.conftest import Issue
from tests.invoices.test_import import HEADER, ROW
from tests.invoices.test_pages import reader, text

# The fixture is used here, too.
__all__ = ["reader"]

pytestmark = [pytest.mark.database("sqlite"), pytest.mark.parametrize("detail", DETAILS, ids=lambda one: one.name)]
TEXT = "Π-4711/é"


def test_it_is_taken_from_the_form(app: Flask, customer: Customer, detail: Detail) -> None:
    typed = {"customer": customer.email, "currency": "eur", "lines-0-description": "Bread", "lines-0-quantity": "1"}
    price = {"lines-0-unit_price": "3.20", "lines-0-tax_rate": "7"}
    with app.test_request_context(method="POST"):
        form = InvoiceForm(MultiDict(typed | price | {detail.name: f" {TEXT} "}), meta={"csrf": False})
        assert form.validate(), form.errors
        assert details.of(form.draft(customer.id))[detail.name] == TEXT


def test_it_is_taken_from_a_column_of_a_file(settings: object, detail: Detail) -> None:
    header = HEADER if detail.name in HEADER.split(",") else f"{HEADER},{detail.name}"
    cells = dict(zip(header.split(","), ROW.split(","), strict=False)) | {detail.name: TEXT}
    sheet = spreadsheet.read(io.BytesIO(f"{header}\r\n{','.join(cells.values())}\r\n".encode()))
    assert sheet.problems == []
    assert [details.of(entry.draft)[detail.name] for entry in sheet.entries] == [TEXT]


def test_it_is_taken_from_the_api_and_shown_there(issue: Issue, detail: Detail) -> None:
    line = {"description": "Bread", "unit_price": 3_20}
    sent = {"customer_id": "cus_1", "currency": "eur", "lines": [line], detail.name: TEXT}
    assert details.of(invoice_schemas.NewInvoice.model_validate(sent))[detail.name] == TEXT
    issued = issue(**{detail.name: TEXT})
    with db.reading() as session:
        (shown,) = representations.invoice_summaries(session, [issued])
    assert shown.model_dump()[detail.name] == TEXT


def test_one_that_is_too_long_is_refused(issue: Issue, detail: Detail) -> None:
    with pytest.raises(Invalid) as refusal:
        issue(**{detail.name: "x" * (details.LONGEST + 1)})
    assert refusal.value.field == detail.name


def test_it_is_read_on_the_page(reader: FlaskClient, issue: Issue, detail: Detail) -> None:
    html = text(reader, f"/invoices/{issue(**{detail.name: TEXT}).id}")
    assert detail.label in html and TEXT in html
    assert detail.label not in text(reader, f"/invoices/{issue().id}"), "one that it does not have"


def test_it_is_read_on_the_receipt(app: Flask, customer: Customer, issue: Issue, detail: Detail) -> None:
    invoice = issue(**{detail.name: TEXT})
    with db.transaction() as session:
        billed = queries.for_customer(session, invoice.id, customer.id)
        payment_id = factories.payment(session, session.get_one(Customer, customer.id), billed).id
    document_id = documents.issue(payment_id)
    with db.reading() as session:
        frozen = facts.from_json(session.get_one(Document, document_id).facts)
    pages = pypdf.PdfReader(io.BytesIO(pdf.render(frozen).pdf)).pages
    printed = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert detail.label in printed and TEXT in printed
