"""A customer's documents as one ZIP: those that were ticked, or all that the filters find, with an index; nobody else's."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from portal.accounts.models import Customer
from portal.core import clock, config, db
from portal.core.errors import Conflict, Invalid, NotFound
from portal.documents import archives, queries, service
from portal.documents.models import Document, DocumentKind
from portal.documents.queries import Wanted
from portal.identity.models import User
from tests import factories
from tests.crashing import dies
from tests.documents.conftest import Pay


@pytest.fixture
def house(settings: config.Settings, pay: Pay) -> tuple[str, str, list[str]]:
    """A customer with a user and two documents that have their PDFs; and a stranger with one."""
    mine = [service.issue(pay(description="Deposit")), ""]
    with db.transaction() as session:
        first = session.get_one(Document, mine[0])
        customer = session.get_one(Customer, first.customer_id)
        user = factories.user(session, customer).id
        invoice = factories.invoice(session, customer, status="paid", paid_at=clock.now())
        payment = factories.payment(session, customer, invoice).id
    mine[1] = service.issue(payment)
    for document_id in [*mine, service.issue(pay())]:
        service.render(document_id)
    return customer.id, user, mine


def packed(archive_id: str, customer_id: str) -> zipfile.ZipFile:
    archives.make(archive_id)
    row, content = archives.download(archive_id, customer_id)
    whole = b"".join(content)
    assert len(whole) == row.size
    return zipfile.ZipFile(io.BytesIO(whole))


def test_all_documents_of_a_customer_are_in_it_with_an_index_and_nobody_elses(
    house: tuple[str, str, list[str]],
) -> None:
    customer_id, user, mine = house
    archive = packed(archives.request(customer_id, user, Wanted()), customer_id)
    with db.reading() as session:
        receipt, confirmation = (queries.with_pdf(session, one) for one in mine)
    assert archive.namelist() == [
        f"receipts/{receipt.number}.pdf",
        f"payment-confirmations/{confirmation.number}.pdf",
        "index.csv",
    ]
    assert archive.read(f"receipts/{receipt.number}.pdf") == receipt.pdf
    rows = list(csv.DictReader(io.StringIO(archive.read("index.csv").decode("utf-8-sig"))))
    assert [(row["number"], row["kind"], row["total"], row["currency"]) for row in rows] == [
        (receipt.number, "receipt", "50.00", "EUR"),
        (confirmation.number, "payment_confirmation", str(confirmation.total.decimal), "EUR"),
    ]
    assert rows[1]["invoice"].startswith("INV-")


@pytest.mark.parametrize("by", ["ids", "kind", "number", "amount"])
def test_a_choice_holds_what_was_chosen(house: tuple[str, str, list[str]], by: str) -> None:
    customer_id, user, mine = house
    with db.reading() as session:
        receipt = session.get_one(Document, mine[0])
    wanted = {
        "ids": Wanted(ids=(receipt.id,)),
        "kind": Wanted(kind=DocumentKind.RECEIPT),
        "number": Wanted(number=receipt.number.lower()),
        "amount": Wanted(currency="eur", least_minor=50_00, most_minor=50_00),
    }[by]
    archive = packed(archives.request(customer_id, user, wanted), customer_id)
    assert archive.namelist() == [f"receipts/{receipt.number}.pdf", "index.csv"]


def test_documents_of_another_customer_cannot_be_chosen(house: tuple[str, str, list[str]], pay: Pay) -> None:
    customer_id, user, _mine = house
    with pytest.raises(Invalid):
        archives.request(customer_id, user, Wanted(ids=(service.issue(pay()),)))


def test_one_at_a_time_is_made_and_after_a_death_it_is_made_anew(house: tuple[str, str, list[str]]) -> None:
    customer_id, user, _mine = house
    archive_id = archives.request(customer_id, user, Wanted())
    with pytest.raises(Conflict):
        archives.request(customer_id, user, Wanted())
    dies("pack part made", lambda: archives.make(archive_id))
    with pytest.raises(NotFound):
        archives.download(archive_id, customer_id)
    assert packed(archive_id, customer_id).testzip() is None
    archives.request(customer_id, user, Wanted())


def test_it_goes_after_its_time(house: tuple[str, str, list[str]]) -> None:
    customer_id, user, _mine = house
    archive_id = archives.request(customer_id, user, Wanted())
    archives.make(archive_id)
    for early_or_late in (-timedelta(minutes=1), timedelta(minutes=1)):
        archives.download(archive_id, customer_id)
        with time_machine.travel(clock.now() + archives.KEEP_FOR + early_or_late):
            archives.sweep()
    with pytest.raises(NotFound):
        archives.download(archive_id, customer_id)


def test_the_page_finds_by_filters_and_leads_to_the_zip(
    app: Flask, client: FlaskClient, house: tuple[str, str, list[str]]
) -> None:
    _customer_id, user, mine = house
    with db.reading() as session:
        receipt, confirmation = (session.get_one(Document, one) for one in mine)
        person = session.get_one(User, user)
    factories.sign_in(client, person)
    assert confirmation.number in client.get("/receipts/").text
    found = client.get("/receipts/?kind=receipt").text
    assert receipt.number in found and confirmation.number not in found
    assert client.get("/receipts/?least=1").status_code == 422
    for status, shown in (("valid", True), ("canceled", False), ("open", False)):
        assert (receipt.number in client.get(f"/receipts/?status={status}").text) is shown
    token = {"csrf_token": factories.csrf_token(client)}
    nothing = client.post("/receipts/archives", data=token)
    assert (nothing.status_code, "Please choose the documents" in nothing.text) == (422, True)
    asked = client.post("/receipts/archives", data=token | {"document": [receipt.id]})
    assert asked.status_code == 303
    archive_id = asked.location.rpartition("/")[2]
    archives.make(archive_id)
    assert "Ready" in client.get(asked.location).text
    got = client.get(f"{asked.location}/file")
    assert zipfile.ZipFile(io.BytesIO(got.data)).namelist() == [f"receipts/{receipt.number}.pdf", "index.csv"]
