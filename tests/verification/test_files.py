"""A document's file: the one that was issued, one that was changed, and what its reader is told of it."""

from __future__ import annotations

import hashlib
import io
import zlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pypdf
import pytest
from flask.testing import FlaskClient
from playwright.sync_api import FilePayload, Page, expect
from pypdf.generic import DecodedStreamObject, NameObject
from weasyprint import HTML
from werkzeug.test import TestResponse

from portal.app import BODY_LIMIT_BYTES
from portal.core import config, db
from portal.documents import codes, pdf, queries
from portal.documents.facts import InvoiceFacts, from_json
from portal.documents.models import Document
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.jobs import outbox
from portal.verification import reading
from tests import factories
from tests.browsing import Console
from tests.front.axe import violations
from tests.served import served

COMPANY = {"PORTAL_COMPANY_COUNTRY": "DE", "PORTAL_COMPANY_TAX_ID": "DE136695976", "PORTAL_COMPANY_NAME": "Nordlicht"}

pytestmark = [pytest.mark.settings(**COMPANY), pytest.mark.database("sqlite")]


def issue() -> Document:
    """An invoice's document with its PDF, which has its e-invoice inside."""
    with db.transaction() as session:
        customer_id = factories.customer(session, country="DE").id
    invoice = invoices.issue(InvoiceDraft(customer_id, "eur", (LineDraft("Green electricity", 1_000, 100_00, 1900),)))
    while claimed := outbox.claim("worker", 1, lease_seconds=0):
        outbox.run(claimed[0], "worker")
    with db.reading() as session:
        document = queries.of_issued_invoice(session, invoice.id)
        assert document is not None
        found = queries.with_pdf(session, document.id)
        assert found.pdf is not None
        return found


@pytest.fixture
def document(settings: config.Settings) -> Document:
    return issue()


def bytes_of(document: Document) -> bytes:
    assert document.pdf is not None
    return document.pdf


def send(client: FlaskClient, **fields: Any) -> TestResponse:
    named = {f"file-{name}": value for name, value in fields.items()}
    return client.post("/verify/file", data=named | {"csrf_token": factories.csrf_token(client)})


def said(answer: TestResponse) -> str:
    return " ".join(answer.get_data(as_text=True).split())


def test_the_file_that_was_issued_is_told_as_such_with_scripts_and_without(
    client: FlaskClient, document: Document
) -> None:
    content = bytes_of(document)
    for answer in (
        send(client, sha256=hashlib.sha256(content).hexdigest()),
        send(client, file=(io.BytesIO(content), "invoice.pdf")),
    ):
        assert answer.status_code == 200
        for words in ("This file is genuine and unchanged", document.number, "€119.00"):
            assert words in said(answer)


def test_one_byte_more_is_not_it_and_without_the_code_nothing_is_told(client: FlaskClient, document: Document) -> None:
    for answer in (
        send(client, file=(io.BytesIO(bytes_of(document) + b"\n"), "invoice.pdf")),
        send(client, sha256="0" * 64),
    ):
        assert answer.status_code == 404
        assert "This is not a file that was issued" in said(answer)
        assert [words for words in (document.number, "€119.00", document.code_text) if words in said(answer)] == []


def test_with_the_code_it_is_told_what_was_issued(client: FlaskClient, document: Document) -> None:
    answer = send(client, sha256="0" * 64, code=document.code_text.lower())
    assert answer.status_code == 200
    assert "This is not the file that was issued" in said(answer)
    for words in (document.number, "€119.00", 'data-value="119.00 EUR"', "none: it is paid online"):
        assert words in said(answer)
    unknown = send(client, sha256="0" * 64, code=codes.new())
    assert (unknown.status_code, "No such document" in said(unknown)) == (404, True)


def test_a_voided_invoice_is_told_as_such_by_its_file(client: FlaskClient, document: Document) -> None:
    assert document.invoice_id is not None
    invoices.void(document.invoice_id, "Wrong customer")
    answer = send(client, sha256=document.pdf_sha256)
    assert "The file is unchanged, but the document was canceled" in said(answer)


def test_who_tries_many_files_has_to_wait_and_nothing_at_all_is_asked_for(client: FlaskClient, app: object) -> None:
    for wrong in ({}, {"sha256": "x" * 64}, {"sha256": "1" * 63}):
        assert "Please choose a file." in said(send(client, **wrong))
    assert {send(client, sha256=f"{number:064x}").status_code for number in range(20)} == {404}
    assert send(client, sha256="f" * 64).status_code == 429


def forged(document: Document, *changes: tuple[bytes, bytes]) -> bytes:
    """The document with other words in the data inside it, as an able forger makes it."""
    reader = pypdf.PdfReader(io.BytesIO(bytes_of(document)))
    writer = pypdf.PdfWriter(clone_from=reader)
    for found in writer._objects:
        if isinstance(found, DecodedStreamObject | pypdf.generic.EncodedStreamObject) and (
            found.get("/Type") == "/EmbeddedFile"
        ):
            data = found.get_data()
            for before, after in changes:
                assert before in data
                data = data.replace(before, after)
            plain = DecodedStreamObject()
            plain.set_data(data)
            packed = plain.flate_encode()
            found._data = packed._data
            found[NameObject("/Filter")] = packed["/Filter"]
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def redrawn(document: Document, **changes: Any) -> bytes:
    """A copy as whoever has our layout draws it: other facts on its pages, and the data inside left out."""
    frozen = from_json(document.facts)
    assert isinstance(frozen, InvoiceFacts)
    return pdf.render(replace(frozen, e_invoice="", **changes)).pdf


def test_what_the_pages_of_a_sent_file_show_is_compared_with_what_was_issued(
    client: FlaskClient, document: Document
) -> None:
    def told(content: bytes) -> str:
        answer = send(client, file=(io.BytesIO(content), "invoice.pdf"), code=document.code_text)
        assert answer.status_code == 200
        return said(answer)

    changed = redrawn(
        document,
        total_minor=1_190_00,
        issued_on=from_json(document.facts).issued_on + timedelta(days=1),
        note="Our bank has changed: DE02 1203 0000 0000 2020 51, BYLADEM1001",
    )
    found = told(changed)
    for words in (
        "The pages of this file were changed",
        "IBAN in this file, but not in the document as issued: DE02120300000000202051",
        "Amounts in this file, but not in the document as issued: 1,190.00",
        "Dates in this file, but not in the document as issued:",
        "In the document as issued, but not in this file: €119.00",
    ):
        assert words in found
    saved = io.BytesIO()
    pypdf.PdfWriter(clone_from=io.BytesIO(bytes_of(document))).write(saved)
    assert "No different amount, date or IBAN was found on its pages" in told(saved.getvalue())
    blank = io.BytesIO()
    scan = pypdf.PdfWriter()
    scan.add_blank_page(200, 200)
    scan.write(blank)
    for unread in (blank.getvalue(), b"%PDF-1.7 and nothing else"):
        assert "The pages of this file could not be read" in told(unread)
    # Whoever has the code alone learns nothing about the amounts of the document by sending some.
    other = told(HTML(string="<p>Is it €119.00, €100.00 or €19.00?</p>").write_pdf())
    assert "show something else altogether" in other
    assert "in the document as issued" not in other


def test_a_file_that_unpacks_to_more_than_any_document_is_not_read() -> None:
    bomb = pypdf.PdfWriter()
    page = bomb.add_blank_page(200, 200)
    content = pypdf.generic.EncodedStreamObject()
    content._data = zlib.compress(b"(a) Tj " * 40_000_000)
    content[NameObject("/Filter")] = NameObject("/FlateDecode")
    page[NameObject("/Contents")] = bomb._add_object(content)
    written = io.BytesIO()
    bomb.write(written)
    assert len(written.getvalue()) < BODY_LIMIT_BYTES
    assert not reading.text_of(written.getvalue())


ACCOUNT = b"""<ram:PayeePartyCreditorFinancialAccount><ram:IBANID>DE02 1203 0000 0000 2020 51</ram:IBANID>\
</ram:PayeePartyCreditorFinancialAccount></ram:SpecifiedTradeSettlementPaymentMeans>"""


def test_in_a_browser_a_forged_copy_is_held_against_what_was_issued(
    settings: config.Settings, page: Page, console: Console, tmp_path: Path
) -> None:
    console.expect("status of 404")
    with served() as url:
        document = issue()
        sent: list[bytes] = []
        page.on("request", lambda request: sent.append(request.post_data_buffer or b""))
        page.goto(f"{url}/verify")
        result, chosen = page.locator("#file-result"), page.get_by_label("PDF file")

        def give(content: bytes) -> None:
            chosen.set_input_files(FilePayload(name="invoice.pdf", mimeType="application/pdf", buffer=content))

        give(bytes_of(document))
        expect(result).to_contain_text("This file is genuine and unchanged")
        assert violations(page) == []

        give(bytes_of(document).replace(b"%%EOF", b"%%EoF"))
        expect(result).to_contain_text("This is not the file that was issued")
        expect(result).to_contain_text("The data in this file are the same.")

        give(
            forged(
                document,
                (b"<ram:GrandTotalAmount>119.00<", b"<ram:GrandTotalAmount>1190.00<"),
                (b"</ram:SpecifiedTradeSettlementPaymentMeans>", ACCOUNT),
            )
        )
        expect(result).to_contain_text("The data in this file say something else: Total and IBAN.")
        expect(result.locator("tr.differs")).to_have_count(2)
        expect(result.locator("tr.differs", has_text="Total")).to_contain_text("€119.00")
        expect(result.locator("tr.differs", has_text="Total")).to_contain_text("€1,190.00")
        expect(result.locator("tr.differs", has_text="IBAN")).to_contain_text("DE02120300000000202051")
        assert violations(page) == []

        give(b"%PDF-1.7 of somebody else")
        expect(result).to_contain_text("This is not a file that was issued")
        assert b"%PDF" not in b"".join(sent), "the file itself is sent nowhere"

        give(redrawn(document, total_minor=1_190_00, note="Our bank has changed: DE02 1203 0000 0000 2020 51"))
        expect(result).to_contain_text("This file holds no data that could be compared.")
        result.get_by_role("button", name="Send the file and compare its pages").click()
        expect(result).to_contain_text("IBAN in this file, but not in the document as issued: DE02120300000000202051")
        expect(result).to_contain_text("Amounts in this file, but not in the document as issued: 1,190.00")
        assert violations(page) == []
