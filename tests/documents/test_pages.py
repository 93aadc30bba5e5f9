"""The pages of receipts: what their owner sees, and that nobody else sees anything."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select

from portal import ledger
from portal.accounts.models import Customer
from portal.core import clock, config, db, keyset
from portal.documents import queries, service
from portal.documents.models import PaymentDocument
from portal.documents.views import MOST_POLLS, POLL_EVERY_SECONDS
from portal.identity.models import User
from portal.ledger import LedgerAccount
from portal.payments.models import Payment
from tests import factories
from tests.documents.conftest import alter_pdf, fail

HTMX = {"HX-Request": "true"}


@dataclass(frozen=True, slots=True)
class Issued:
    """A customer with one who signs in, and a receipt of theirs."""

    customer: Customer
    user: User
    payment_id: str
    receipt_id: str
    number: str


Issue = Callable[..., Issued]
GiveBack = Callable[..., str]


@pytest.fixture
def give_back(issue: Issue) -> GiveBack:
    """Refund a part of the payment behind a receipt, and return the id of the credit note."""

    def give_back(receipt: Issued, amount_minor: int = 50_00, *, rendered: bool = True, revoked: bool = False) -> str:
        with db.transaction() as session:
            payment = session.get_one(Payment, receipt.payment_id)
            refund_id = factories.refund(session, payment, amount_minor=amount_minor).id
        note_id = service.issue_credit_note(refund_id)
        assert note_id is not None
        if rendered:
            service.render(note_id)
        if revoked:
            fail(refund_id)
            service.revoke_credit_note(refund_id)
        return note_id

    return give_back


@pytest.fixture
def issue(client: FlaskClient) -> Issue:
    def issue(*, rendered: bool = True, owner: Issued | None = None) -> Issued:
        with db.transaction() as session:
            customer = owner.customer if owner else factories.customer(session)
            user = owner.user if owner else factories.user(session, customer)
            lines = [("Green electricity", 1_500, 100_00, 1900), ("Grid fee", 1_000, 10_00, 700)]
            paid = factories.invoice(session, customer, lines, status="paid")
            payment_id = factories.payment(session, customer, paid).id
        receipt_id = service.issue(payment_id)
        if rendered:
            service.render(receipt_id)
        with db.reading() as session:
            number = session.execute(
                select(PaymentDocument.number).where(PaymentDocument.id == receipt_id)
            ).scalar_one()
        return Issued(customer, user, payment_id, receipt_id, number)

    return issue


def text_of(client: FlaskClient, path: str, status: int = 200, headers: Mapping[str, str] | None = None) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return " ".join(answer.get_data(as_text=True).split())


def test_the_page_shows_what_the_document_says(client: FlaskClient, issue: Issue) -> None:
    receipt = issue()
    factories.sign_in(client, receipt.user)
    said = text_of(client, f"/receipts/{receipt.receipt_id}")
    for words in (
        f"Payment confirmation {receipt.number}",
        "This is not an invoice. The tax is stated on invoice INV-",
        "€189.20",
        "Visa •••• 4242",
        "DE987654321",
    ):
        assert words in said
    assert "19%" not in said
    assert "The PDF is almost ready" not in said


def test_the_download_is_the_stored_file(client: FlaskClient, issue: Issue) -> None:
    receipt = issue()
    factories.sign_in(client, receipt.user)
    answer = client.get(f"/receipts/{receipt.receipt_id}/pdf")
    assert answer.status_code == 200
    assert answer.mimetype == "application/pdf"
    assert answer.data.startswith(b"%PDF-1.7")
    assert answer.get_etag() == (hashlib.sha256(answer.data).hexdigest(), False)
    assert answer.headers["Content-Disposition"] == f"attachment; filename={receipt.number}.pdf"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    again = client.get(f"/receipts/{receipt.receipt_id}/pdf", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_receipt_that_is_being_made_says_so_and_is_not_made_here(client: FlaskClient, issue: Issue) -> None:
    receipt = issue(rendered=False)
    factories.sign_in(client, receipt.user)
    answer = client.get(f"/receipts/{receipt.receipt_id}/pdf")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, str(POLL_EVERY_SECONDS))
    assert "Your payment confirmation is being created" in answer.get_data(as_text=True)
    assert "The PDF is almost ready" in text_of(client, f"/receipts/{receipt.receipt_id}")
    with db.reading() as session:
        assert session.get_one(PaymentDocument, receipt.receipt_id).pdf_sha256 is None


def test_a_receipt_that_is_held_for_a_person_is_not_promised_in_a_moment(client: FlaskClient, issue: Issue) -> None:
    receipt = issue(rendered=False)
    with db.transaction() as session:
        document = session.get_one(PaymentDocument, receipt.receipt_id)
        document.missing_glyphs, payment_id = "\ue0a7", document.payment_id
        approver = factories.staff(session, "approver")
    factories.sign_in(client, receipt.user)
    for address in (
        f"/receipts/{receipt.receipt_id}",
        f"/receipts/{receipt.receipt_id}/pdf",
        f"/receipts/of-payment/{payment_id}",
    ):
        said = client.get(address).get_data(as_text=True)
        assert "before it is sent" in said and "almost ready" not in said and "being created" not in said, address
    desk = client.application.test_client()
    factories.sign_in(desk, approver)
    assert "Held, because characters are missing" in text_of(desk, f"/support/documents/of-payment/{payment_id}")


@pytest.mark.owner
def test_an_altered_pdf_is_given_to_no_one(client: FlaskClient, issue: Issue) -> None:
    receipt = issue()
    alter_pdf(receipt.receipt_id, b"%PDF-1.7 another")
    factories.sign_in(client, receipt.user)
    answer = client.get(f"/receipts/{receipt.receipt_id}/pdf")
    assert (answer.status_code, b"%PDF" in answer.data) == (500, False)


@pytest.mark.parametrize(
    "path", ["/receipts/{receipt_id}", "/receipts/{receipt_id}/pdf", "/receipts/of-payment/{payment_id}"]
)
def test_anothers_receipt_is_as_unknown_as_one_that_never_was(client: FlaskClient, issue: Issue, path: str) -> None:
    theirs, mine = issue(), issue()
    factories.sign_in(client, mine.user)
    theirs_path = path.format(receipt_id=theirs.receipt_id, payment_id=theirs.payment_id)
    never_path = path.format(receipt_id="rct_never", payment_id="pay_never")
    assert client.get(theirs_path).status_code == client.get(never_path).status_code == 404
    assert theirs.number not in text_of(client, "/receipts/")
    with db.reading() as session:
        kept = session.get_one(PaymentDocument, theirs.receipt_id)
    past_theirs = keyset.Cursor("after", kept.issued_at + timedelta(seconds=1), kept.id).encode()
    assert theirs.number not in text_of(client, f"/receipts/?page={past_theirs}")
    assert client.get("/receipts/?page=made-up").status_code == 404


def test_the_list_of_documents_is_reached_from_the_payments(client: FlaskClient, issue: Issue) -> None:
    receipt = issue()
    factories.sign_in(client, receipt.user)
    assert 'href="/receipts/"' in text_of(client, "/payments")
    assert receipt.number in text_of(client, "/receipts/")


def test_a_stranger_is_sent_to_sign_in_and_staff_have_no_receipts(client: FlaskClient, issue: Issue) -> None:
    receipt = issue()
    paths = ("/receipts/", f"/receipts/{receipt.receipt_id}", f"/receipts/{receipt.receipt_id}/pdf")
    for path in (*paths, f"/receipts/of-payment/{receipt.payment_id}"):
        answer = client.get(path)
        assert answer.status_code == 303
        assert "/sign-in" in answer.location
    with db.transaction() as session:
        reviewer = factories.staff(session)
    factories.sign_in(client, reviewer)
    for path in paths:
        assert client.get(path).status_code in (303, 403)


def test_under_a_payment_stands_its_receipt(client: FlaskClient, issue: Issue) -> None:
    receipt = issue()
    factories.sign_in(client, receipt.user)
    part = text_of(client, f"/receipts/of-payment/{receipt.payment_id}", headers=HTMX)
    assert part.startswith(f'<div id="receipt-of-{receipt.payment_id}"')
    assert f"/receipts/{receipt.receipt_id}/pdf" in part
    assert "hx-get" not in part
    whole = text_of(client, f"/receipts/of-payment/{receipt.payment_id}")
    assert whole.startswith("<!doctype html>")
    assert part in whole


@pytest.mark.parametrize("issued", [False, True], ids=["not issued", "not rendered"])
def test_a_receipt_that_is_being_made_is_asked_for_again_but_not_for_ever(
    client: FlaskClient, issue: Issue, issued: bool
) -> None:
    receipt = issue(rendered=False)
    payment_id = receipt.payment_id
    if not issued:
        with db.transaction() as session:
            payment_id = factories.payment(session, receipt.customer).id
    factories.sign_in(client, receipt.user)
    first = text_of(client, f"/receipts/of-payment/{payment_id}", headers=HTMX)
    assert f'hx-get="/receipts/of-payment/{payment_id}?polls=1"' in first
    assert f'hx-trigger="load delay:{POLL_EVERY_SECONDS}s"' in first
    last = text_of(client, f"/receipts/of-payment/{payment_id}?polls={MOST_POLLS}", headers=HTMX)
    assert "hx-get" not in last
    assert f"We will send it to {receipt.customer.email}" in last
    for nonsense in ("-5", "99999999999999999999"):
        assert "hx-get" not in text_of(client, f"/receipts/of-payment/{payment_id}?polls={nonsense}", headers=HTMX)


def test_a_payment_that_brought_nothing_has_no_receipt(client: FlaskClient, issue: Issue) -> None:
    receipt = issue()
    with db.transaction() as session:
        unpaid = factories.payment(session, receipt.customer, status="canceled", succeeded_at=None).id
    factories.sign_in(client, receipt.user)
    part = text_of(client, f"/receipts/of-payment/{unpaid}", headers=HTMX)
    assert "receipt is" not in part
    assert "hx-get" not in part


def test_a_credit_note_has_its_page_and_its_file(client: FlaskClient, issue: Issue, give_back: GiveBack) -> None:
    receipt = issue()
    note_id = give_back(receipt)
    factories.sign_in(client, receipt.user)
    said = text_of(client, f"/receipts/{note_id}")
    corrected = "Correction of invoice INV-"
    for words in ("Credit note CN-", corrected, "Visa •••• 4242", "19%", "€50.00", "Not received"):
        assert words in said
    assert "was canceled" not in said and "Expected by" not in said
    answer = client.get(f"/receipts/{note_id}/pdf")
    assert answer.data.startswith(b"%PDF-1.7")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=CN-")
    assert "Credit note" in text_of(client, f"/receipts/{note_id}")


def test_a_credit_note_that_is_being_made_says_so(client: FlaskClient, issue: Issue, give_back: GiveBack) -> None:
    receipt = issue()
    note_id = give_back(receipt, rendered=False)
    factories.sign_in(client, receipt.user)
    assert "Your credit note is being created" in text_of(client, f"/receipts/{note_id}/pdf", 503)
    assert "Your credit note is being created" in text_of(
        client, f"/receipts/of-payment/{receipt.payment_id}", headers=HTMX
    )


def test_a_revoked_credit_note_says_so_wherever_it_is_shown(
    client: FlaskClient, issue: Issue, give_back: GiveBack
) -> None:
    receipt = issue()
    note_id = give_back(receipt, revoked=True)
    factories.sign_in(client, receipt.user)
    said = text_of(client, f"/receipts/{note_id}")
    assert "This credit note was canceled on" in said
    assert "Expected by" not in said
    for path in ("/receipts/", f"/receipts/of-payment/{receipt.payment_id}"):
        assert "Void" in text_of(client, path)


def test_anothers_credit_note_is_not_found(client: FlaskClient, issue: Issue, give_back: GiveBack) -> None:
    theirs, mine = issue(), issue()
    note_id = give_back(theirs)
    factories.sign_in(client, mine.user)
    for path in (f"/receipts/{note_id}", f"/receipts/{note_id}/pdf"):
        assert client.get(path).status_code == 404
    assert "CN-" not in text_of(client, "/receipts/")


def test_under_a_payment_stand_its_credit_notes_and_those_to_come(
    client: FlaskClient, issue: Issue, give_back: GiveBack
) -> None:
    receipt = issue()
    first, second = give_back(receipt), give_back(receipt)
    factories.sign_in(client, receipt.user)
    address = f"/receipts/of-payment/{receipt.payment_id}"
    part = text_of(client, address, headers=HTMX)
    for document_id in (receipt.receipt_id, first, second):
        assert f"/receipts/{document_id}/pdf" in part
    assert "hx-get" not in part
    with db.transaction() as session:
        factories.refund(session, session.get_one(Payment, receipt.payment_id), amount_minor=1)
    assert f'hx-get="{address}?polls=1"' in text_of(client, address, headers=HTMX)
    last = text_of(client, f"{address}?polls={MOST_POLLS}", headers=HTMX)
    assert "Your credit note is taking longer than usual" in last
    assert "Your receipt is taking longer" not in last


def test_documents_are_one_list_newest_first(client: FlaskClient, issue: Issue, give_back: GiveBack) -> None:
    first = issue(rendered=False)
    give_back(first, rendered=False)
    second = issue(rendered=False, owner=first)
    factories.sign_in(client, first.user)
    said = text_of(client, "/receipts/")
    places = [said.index(f">{number}<") for number in (second.number, f"CN-{first.number[3:]}", first.number)]
    assert places == sorted(places)
    assert "Credit note" in said


def test_the_list_goes_on_page_by_page_to_its_end(client: FlaskClient, issue: Issue) -> None:
    first = issue(rendered=False)
    numbers = [first.number] + [issue(rendered=False, owner=first).number for _ in range(keyset.PAGE_SIZE)]
    factories.sign_in(client, first.user)
    newest = text_of(client, "/receipts/", headers=HTMX)
    assert newest.startswith('<div id="document-list"')
    assert all(number in newest for number in numbers[1:])
    assert first.number not in newest
    with db.reading() as session:
        page = queries.of_customer(session, first.customer.id)
        rest = queries.of_customer(session, first.customer.id, page.older)
    assert [receipt.number for receipt in page.rows] == numbers[:0:-1]
    assert [receipt.number for receipt in rest.rows] == [first.number]
    assert rest.older is None
    oldest = text_of(client, f"/receipts/?page={page.older}")
    assert first.number in oldest


def test_who_has_no_receipt_is_told_where_they_will_be(client: FlaskClient, issue: Issue) -> None:
    with db.transaction() as session:
        user = factories.user(session, factories.customer(session))
    factories.sign_in(client, user)
    assert "No documents yet" in text_of(client, "/receipts/")


def test_no_list_and_no_page_reads_the_pdf(client: FlaskClient, issue: Issue) -> None:
    receipt = issue()
    factories.sign_in(client, receipt.user)
    said: list[str] = []
    event.listen(db.engine(), "before_cursor_execute", lambda *args: said.append(args[2]))
    text_of(client, "/receipts/")
    text_of(client, f"/receipts/{receipt.receipt_id}")
    text_of(client, f"/receipts/of-payment/{receipt.payment_id}")
    assert any("FROM documents" in statement for statement in said)
    assert not [statement for statement in said if "documents.pdf," in statement or "documents.pdf \n" in statement]


def test_the_page_speaks_the_readers_language_and_the_facts_stay_the_same(client: FlaskClient, issue: Issue) -> None:
    receipt = issue()
    factories.sign_in(client, receipt.user)
    client.get("/language/de")
    said = text_of(client, f"/receipts/{receipt.receipt_id}")
    for words in ("Zahlungsbestätigung", "189,20", "Dies ist keine Rechnung"):
        assert words in said


# A paid invoice leads to what became of its money

WHAT_HAPPENED = {
    0: "Thank you.",
    50_00: "€50.00 of it was refunded.",
    1_190_00: "The full amount was refunded.",
}


@pytest.mark.parametrize("refunded", WHAT_HAPPENED)
def test_a_paid_invoice_leads_to_its_receipt_and_says_what_became_of_the_money(
    client: FlaskClient, settings: config.Settings, refunded: int
) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        user = factories.user(session, customer)
        lines = (("Green electricity", 1_000, 1_000_00, 1900),)
        invoice = factories.invoice(session, customer, lines, status="paid", paid_at=clock.now())
        payment = factories.payment(session, customer, invoice)
        if refunded:
            refund = factories.refund(session, payment, amount_minor=refunded)
            ledger.post(
                session,
                "refund",
                debit=LedgerAccount.REFUNDS,
                credit=LedgerAccount.STRIPE,
                amount=refund.amount,
                subject=payment.id,
                reference=f"refund:{refund.id}",
            )
    receipt_id = service.issue(payment.id)
    service.render(receipt_id)
    note_id = service.issue_credit_note(refund.id) if refunded else None
    if note_id:
        service.render(note_id)
    factories.sign_in(client, user)
    page = text_of(client, f"/invoices/{invoice.id}")
    outcome = text_of(client, f"/payments/{payment.id}/outcome?poll=1")
    for said, words in WHAT_HAPPENED.items():
        assert (words in page) == (said == refunded), words
    assert ("Paid. Thank you!" in outcome) == (refunded == 0)
    for shown in (page, outcome):
        assert f'href="/receipts/{receipt_id}"' in shown
        assert note_id is None or f'href="/receipts/{note_id}"' in shown


def test_an_invoice_that_was_paid_elsewhere_has_no_receipt_and_says_thank_you(
    client: FlaskClient, settings: config.Settings
) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        user = factories.user(session, customer)
        invoice = factories.invoice(session, customer, status="paid", paid_at=clock.now())
    factories.sign_in(client, user)
    page = text_of(client, f"/invoices/{invoice.id}")
    assert "Thank you." in page
    assert "receipt" not in page.partition("<main")[2].partition("</main>")[0].lower().replace(
        "receipts-of-invoice", ""
    )


def test_a_document_that_lacks_a_character_is_named_to_staff_and_given_to_nobody_until_they_have_looked(
    app: Flask, client: FlaskClient, issue: Issue
) -> None:
    with db.transaction() as session:
        customer = factories.customer(session, name="Spree \ue0a7 Bikes")
        user, member = factories.user(session, customer), factories.staff(session)
    receipt = issue(owner=Issued(customer, user, "", "", ""))
    factories.sign_in(client, user)
    assert client.get(f"/receipts/{receipt.receipt_id}/pdf").status_code == 503
    desk = app.test_client()
    factories.sign_in(desk, member)
    page, address = f"/support/payments/{receipt.payment_id}", f"/support/documents/{receipt.receipt_id}/rendering"
    shown = text_of(desk, page)
    assert f"{receipt.number} was not sent: missing characters" in shown and "U+E0A7" in shown
    assert "Create again" in shown and "Send as it is" in shown
    form = {"as_it_is": "yes", "csrf_token": factories.csrf_token(desk)}
    assert desk.post(address, data=form).location == page
    assert "missing characters" not in text_of(desk, page)
    service.render(receipt.receipt_id)
    assert client.get(f"/receipts/{receipt.receipt_id}/pdf").status_code == 200
    assert desk.post(address, data=form).location == "/support"
    assert "something has changed in the meantime" in text_of(desk, "/support")
