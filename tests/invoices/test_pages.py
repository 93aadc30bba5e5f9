"""The pages a customer sees, through HTTP."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.accounts.models import Customer
from portal.core import clock, db, keyset
from portal.invoices import queries, service
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from tests import factories
from tests.counting import counted_queries
from tests.invoices.conftest import Issue, add_customer, line, overdue


def sign_in(client: FlaskClient, customer: Customer, **values: str) -> FlaskClient:
    with db.transaction() as session:
        person = factories.user(session, customer, **values)
    factories.sign_in(client, person)
    return client


@pytest.fixture
def reader(client: FlaskClient, customer: Customer) -> FlaskClient:
    """A browser signed in for the customer that `issue` bills."""
    return sign_in(client, customer)


def text(client: FlaskClient, address: str, **headers: str) -> str:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def numbers(html: str) -> list[str]:
    return re.findall(r">(INV-\d{4}-\d{6})</a>", html)


def link(html: str, rel: str) -> str | None:
    found = re.search(rf'href="([^"]+)" rel="{rel}"', html)
    return found[1].replace("&amp;", "&") if found else None


# One invoice


def test_an_open_invoice_shows_what_it_is_for_and_where_to_pay(reader: FlaskClient, issue: Issue) -> None:
    invoice = issue(
        line("Rye bread", quantity=2_500, price=3_20, rate=700),
        line("Oven", price=99_99, rate=1900),
        reference="PO 4711",
    )
    html = text(reader, f"/invoices/{invoice.id}")
    for shown in (
        "Rye bread",
        "2.5",
        "€3.20",
        "7%",
        "€8.00",
        "Tax 7% on €8.00",
        "€0.56",
        "Tax 19% on €99.99",
        "€19.00",
        "PO 4711",
    ):
        assert shown in html, shown
    assert "Pay €127.55" in html
    assert f'href="/payments/invoices/{invoice.id}"' in html
    assert "hx-get" not in html  # the page is whole as it arrives


def test_an_invoice_in_german(client: FlaskClient, customer: Customer, issue: Issue) -> None:
    html = text(sign_in(client, customer, language="de"), f"/invoices/{issue(line(price=1234_50, rate=0)).id}")
    assert "1.234,50\xa0€" in html


def test_a_settled_invoice_offers_no_payment(reader: FlaskClient, issue: Issue) -> None:
    paid, withdrawn = issue(), issue()
    with db.transaction() as session:
        service.mark_paid(session, paid.id, clock.now())
    service.void(withdrawn.id, "for our eyes only")
    for invoice, words in ((paid, "Paid on"), (withdrawn, "You do not have to pay it")):
        html = text(reader, f"/invoices/{invoice.id}")
        assert words in html
        assert "Pay €" not in html
        assert "for our eyes only" not in html


def test_what_a_customer_is_billed_for_cannot_be_code(reader: FlaskClient, issue: Issue) -> None:
    invoice = issue(line("<script>alert(1)</script>"), reference='"><img src=x onerror=alert(1)>', note="{{ 7 * 7 }}")
    html = text(reader, f"/invoices/{invoice.id}")
    assert "<script>alert(1)" not in html and "<img src=x" not in html and "{{ 7 * 7 }}" in html


def test_another_customers_invoice_looks_like_none(reader: FlaskClient, issue: Issue, stranger: Customer) -> None:
    theirs = issue(customer_id=stranger.id)
    answers = [reader.get(f"/invoices/{name}") for name in (theirs.id, "inv_nothing", "x" * 500)]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    asked = zip(answers, (theirs.id, "inv_nothing"), strict=False)
    bodies = [answer.get_data(as_text=True).replace(name, "") for answer, name in asked]
    theirs_looks, nothing_looks = (re.sub(r"[0-9a-f]{16}", "", body) for body in bodies)
    assert theirs_looks == nothing_looks


def test_nobody_reads_invoices_without_signing_in(client: FlaskClient, issue: Issue) -> None:
    for address in ("/invoices", f"/invoices/{issue().id}"):
        answer = client.get(address)
        assert answer.status_code == 303
        assert answer.location.startswith("/sign-in")


def test_staff_have_no_bills(client: FlaskClient, issue: Issue) -> None:
    with db.transaction() as session:
        support = factories.staff(session)
    factories.sign_in(client, support)
    assert client.get("/invoices").status_code == 403
    assert client.get(f"/invoices/{issue().id}").status_code == 403


# The list


def test_the_list_filters_by_what_can_be_done(reader: FlaskClient, issue: Issue) -> None:
    fresh, late, paid, withdrawn, credited, lost = issue(), issue(**overdue()), issue(), issue(), issue(), issue()
    with db.transaction() as session:
        service.mark_paid(session, paid.id, clock.now())
        session.get_one(Invoice, credited.id).status = InvoiceStatus.CREDITED
        session.get_one(Invoice, lost.id).status = InvoiceStatus.WRITTEN_OFF
    service.void(withdrawn.id, "billed twice")
    shown = {status: numbers(text(reader, f"/invoices?status={status}")) for status in ("", *queries.FILTERS)}
    assert shown == {
        "": [one.number for one in (lost, credited, withdrawn, paid, late, fresh)],
        "open": [late.number, fresh.number],
        "overdue": [late.number],
        "paid": [paid.number],
        "credited": [credited.number],
        "written_off": [lost.number],
        "void": [withdrawn.number],
    }


def test_an_empty_list_says_so(reader: FlaskClient) -> None:
    for status in ("", *queries.FILTERS):
        html = text(reader, f"/invoices?status={status}")
        assert 'class="empty"' in html and "<table" not in html


def test_a_page_that_nobody_linked_to_is_not_there(reader: FlaskClient) -> None:
    for address in ("/invoices?status=other", "/invoices?page=nonsense", "/invoices?page=%00", "/invoices?page=YQ"):
        assert reader.get(address).status_code == 404


def test_only_ones_own_invoices_are_listed(reader: FlaskClient, issue: Issue, stranger: Customer) -> None:
    mine = issue()
    issue(customer_id=stranger.id)
    assert numbers(text(reader, "/invoices")) == [mine.number]


def walk(client: FlaskClient, address: str, rel: str) -> list[list[str]]:
    pages = []
    following: str | None = address
    while following:
        html = text(client, following)
        pages.append(numbers(html))
        following = link(html, rel)
    return pages


def issue_many(issue: Issue, count: int) -> list[str]:
    """The numbers of so many new invoices, newest first; all of one moment, as an import writes them."""
    return [issue().number for _ in range(count)][::-1]


def test_links_lead_through_all_pages_and_back(reader: FlaskClient, issue: Issue) -> None:
    everything = issue_many(issue, 45)
    forward = walk(reader, "/invoices", "next")
    assert [len(page) for page in forward] == [20, 20, 5]
    assert sorted(number for page in forward for number in page) == sorted(everything)
    last = text(reader, link(text(reader, link(text(reader, "/invoices"), "next") or ""), "next") or "")
    backward = walk(reader, link(last, "prev") or "", "prev")
    assert backward == [forward[1], forward[0]]


def test_pages_stay_in_place_while_invoices_are_added(reader: FlaskClient, issue: Issue) -> None:
    before = issue_many(issue, 41)
    first = text(reader, "/invoices")
    added = issue_many(issue, 21)
    second = text(reader, link(first, "next") or "")
    third = text(reader, link(second, "next") or "")
    assert numbers(first) + numbers(second) + numbers(third) == before
    newer = walk(reader, link(second, "prev") or "", "prev")
    assert newer == [numbers(first), added[1:], [*added[:1], *added[1:20]]]


def test_filters_stay_while_paging(reader: FlaskClient, issue: Issue) -> None:
    issue_many(issue, 21)
    following = link(text(reader, "/invoices?status=open"), "next") or ""
    assert "status=open" in following
    assert len(numbers(text(reader, following))) == 1


def test_htmx_gets_the_list_alone(reader: FlaskClient, issue: Issue) -> None:
    issue()
    answer = reader.get("/invoices", headers={"HX-Request": "true"})
    html = answer.get_data(as_text=True)
    assert html.lstrip().startswith('<div id="invoice-list"') and "<html" not in html
    assert "HX-Request" in answer.headers["Vary"]
    assert html.strip() in text(reader, "/invoices")


# What a page costs


def test_the_number_of_queries_does_not_grow_with_the_invoices(reader: FlaskClient, issue: Issue) -> None:
    small, large = issue(), issue(*[line(f"Line {position}") for position in range(12)])
    text(reader, "/invoices")
    with counted_queries() as few:
        text(reader, "/invoices")
    issue_many(issue, 30)
    with counted_queries() as many:
        text(reader, "/invoices")
    # Who is signed in, the list, how its invoices stand, and whether recovery mode is on.
    assert len(many) == len(few) <= 4
    with counted_queries() as short:
        text(reader, f"/invoices/{small.id}")
    with counted_queries() as long:
        text(reader, f"/invoices/{large.id}")
    # And an invoice with its lines, document, ways to pay, payments and mandate.
    assert len(long) == len(short) <= 18  # the pay link is one of them


def test_a_cursor_survives_the_way_through_an_address(app: Flask) -> None:
    cursor = keyset.Cursor("before", clock.now() - timedelta(days=3), "inv_01")
    assert keyset.Cursor.decode(cursor.encode()) == cursor


def test_other_customers_pages_are_not_reached_by_a_cursor(reader: FlaskClient, issue: Issue) -> None:
    issue_many(issue, 21)
    third = add_customer("Demo Press", "press@press.example")
    address = link(text(reader, "/invoices"), "next") or ""
    reader.post("/sign-out", data={"csrf_token": factories.csrf_token(reader)})
    assert numbers(text(sign_in(reader, third), address)) == []
