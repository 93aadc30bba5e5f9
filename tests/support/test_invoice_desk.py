"""Invoices at the desk: lines from the price list, the PDF before one is issued, and files whose invoices nobody is mailed."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pypdf
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from portal.core import audit, db, numbering
from portal.documents import queries as documents
from portal.documents.models import Document
from portal.documents.service import requeue_lost_jobs
from portal.identity.models import User
from portal.invoices import previews, price_list
from portal.invoices.models import Invoice, InvoicePreview, InvoicePreviewPart, PriceItem
from portal.invoices.price_list import ItemDraft
from portal.jobs import outbox
from portal.jobs.models import JobRow
from tests.smtp import Mailbox
from tests.support.conftest import As, Desk
from tests.support.test_desk import CSV
from tests.support.test_pages import LINE, TYPED, post, text

pytestmark = pytest.mark.database("sqlite")
NEW = "/support/invoices/new"


@pytest.fixture
def advice(settings: object) -> PriceItem:
    return price_list.create(ItemDraft("Advice", "Advice on site", "HUR", 95_50, "eur", 1900, "services"))


def work(app: Flask) -> None:
    with app.app_context():
        while claimed := outbox.claim("worker", 1, lease_seconds=0):
            outbox.run(claimed[0], "worker")


def invoices() -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(Invoice)) or 0


def value_of(html: str, name: str) -> str:
    """What stands in a field, or is chosen there."""
    if found := re.search(rf'<select[^>]*name="{name}".*?</select>', html, re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"', found[0])
        return chosen[1] if chosen else ""
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', html)
    return found[1] if found else ""


# The price list


ITEM = {
    "name": "Handbook",
    "description": "",
    "unit": "H87",
    "unit_price": "1,024.50",
    "currency": "eur",
    "tax_rate": "7%",
    "supplies": "goods",
}


def test_an_item_is_written_changed_and_retired_by_who_may_issue_invoices(desk: Desk, browse: As) -> None:
    client = browse("support")
    assert post(client, "/support/price-list/new", **ITEM).location == "/support/price-list"
    page = text(client, "/support/price-list")
    for shown in ("Handbook", "€1,024.50", "Piece", "7%", "Goods"):
        assert shown in page, shown
    with db.reading() as session:
        item_id = session.scalars(select(PriceItem.id)).one()
    assert post(client, f"/support/price-list/{item_id}", **{**ITEM, "unit_price": "20"}).status_code == 303
    form = text(client, f"/support/price-list/{item_id}")
    assert (value_of(form, "unit_price"), value_of(form, "unit"), value_of(form, "supplies")) == (
        "20.00",
        "H87",
        "goods",
    )
    assert post(client, f"/support/price-list/{item_id}/retirement").status_code == 303
    assert "Handbook" not in text(client, "/support/price-list").partition("<tbody")[2]
    assert "Handbook" in text(client, "/support/price-list?status=retired").partition("<tbody")[2]
    assert "Retired on" in text(client, f"/support/price-list/{item_id}")
    assert browse("finance").get("/support/price-list").status_code == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"unit": "ZZZ"}, "unit"),
        ({"unit_price": "-5"}, "unit_price"),
        ({"unit_price": "9999999999"}, "unit_price"),
        ({"unit_price": "1.005"}, "unit_price"),
        ({"currency": "xxx"}, "currency"),
        ({"tax_rate": "high"}, "tax_rate"),
        ({"tax_rate": "101"}, "tax_rate"),
        ({"supplies": "both"}, "supplies"),
        ({"name": "Advice", "currency": "eur"}, "name"),
    ],
)
def test_a_wrong_item_is_told_at_its_field_and_not_written(
    desk: Desk, browse: As, advice: PriceItem, wrong: dict[str, str], field: str
) -> None:
    client = browse("support")
    other = price_list.create(ItemDraft("Other", "", "C62", 1, "eur", 0, "goods"))
    for address in ("/support/price-list/new", f"/support/price-list/{other.id}"):
        answer = post(client, address, **{**ITEM, **wrong})
        html = answer.get_data(as_text=True)
        assert answer.status_code == 422 and f'id="{field}-error"' in html and f'href="#{field}"' in html
    with db.reading() as session:
        assert sorted(session.scalars(select(PriceItem.name))) == ["Advice", "Other"]


# A line from it


def test_a_line_is_filled_from_the_price_list_with_and_without_a_script_and_stays_editable(
    desk: Desk, browse: As, advice: PriceItem
) -> None:
    client = browse("support")
    options = client.get(f"{NEW}/items?item_text=adv&currency=eur", headers={"HX-Request": "true"}).text
    assert f'data-value="{advice.id}"' in options and "€95.50" in options and "<html" not in options
    found = post(client, NEW, **TYPED, item_text="adv", find_item="1").text
    assert f'name="add_item" value="{advice.id}"' in found
    added = post(client, NEW, **TYPED, **LINE, add_item=advice.id).text
    filled = {name: value_of(added, f"lines-1-{name}") for name in ("description", "unit", "unit_price", "item")}
    assert filled == {"description": "Advice on site", "unit": "HUR", "unit_price": "95.50", "item": advice.id}
    assert (value_of(added, "lines-0-description"), invoices()) == ("Bread", 2)
    chosen = post(client, NEW, **{**TYPED, "customer": desk.customer.id}, add_item=advice.id).text
    assert "Spree Bikes GmbH, ada@spree-bikes.test" in chosen
    blank = post(client, NEW, **TYPED, **{"lines-0-quantity": "1"}, add_item=advice.id).text
    assert value_of(blank, "lines-0-description") == "Advice on site" and "lines-1-description" not in blank
    typed = {f"lines-0-{name}": value for name, value in filled.items()}
    form = {**TYPED, **typed, "lines-0-quantity": "1.5", "lines-0-tax_rate": "19", "lines-0-unit_price": "90"}
    issued = post(client, NEW, **form, **{"lines-0-supplies": "services"})
    page = text(client, issued.location)
    assert "1.5 hours" in page and "€90.00" in page and "Services" in page


def test_an_item_that_cannot_be_billed_is_told_at_its_field_and_nothing_is_written(
    desk: Desk, browse: As, advice: PriceItem
) -> None:
    client = browse("support")
    dollars = price_list.create(ItemDraft("Advice", "", "HUR", 99_00, "usd", 0, "services"))
    options = text(client, f"{NEW}/items?item_text=adv&currency=eur")
    assert options.count('aria-disabled="true"') == 1 and "Not in the invoice’s currency" in options
    refused = post(client, NEW, **TYPED, add_item=dollars.id)
    assert refused.status_code == 422 and 'id="item_text-error"' in refused.text and "USD" in refused.text
    assert value_of(refused.text, "lines-0-description") == ""
    line = {**LINE, "lines-0-item": dollars.id}
    for buttons in ({}, {"preview": "1"}):
        answer = post(client, NEW, **TYPED, **line, **buttons)
        assert answer.status_code == 422 and 'id="lines-0-unit_price-error"' in answer.text
    price_list.retire(advice.id)
    assert post(client, NEW, **TYPED, add_item=advice.id).status_code == 422
    answer = post(client, NEW, **TYPED, **LINE, **{"lines-0-item": advice.id})
    assert answer.status_code == 422 and 'id="lines-0-description-error"' in answer.text and "retired" in answer.text
    unknown = post(client, NEW, **TYPED, **LINE, **{"lines-0-unit": "ZZZ", "lines-0-supplies": "both"})
    assert 'id="lines-0-unit-error"' in unknown.text and 'id="lines-0-supplies-error"' in unknown.text
    assert invoices() == 2


def test_enter_in_a_field_shows_the_preview_and_issues_nothing(desk: Desk, browse: As) -> None:
    form = text(browse("support"), NEW).partition(f'action="{NEW}"')[2]
    assert 'name="preview"' in form.partition("<button")[2].partition(">")[0]


# The PDF before it is issued


def asked_for(client: FlaskClient, **values: str) -> str:
    """The address of a new preview's part."""
    answer = post(client, f"{NEW}/pdf", **TYPED, **{**LINE, **values})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def asked_before(**ago: float) -> None:
    with db.transaction() as session:
        for preview in session.scalars(select(InvoicePreview)):
            preview.requested_at -= timedelta(**ago)


def pages_of(client: FlaskClient, address: str) -> pypdf.PdfReader:
    answer = client.get(f"{address}/file")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.headers["Content-Disposition"].startswith("inline") and "no-store" in answer.headers["Cache-Control"]
    return pypdf.PdfReader(io.BytesIO(answer.data))


def stored() -> dict[str, int]:
    """What an issued invoice would leave."""
    with db.reading() as session:
        counted = {one: session.scalar(select(func.count()).select_from(one)) or 0 for one in (Invoice, Document)}
        number = session.scalar(
            select(numbering.NumberSeries.last).where(numbering.NumberSeries.series == numbering.INVOICES)
        )
    return {one.__tablename__: number for one, number in counted.items()} | {"number": number or 0}


@pytest.mark.settings(PORTAL_COMPANY_COUNTRY="DE", PORTAL_COMPANY_TAX_ID="DE136695976")
@pytest.mark.parametrize(
    ("language", "mark"), [("en", "PREVIEW – NOT AN INVOICE"), ("de", "VORSCHAU – KEINE RECHNUNG")]
)
def test_the_pdf_of_a_preview_is_marked_and_is_no_invoice(
    app: Flask, desk: Desk, browse: As, language: str, mark: str
) -> None:
    client, before = browse("support"), stored()
    with db.transaction() as session:
        session.scalars(
            select(User).where(User.role == "support")
        ).one().language = language  # of who reads it, not of the customer
    address = asked_for(client, **{"lines-0-unit_price": "1003", "lines-0-quantity": "3"})
    waiting = client.get(address, headers={"HX-Request": "true"}).text
    assert f'hx-get="{address}"' in waiting and "<html" not in waiting
    assert client.get(f"{address}/file").status_code == 404
    work(app)
    assert f'href="{address}/file"' in text(client, address)
    pdf = pages_of(client, address)
    for page in pdf.pages:
        assert mark in " ".join(page.extract_text().split())
    said = pdf.pages[0].extract_text()
    assert "Spree Bikes GmbH" in said and "Bread" in said and "€3,219.63" in said
    assert "INV-" not in said and "/verify/" not in said and "/invoices/" not in said
    assert list(pdf.attachments) == []
    assert stored() == before


def test_a_preview_is_seen_by_who_asked_for_it_and_the_next_one_takes_its_place(
    app: Flask, desk: Desk, browse: As
) -> None:
    mine, other = browse("support"), browse("admin")
    first = asked_for(mine)
    work(app)
    for address in (first, f"{first}/file"):
        assert mine.get(address).status_code == 200
        assert other.get(address).status_code == 404
    second = asked_for(mine)
    assert mine.get(first).status_code == 404 and second != first
    work(app)
    asked_before(hours=2)
    previews.sweep()
    with db.reading() as session:
        for table in (InvoicePreview, InvoicePreviewPart):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        told = [event.action for event in session.scalars(select(audit.AuditEvent)) if "preview" in event.action]
    assert told == ["invoice_preview.requested", "invoice_preview.made"] * 2


def test_a_preview_whose_job_has_died_says_so(desk: Desk, browse: As) -> None:
    client = browse("support")
    address = asked_for(client)
    asked_before(minutes=30)
    previews.sweep()
    assert "could not be created" in text(client, address)


def test_a_wrong_draft_has_no_pdf(desk: Desk, browse: As) -> None:
    answer = post(browse("support"), f"{NEW}/pdf", **TYPED, **{**LINE, "lines-0-quantity": "many"})
    assert answer.status_code == 422
    with db.reading() as session:
        assert session.scalar(select(InvoicePreview.id)) is None


# A file whose invoices nobody is mailed


@pytest.fixture
def looked(desk: Desk, browse: As) -> tuple[FlaskClient, str]:
    client = browse("admin")
    file = (io.BytesIO(CSV.encode()), "november.csv")
    return client, post(client, "/support/invoices/import", decimal_mark="", file=file).location


def mails_of(smtp: Mailbox, document: Document) -> int:
    return sum(document.number in mail["Subject"] for mail in smtp.messages)


@pytest.mark.parametrize("without", [False, True], ids=["with mails", "without"])
def test_invoices_of_a_file_are_mailed_unless_nobody_wants_it(
    app: Flask, smtp: Mailbox, looked: tuple[FlaskClient, str], without: bool
) -> None:
    client, address = looked
    assert post(client, address, **({"without_mails": "y"} if without else {})).status_code == 303
    work(app)
    with db.reading() as session:
        document = session.scalars(select(Document).where(Document.invoice_id.is_not(None))).one()
        facts = {event.action: event.facts for event in session.scalars(select(audit.AuditEvent))}
    assert document.pdf_sha256 is not None
    assert (mails_of(smtp, document), document.mailed_at is None) == ((0, True) if without else (1, False))
    assert facts["invoice_file.imported"]["mailed"] is not without
    assert facts["invoice.issued"].get("mailed", True) is not without
    page = text(client, f"/support/invoices/{document.invoice_id}")
    assert ("No e-mail was sent" in page) is without
    assert requeue_lost_jobs() == 0
    if without:
        assert "Without e-mail" in text(client, "/support/documents").partition("<tbody")[2]
        assert document.number not in text(client, "/support/documents?state=waiting").partition("<tbody")[2]
        assert post(client, f"/support/documents/{document.id}/mail").status_code == 303
        work(app)
        assert mails_of(smtp, document) == 1
        with db.reading() as session:
            assert documents.for_company(session, document.id).mailed_at is not None
        assert "No e-mail was sent" not in text(client, f"/support/invoices/{document.invoice_id}")


def test_a_lost_render_of_an_invoice_without_mail_is_made_good(
    app: Flask, smtp: Mailbox, looked: tuple[FlaskClient, str]
) -> None:
    client, address = looked
    work(app)
    mailed = len(smtp.messages)
    post(client, address, without_mails="y")
    with db.transaction() as session:
        for job in session.scalars(select(JobRow).where(JobRow.name == "documents.render")):
            session.delete(job)
    assert requeue_lost_jobs() == 1
    work(app)
    assert (requeue_lost_jobs(), len(smtp.messages)) == (0, mailed)
