"""Why a line has no tax: by rule, in the words of the document's language, with the code that programs read."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pypdf
import pytest
from sqlalchemy import update

from portal.accounts.models import Customer
from portal.core import config, db
from portal.documents import e_invoices, facts, pdf, queries, service
from portal.documents.facts import InvoiceFacts
from portal.documents.untaxed import Supplies, Untaxed, reason
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.payments.models import Payment
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
        ("CH", SWISS, "DE", GERMAN, "services", None),
        ("DE", GERMAN, "", "", "services", None),
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
    return invoice_of(
        [*lines, ("Advice", 2_000, 50_00, 0)],
        untaxed=why,
        exemption="Small business, no VAT (§ 19 UStG)" if why == Untaxed.EXEMPT else "",
        buyer=replace(SELLER, name="Buyer", country="FR", tax_id=FRENCH, tax_number=""),
        language=language,
        supplied_until=DAY + timedelta(days=1),
    )


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
        assert said.untaxed == Untaxed.REVERSE_CHARGE
        session.execute(update(Customer).values(tax_id=""))
        payment = factories.payment(session, customer, session.merge(invoice))
    service.issue(payment.id)
    with db.transaction() as session:
        refund_id = factories.refund(session, session.get_one(Payment, payment.id), amount_minor=10_00).id
    note_id = service.issue_credit_note(refund_id)
    assert note_id is not None
    with db.reading() as session:
        note = facts.from_json(queries.for_company(session, note_id).facts)
    assert (note.untaxed, note.has_untaxed) == (Untaxed.REVERSE_CHARGE, True)


def test_a_credit_note_for_goods_within_the_union_says_what_is_missing() -> None:
    said = replace(example_note((0, 10_00, 0)), untaxed=Untaxed.INTRA_COMMUNITY)
    assert e_invoices.missing(said) == ("the day of supply, which a credit note does not tell",)
