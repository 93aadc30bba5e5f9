"""Each detail that an invoice may have goes all the way, from where it is typed to where it is read."""

from __future__ import annotations

import io

import pypdf
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from portal.accounts.models import Customer
from portal.api import invoice_schemas, representations
from portal.core import db
from portal.core.errors import Invalid
from portal.documents import facts, pdf
from portal.documents import service as documents
from portal.documents.models import Document
from portal.invoices import details, queries, spreadsheet
from portal.invoices.details import DELIVERY, DELIVERY_LABEL, DETAILS, Detail
from portal.invoices.staff_forms import InvoiceForm
from tests import factories
from tests.invoices.conftest import Issue
from tests.invoices.test_import import HEADER, ROW
from tests.invoices.test_pages import reader, text

# The fixture is used here, too.
__all__ = ["reader"]

pytestmark = [pytest.mark.database("sqlite"), pytest.mark.parametrize("detail", DETAILS, ids=lambda one: one.name)]
TEXT = "Π-4711/é"
# What stands beside each part of a delivery address, which is none without.
TOWN = {"delivery_city": "Lyon", "delivery_country": "FR"}


def given(detail: Detail) -> dict[str, str]:
    """A draft's details with a text of this one, and what it needs besides."""
    if detail.name == "delivery_country":
        return TOWN
    return (TOWN if detail in DELIVERY else {}) | {detail.name: TEXT}


def shown(detail: Detail) -> tuple[str, str]:
    """What is read of it: its label and its text."""
    text = "France" if detail.name == "delivery_country" else TEXT
    return (DELIVERY_LABEL if detail in DELIVERY else detail.label), text


def printed(said: facts.AnyFacts) -> str:
    pages = pypdf.PdfReader(io.BytesIO(pdf.render(said).pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_it_is_taken_from_the_form(app: Flask, customer: Customer, detail: Detail) -> None:
    typed = {"customer": customer.email, "currency": "eur", "lines-0-description": "Bread", "lines-0-quantity": "1"}
    price = {"lines-0-unit_price": "3.20", "lines-0-tax_rate": "7"}
    with app.test_request_context(method="POST"):
        form = InvoiceForm(MultiDict(typed | price | given(detail)), meta={"csrf": False})
        assert form.validate(), form.errors
        assert details.of(form.draft(customer.id))[detail.name] == given(detail)[detail.name]


def test_it_is_taken_from_a_column_of_a_file(settings: object, detail: Detail) -> None:
    cells = dict(zip(HEADER.split(","), ROW.split(","), strict=False)) | given(detail)
    sheet = spreadsheet.read(io.BytesIO(f"{','.join(cells)}\r\n{','.join(cells.values())}\r\n".encode()))
    assert sheet.problems == []
    assert [details.of(entry.draft)[detail.name] for entry in sheet.entries] == [given(detail)[detail.name]]


def test_it_is_taken_from_the_api_and_shown_there(issue: Issue, detail: Detail) -> None:
    line = {"description": "Bread", "unit_price": 3_20}
    sent = {"customer_id": "cus_1", "currency": "eur", "lines": [line], **given(detail)}
    assert details.of(invoice_schemas.NewInvoice.model_validate(sent))[detail.name] == given(detail)[detail.name]
    issued = issue(**given(detail))
    with db.reading() as session:
        (answer,) = representations.invoice_summaries(session, [issued])
    assert answer.model_dump()[detail.name] == given(detail)[detail.name]


def test_one_that_is_too_long_is_refused(issue: Issue, detail: Detail) -> None:
    with pytest.raises(Invalid) as refusal:
        issue(**(given(detail) | {detail.name: "x" * (detail.longest + 1)}))
    assert refusal.value.field == detail.name


def test_it_is_read_on_the_page(reader: FlaskClient, issue: Issue, detail: Detail) -> None:
    html = text(reader, f"/invoices/{issue(**given(detail)).id}")
    label, said = shown(detail)
    assert label in html and said in html
    assert label not in text(reader, f"/invoices/{issue().id}"), "one that it does not have"


def test_it_is_read_on_the_invoice_and_of_an_order_on_the_confirmation_too(
    app: Flask, customer: Customer, issue: Issue, detail: Detail
) -> None:
    invoice = issue(**given(detail))
    with db.transaction() as session:
        billed = queries.for_customer(session, invoice.id, customer.id)
        payment_id = factories.payment(session, session.get_one(Customer, customer.id), billed).id
    confirmation_id = documents.issue(payment_id)
    with db.reading() as session:
        confirmation = facts.from_json(session.get_one(Document, confirmation_id).facts)
        frozen = facts.from_json(
            session.scalars(
                select(Document.facts).where(Document.invoice_id == invoice.id, Document.kind == "invoice")
            ).one()
        )
    label, said = shown(detail)
    on_paper = printed(frozen)
    assert label in on_paper and said in on_paper
    assert (label in printed(confirmation)) is detail.of_order


def test_an_address_that_is_none_and_terms_that_are_a_code_are_refused_at_their_fields(
    issue: Issue, detail: Detail
) -> None:
    if detail.name != "delivery_country":
        return  # said once is enough
    for wrong, field in (
        ({"delivery_name": "Gate 3"}, "delivery_country"),
        ({"delivery_country": "FR"}, "delivery_city"),
        (TOWN | {"delivery_country": "ZZ"}, "delivery_country"),
        ({"payment_terms": "#SKONTO#TAGE=7#"}, "payment_terms"),
    ):
        with pytest.raises(Invalid) as refusal:
            issue(**wrong)
        assert refusal.value.field == field
    assert issue(**(TOWN | {"delivery_country": "fr"})).delivery_country == "FR"
