"""Why a line has no tax: by rule, in the words of the document's language, with the code that programs read."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pypdf
import pytest
from lxml import etree
from sqlalchemy import update

from portal.accounts.models import Customer
from portal.core import config, db
from portal.core.units import Supplies
from portal.documents import e_invoices, facts, pdf, queries, service
from portal.documents.facts import InvoiceFacts
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice
from portal.payments.models import Payment
from portal.vat.untaxed import Untaxed, reason
from tests import factories
from tests.documents.conftest import example_note
from tests.documents.test_e_invoices import DAY, SELLER, invoice_of, judged, text

GERMAN, FRENCH, GREEK, SWISS = "DE136695976", "FR40303265045", "EL094259216", "CHE107787577IVA"


@pytest.mark.parametrize(
    ("seller", "seller_tax_id", "buyer", "buyer_tax_id", "supplies", "expected"),
    [
        ("DE", GERMAN, "FR", FRENCH, "services", Untaxed.REVERSE_CHARGE),
        ("DE", GERMAN, "GR", GREEK, "services", Untaxed.REVERSE_CHARGE),
        ("DE", GERMAN, "FR", FRENCH, "goods", Untaxed.INTRA_COMMUNITY),
        ("DE", GERMAN, "FR", "", "services", None),
        ("DE", "", "FR", FRENCH, "services", None),
        ("DE", GERMAN, "FR", "DE123456789", "services", None),
        ("DE", GERMAN, "CH", SWISS, "goods", Untaxed.EXPORT),
        ("DE", GERMAN, "CH", SWISS, "services", None),
        ("DE", GERMAN, "GB", "XI110305878", "goods", Untaxed.INTRA_COMMUNITY),
        ("DE", GERMAN, "GB", "XI110305878", "services", None),
        ("DE", GERMAN, "IE", "XI110305878", "services", None),
        ("CH", SWISS, "DE", GERMAN, "services", None),
        ("DE", GERMAN, "", "", "goods", None),
        ("DE", GERMAN, "DE", "", "services", Untaxed.EXEMPT),
    ],
)
def test_the_rule(
    seller: str, seller_tax_id: str, buyer: str, buyer_tax_id: str, supplies: Supplies, expected: Untaxed | None
) -> None:
    found = reason(
        seller=seller,
        seller_tax_id=seller_tax_id,
        buyer=buyer,
        buyer_tax_id=buyer_tax_id,
        supplies=supplies,
        exemption="Small business",
    )
    assert found == expected


def test_at_home_a_company_says_itself_what_exempts_it() -> None:
    home = {"seller": "DE", "seller_tax_id": GERMAN, "buyer": "DE", "buyer_tax_id": ""}
    assert reason(**home, supplies="services", exemption="") is None


def untaxed(why: Untaxed, *lines: tuple[str, int, int, int], language: str = "en") -> InvoiceFacts:
    said = invoice_of(
        [*lines, ("Advice", 2_000, 50_00, 0)],
        exemption="Small business, no VAT (§ 19 UStG)" if why == Untaxed.EXEMPT else "",
        buyer=replace(SELLER, name="Buyer", country="FR", tax_id=FRENCH, tax_number=""),
        language=language,
        supplied_until=DAY + timedelta(days=1),
    )
    told = tuple(line if line.tax_rate_basis_points else replace(line, untaxed=why) for line in said.lines)
    return replace(said, lines=told, taxes=facts.taxes_of(told))


@pytest.mark.parametrize("why", list(Untaxed))
@pytest.mark.parametrize("mixed", [False, True], ids=["alone", "beside tax"])
def test_programs_read_why(why: Untaxed, mixed: bool) -> None:
    lines = [("Taxed", 1_000, 10_00, 1900)] if mixed else []
    said = untaxed(why, *lines)
    assert e_invoices.missing(said) == ()
    made = e_invoices.xml(said)
    assert judged(made) == []
    categories = {"reverse_charge": "AE", "intra_community": "K", "export": "G", "exempt": "E"}
    assert categories[why] in text(made, "CategoryCode")
    assert text(made, "ExemptionReasonCode") + text(made, "ExemptionReason")


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Reverse charge"), ("de", "Steuerschuldnerschaft des Leistungsempfängers")]
)
def test_people_read_why(settings: config.Settings, language: str, words: str) -> None:
    content = pdf.render(untaxed(Untaxed.REVERSE_CHARGE, language=language)).pdf
    assert words in " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


@pytest.mark.settings(PORTAL_COMPANY_COUNTRY="DE", PORTAL_COMPANY_TAX_ID=GERMAN)
def test_an_invoice_keeps_why_and_its_credit_note_says_the_same(settings: config.Settings) -> None:
    with db.transaction() as session:
        customer = factories.customer(session, country="FR", tax_id=FRENCH)
    invoice = invoices.issue(InvoiceDraft(customer.id, "eur", (LineDraft("Advice", 1_000, 100_00, 0),)))
    with db.transaction() as session:
        issued = queries.of_issued_invoice(session, invoice.id)
        assert issued is not None
        said = facts.from_json(issued.facts)
        assert said.reasons_untaxed == (Untaxed.REVERSE_CHARGE,)
        session.execute(update(Customer).values(tax_id=""))
        payment = factories.payment(session, customer, session.merge(invoice))
    service.issue(payment.id)
    with db.transaction() as session:
        refund_id = factories.refund(session, session.get_one(Payment, payment.id), amount_minor=10_00).id
    note_id = service.issue_credit_note(refund_id)
    assert note_id is not None
    with db.reading() as session:
        note = facts.from_json(queries.for_company(session, note_id).facts)
    assert (note.reasons_untaxed, note.has_unexplained) == ((Untaxed.REVERSE_CHARGE,), False)


def test_a_credit_note_for_goods_within_the_union_says_what_is_missing() -> None:
    note = example_note((0, 10_00, 0))
    said = replace(note, taxes=tuple(replace(tax, untaxed=Untaxed.INTRA_COMMUNITY) for tax in note.taxes))
    assert e_invoices.missing(said) == ("the day of supply, which a credit note does not tell",)


# Goods and services on one invoice


@pytest.fixture
def both(settings: config.Settings) -> Invoice:
    """Goods and services without tax for a company in France, and something with tax."""
    with db.transaction() as session:
        customer = factories.customer(session, country="FR", tax_id=FRENCH)
    lines = (
        LineDraft("Wallbox", 2_000, 500_00, 0, "H87", "goods"),
        LineDraft("Assembly", 3_500, 80_00, 0, "HUR", "services"),
        LineDraft("Event in Hamburg", 1_000, 100_00, 1900, "LS", "services"),
    )
    return invoices.issue(InvoiceDraft(customer.id, "eur", lines))


def said_of(invoice: Invoice) -> InvoiceFacts:
    with db.reading() as session:
        issued = queries.of_issued_invoice(session, invoice.id)
        assert issued is not None
        said = facts.from_json(issued.facts)
        assert isinstance(said, InvoiceFacts)
        return said


@pytest.mark.settings(PORTAL_COMPANY_COUNTRY="DE", PORTAL_COMPANY_TAX_ID=GERMAN)
def test_each_line_has_its_own_reason_by_its_kind(both: Invoice) -> None:
    said = said_of(both)
    assert [line.untaxed for line in said.lines] == [Untaxed.INTRA_COMMUNITY, Untaxed.REVERSE_CHARGE, None]
    assert [(tax.row, tax.net_minor) for tax in said.taxes] == [
        ((1900, None), 100_00),
        ((0, Untaxed.INTRA_COMMUNITY), 1_000_00),
        ((0, Untaxed.REVERSE_CHARGE), 280_00),
    ]
    made = e_invoices.xml(said)
    assert (said.e_invoice, judged(made)) == (e_invoices.PROFILE, [])
    assert text(made, "CategoryCode") == ["K", "AE", "S", "S", "K", "AE"]
    units = [one.get("unitCode") for one in etree.fromstring(made).iter() if one.tag.endswith("BilledQuantity")]
    assert units == ["H87", "HUR", "LS"]


@pytest.mark.settings(PORTAL_COMPANY_COUNTRY="DE", PORTAL_COMPANY_TAX_ID=GERMAN)
def test_people_read_which_lines_each_reason_is_of(both: Invoice) -> None:
    pages = pypdf.PdfReader(io.BytesIO(pdf.render(said_of(both)).pdf)).pages
    said = " ".join(" ".join(page.extract_text() for page in pages).split())
    for words in (
        "2 pieces",
        "3.5 hours",
        "1 flat rate",
        "Goods: Tax-free supply",
        "Services: Reverse charge",
        "(Goods)",
    ):
        assert words in said, words


@pytest.mark.settings(PORTAL_COMPANY_COUNTRY="DE", PORTAL_COMPANY_TAX_ID=GERMAN)
def test_its_credit_notes_take_back_of_each_reason_and_all_of_it_at_last(both: Invoice) -> None:
    with db.transaction() as session:
        invoice = session.merge(both)
        payment = factories.payment(session, session.get_one(Customer, invoice.customer_id), invoice)
    service.issue(payment.id)
    taken: dict[tuple[int, Untaxed | None], int] = {}
    for amount in (500_00, both.total_minor - 500_00):
        with db.transaction() as session:
            refund_id = factories.refund(session, session.get_one(Payment, payment.id), amount_minor=amount).id
        note_id = service.issue_credit_note(refund_id)
        assert note_id is not None
        with db.reading() as session:
            note = facts.from_json(queries.for_company(session, note_id).facts)
        assert set(note.reasons_untaxed) == {Untaxed.INTRA_COMMUNITY, Untaxed.REVERSE_CHARGE}
        for tax in note.taxes:
            taken[tax.row] = taken.get(tax.row, 0) + tax.net_minor
    assert taken == {tax.row: tax.net_minor for tax in said_of(both).taxes}
