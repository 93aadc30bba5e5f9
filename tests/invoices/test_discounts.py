"""Discounts of lines and of whole invoices: what they take off, from where they are typed to where they are read, booked and credited."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import pypdf
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from portal.accounts.models import Customer
from portal.api import invoice_schemas, invoice_views, representations
from portal.core import db
from portal.core.errors import Invalid
from portal.documents import facts, pdf
from portal.documents.models import CreditNote, Document
from portal.invoices import credit_lines, crediting, queries, spreadsheet, totals
from portal.invoices.credit_lines import Wanted
from portal.invoices.discounts import Discount
from portal.invoices.drafts import LineDraft
from portal.invoices.models import Invoice, InvoiceCredit
from portal.invoices.staff_forms import InvoiceForm
from tests.invoices.conftest import Issue, line
from tests.invoices.test_credit_lines import Line
from tests.invoices.test_import import HEADER
from tests.invoices.test_pages import reader, text
from tests.invoices.test_receivables import RECEIVABLES, REVENUE, TAX, books

# The fixture is used here, too.
__all__ = ["reader"]

pytestmark = pytest.mark.database("sqlite")
TEN = Discount(basis_points=1000, reason="Regular customer")
DISCOUNTS = st.one_of(
    st.just(Discount()),
    st.integers(1, 10_000).map(lambda part: Discount(basis_points=part)),
    st.integers(1, 2_000_000).map(lambda minor: Discount(minor=minor)),
)


@examples(max_examples=200)
@given(
    lines=st.lists(
        st.tuples(st.integers(0, 999_999), st.integers(1, 50_000), st.sampled_from([0, 550, 700, 1900]), DISCOUNTS),
        min_size=1, max_size=8,
    ),
    whole=DISCOUNTS,
)  # fmt: skip
def test_sums_hold_to_the_minor_unit(lines: list[tuple[int, int, int, Discount]], whole: Discount) -> None:
    sums = totals.reckon([one[:3] for one in lines], [one[3] for one in lines], whole)
    assert sums.net_minor == sums.lines_minor - sums.discount_minor == sum(tax.net_minor for tax in sums.taxes)
    assert sums.discount_minor == whole.on(sums.lines_minor)
    assert sums.tax_minor == sum(one.tax_minor for one in sums.lines)
    for (price, quantity, _rate, off), one in zip(lines, sums.lines, strict=True):
        listed = totals.line_net(price, quantity)
        assert one.line_net_minor == listed - one.discount_minor and one.discount_minor == off.on(listed)
        assert one.net_minor >= 0
    for tax in sums.taxes:
        of_rate = [one for (_, _, rate, _), one in zip(lines, sums.lines, strict=True) if rate == tax.rate_basis_points]
        exact = Fraction(sums.discount_minor * sum(one.line_net_minor for one in of_rate), sums.lines_minor or 1)
        assert abs(sum(one.whole_discount_minor for one in of_rate) - exact) < 2
        assert tax.tax_minor == totals.tax_on(tax.net_minor, tax.rate_basis_points)


@examples(max_examples=200)
@given(
    price=st.integers(1, 99_999),
    pieces=st.integers(1, 12),
    off=DISCOUNTS,
    whole=DISCOUNTS,
    cuts=st.lists(st.integers(1, 12), max_size=12),
)
def test_credits_of_a_line_take_its_discounts_along_and_all_of_them_take_all(
    price: int, pieces: int, off: Discount, whole: Discount, cuts: list[int]
) -> None:
    (amounts,) = totals.reckon([(price, pieces * 1000, 1900)], [off], whole).lines
    row = Line(
        1, pieces * 1000, price, 1900, amounts.net_minor, amounts.discount_minor, amounts.whole_discount_minor
    )  # fmt: skip
    credited: list[credit_lines.CreditedLine] = []
    for cut in [*cuts, *[1] * pieces]:
        try:
            credited += credit_lines.of_lines([Wanted(1, quantity_thousandths=cut * 1000)], [row], credited, "eur")
        except Invalid:
            continue
        exact = Fraction(amounts.net_minor * (credited[-1].quantity_thousandths or 0), pieces * 1000)
        assert abs(credited[-1].net_minor - exact) <= max(len(credited), 1)
    assert sum(one.net_minor for one in credited) <= amounts.net_minor


def issued(issue: Issue, currency: str = "eur") -> Invoice:
    """10.01 less 3 %, and 5.00, less 10 % of both: 13.24 net."""
    return issue(
        LineDraft("Panel", 1_000, 10_01, 1900, discount=Discount(basis_points=300)),
        LineDraft("Book", 1_000, 5_00, 700),
        currency=currency,
        discount=TEN,
    )


@pytest.mark.parametrize("currency", ["eur", "jpy"])
def test_a_discount_on_the_whole_is_shared_out_over_the_rates_and_booked_so(issue: Issue, currency: str) -> None:
    made = issued(issue, currency)
    assert [(one.net_minor, one.discount_minor, one.whole_discount_minor) for one in made.lines] == [
        (8_74, 30, 97), (4_50, 0, 50),
    ]  # fmt: skip
    assert (made.discount_minor, made.net_minor, made.tax_minor, made.total_minor) == (1_47, 13_24, 1_98, 15_22)
    assert books(made.id) == {
        (RECEIVABLES, None): 15_22, (REVENUE, 1900): -8_74, (TAX, 1900): -1_66, (REVENUE, 700): -4_50, (TAX, 700): -32,
    }  # fmt: skip


def test_three_decimals_hold_too(issue: Issue) -> None:
    made = issue(
        LineDraft("Panel", 1_000, 100_000, 1900, discount=Discount(basis_points=300)),
        LineDraft("Book", 1_000, 3_000, 1900),
        currency="bhd",
        discount=Discount(minor=10_000),
    )
    assert [one.net_minor for one in made.lines] == [87_300, 2_700]
    assert (made.net_minor, made.tax_minor, books(made.id)[(RECEIVABLES, None)]) == (90_000, 17_100, 107_100)


def test_it_is_read_on_page_and_paper_and_credited_with_its_line(reader: FlaskClient, issue: Issue, app: Flask) -> None:
    made = issue(
        line("Panel", quantity=4_000, price=25_00), LineDraft("Book", 1_000, 10_00, 700, discount=Discount(minor=1_00)), discount=TEN
    )  # fmt: skip
    page = " ".join(text(reader, f"/invoices/{made.id}").split())
    for words in ("Discount: -€1.00", "Sum of the lines", "Regular customer (10%)", "-€10.90"):
        assert words in page
    with db.reading() as session:
        frozen = facts.from_json(session.scalars(select(Document.facts).where(Document.invoice_id == made.id)).one())
    assert isinstance(frozen, facts.InvoiceFacts)
    assert (frozen.discount_minor, frozen.discount_basis_points, frozen.net_minor) == (10_90, 1000, 98_10)
    assert facts.from_json(frozen.to_json()) == frozen
    paper = " ".join(one.extract_text() for one in pypdf.PdfReader(io.BytesIO(pdf.render(frozen).pdf)).pages)
    for words in ("Sum of the lines", "Regular customer (10%)", "€109.00", "€98.10", "Discount: -€1.00"):
        assert words in " ".join(paper.split())
    done = crediting.credit(made.id, None, reason="One came back", lines=[Wanted(1, quantity_thousandths=1_000)])
    # A quarter of 90.00, with its tax.
    assert done.amount_minor == 22_50 + 4_28
    with db.reading() as session:
        of_it = select(CreditNote).join(InvoiceCredit, InvoiceCredit.id == CreditNote.credit_id)
        note = facts.from_json(session.scalars(of_it.where(InvoiceCredit.invoice_id == made.id)).one().facts)
    assert isinstance(note, facts.CorrectionFacts)
    (credited,) = note.lines
    assert (credited.unit_price_minor, credited.discount_minor, credited.net_minor) == (25_00, 2_50, 22_50)
    crediting.credit(
        made.id,
        None,
        reason="The rest",
        lines=[Wanted(1, quantity_thousandths=3_000), Wanted(2, quantity_thousandths=1_000)],
    )
    with db.reading() as session:
        assert queries.for_staff(session, made.id).status == "credited"
    assert not any(books(made.id).values())


TYPED = {
    "currency": "eur", "lines-0-description": "Bread", "lines-0-quantity": "2", "lines-0-unit_price": "3.20",
    "lines-0-tax_rate": "7", "lines-0-unit": "C62", "lines-0-supplies": "goods",
}  # fmt: skip


def test_it_is_taken_from_the_form_and_reckoned_while_it_is_typed(app: Flask, customer: Customer, issue: Issue) -> None:
    more = {
        "lines-0-discount": "2.5 %",
        "lines-0-discount_reason": "Old",
        "discount": "1.24",
        "discount_reason": "Fair",
    }
    with app.test_request_context(method="POST"):
        form = InvoiceForm(MultiDict(TYPED | more | {"customer": customer.email}), meta={"csrf": False})
        assert form.reckoned().totals.net_minor == 5_00
        assert form.validate(), form.errors
        draft = form.draft(customer.id)
        assert draft.lines[0].discount == Discount(basis_points=250, reason="Old")
        assert draft.discount == Discount(minor=1_24, reason="Fair")
        wrong = InvoiceForm(
            MultiDict(TYPED | {"customer": customer.email, "lines-0-discount": "x", "discount": "y%"}),
            meta={"csrf": False},
        )
        assert not wrong.validate()
        assert wrong.lines[0].form.discount.errors and wrong.discount.errors
        again = InvoiceForm(meta={"csrf": False})
        made = issued(issue)
        with db.reading() as session:
            again.fill(queries.for_staff(session, made.id))
        assert (again.lines[0].form.discount.data, again.discount.data, again.discount_reason.data) == (
            "3 %", "10 %", "Regular customer",
        )  # fmt: skip


def test_it_is_taken_from_a_file_and_from_a_line_of_a_command(settings: object) -> None:
    header = f"{HEADER},discount,discount_reason,invoice_discount,invoice_discount_reason"
    rows = ["a@b.test,A-1,eur,Bread,2,3.20,7,10%,Old,1.00,Fair", "a@b.test,A-1,eur,Cake,1,5.00,7,0.50,,,"]
    sheet = spreadsheet.read(io.BytesIO("\r\n".join((header, *rows)).encode()))
    assert sheet.problems == []
    (entry,) = sheet.entries
    assert [one.discount for one in entry.draft.lines] == [Discount(1000, 0, "Old"), Discount(minor=50)]
    assert (entry.draft.discount, entry.totals.net_minor) == (Discount(minor=1_00, reason="Fair"), 9_26)
    wrong = ["a@b.test,A-1,eur,Bread,2,3.20,7,x,,9%%,"]
    places = [
        (one.line, one.column) for one in spreadsheet.read(io.BytesIO("\r\n".join((header, *wrong)).encode())).problems
    ]
    assert (2, "discount") in places and (2, "invoice_discount") in places
    assert spreadsheet.line("Consulting;2 HUR;90 -10%;19", "eur") == LineDraft(
        "Consulting", 2_000, 90_00, 1900, "HUR", discount=Discount(basis_points=1000)
    )


def test_it_is_taken_from_the_api_and_shown_there(issue: Issue, app: Flask) -> None:
    sent = invoice_schemas.NewInvoice.model_validate(
        {
            "customer_id": "cus_1", "currency": "eur", "discount_amount": 5_00,
            "lines": [{"description": "Bread", "unit_price": 3_20, "discount_percent": "2.5", "discount_reason": "Old"}],
        }
    )  # fmt: skip
    assert invoice_views.discount_of(sent) == Discount(minor=5_00)
    assert invoice_views.discount_of(sent.lines[0]) == Discount(250, 0, "Old")
    made = issued(issue)
    with app.test_request_context(), db.reading() as session:
        shown = representations.invoice(session, queries.for_staff(session, made.id)).model_dump()
    assert (shown["discount"], shown["discount_percent"], shown["discount_reason"]) == (1_47, "10", "Regular customer")
    first = shown["lines"][0]
    assert (first["discount"], first["discount_percent"], first["net"]) == (30, "3", 8_74)


@pytest.mark.parametrize(
    ("values", "of_line", "field"),
    [
        ({}, Discount(basis_points=10_001), "lines-0-discount"),
        ({}, Discount(minor=10_02), "lines-0-discount"),
        ({}, Discount(basis_points=100, minor=1), "lines-0-discount"),
        ({}, Discount(reason="Why not"), "lines-0-discount_reason"),
        ({}, Discount(basis_points=100, reason="x" * 121), "lines-0-discount_reason"),
        ({"discount": Discount(minor=10_02)}, Discount(), "discount"),
        ({"discount": Discount(basis_points=-1)}, Discount(), "discount"),
        ({"discount": Discount(basis_points=10_000)}, Discount(), "total"),
    ],
)
def test_a_discount_that_cannot_be_is_refused_at_its_field(
    issue: Issue, values: dict[str, Any], of_line: Discount, field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        issue(LineDraft("Panel", 1_000, 10_01, 1900, discount=of_line), **values)
    assert refusal.value.field == field
