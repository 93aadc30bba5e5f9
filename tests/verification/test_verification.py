"""Whether a document was issued: what its code tells, to whom, and what a wrong code does not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core import company_days, db
from portal.documents import codes, service
from portal.documents.models import Document, DocumentKind
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from tests import factories

PERSONAL = (
    "Spree Bikes",
    "Oberbaum",
    "DE987654321",
    "ada@",
    "4242",
    "Green electricity",
    "pay_",
    "rct_",
    "crn_",
    "ref_",
)


@pytest.fixture
def issued(client: FlaskClient) -> dict[str, Document]:
    """A payment confirmation, and a credit note whose refund can still fail, by their kind."""
    with db.transaction() as session:
        customer = factories.customer(session)
        payment = factories.payment(session, customer, factories.invoice(session, customer, status="paid"))
        refund = factories.refund(session, payment, amount_minor=19_00)
    service.issue(payment.id)
    service.issue_credit_note(refund.id)
    with db.reading() as session:
        return {document.kind: document for document in session.execute(select(Document)).scalars()}


def told(client: FlaskClient, code: str) -> str:
    answer = client.get(f"/verify/{code}")
    assert answer.status_code == 200
    return " ".join(answer.get_data(as_text=True).split())


def test_a_genuine_document_is_told_by_number_date_and_total_and_nothing_else(
    client: FlaskClient, issued: dict[str, Document]
) -> None:
    for kind, title, total in (
        (DocumentKind.PAYMENT_CONFIRMATION, "This payment confirmation is genuine", "€119.00"),
        (DocumentKind.CREDIT_NOTE, "This credit note is genuine", "€19.00"),
    ):
        said = told(client, issued[kind].code_text)
        for words in (title, issued[kind].number, total, str(company_days.today().year)):
            assert words in said
        assert [words for words in PERSONAL if words in said] == []


def test_a_revoked_credit_note_is_told_to_be_cancelled(client: FlaskClient, issued: dict[str, Document]) -> None:
    note = issued[DocumentKind.CREDIT_NOTE]
    with db.transaction() as session:
        session.get_one(Refund, note.refund_id).status = RefundStatus.FAILED
    assert note.refund_id is not None
    service.revoke_credit_note(note.refund_id)
    said = told(client, note.code_text)
    assert "This credit note was canceled" in said
    assert "genuine" not in said


def writings(code: str) -> Iterator[str]:
    """The ways in which people write one code."""
    yield code
    yield codes.grouped(code).lower()
    yield f"  {codes.grouped(code).replace('-', ' ')} "
    yield codes.grouped(code).replace("-", "\N{EN DASH}")
    yield code.replace("0", "O").replace("1", "l")
    yield code.replace("0", "o").replace("1", "I")


def test_spaces_case_and_letters_that_look_alike_do_not_matter(
    client: FlaskClient, issued: dict[str, Document]
) -> None:
    code = issued[DocumentKind.PAYMENT_CONFIRMATION].code
    for typed in writings(code):
        assert issued[DocumentKind.PAYMENT_CONFIRMATION].number in told(client, typed)
        answer = client.post("/verify", data={"code": typed, "csrf_token": factories.csrf_token(client)})
        assert (answer.status_code, answer.location) == (303, f"/verify/{codes.grouped(code)}")


def body(client: FlaskClient, address: str) -> str:
    """A page without the address that was asked for, which its links to other languages carry, and the form's token."""
    answer = client.get(address)
    assert answer.status_code == 404
    return re.sub(r'next=[^"]*|X-CSRFToken": "[^"]+"', "", answer.get_data(as_text=True))


@pytest.mark.database("sqlite")
def test_wrong_codes_look_all_the_same_whatever_their_form(client: FlaskClient, issued: dict[str, Document]) -> None:
    right = issued[DocumentKind.PAYMENT_CONFIRMATION].code
    wrong = [
        right[:-1] + ("0" if right[-1] != "0" else "2"),
        right[:-1],
        right + "0",
        "x",
        "%00",
        "a/b",
        "U" * 20,
        "ß" * 20,
        "%F0%9F%9A%B2",
        "<script>alert(1)",
        "' OR 1=1--",
        "9" * 300,
    ]
    assert len({body(client, f"/verify/{typed}") for typed in wrong}) == 1
    assert "No such document" in body(client, "/verify/x")
    answer = client.post("/verify", data={"code": right[:-1], "csrf_token": factories.csrf_token(client)})
    assert (answer.status_code, "No such document" in answer.get_data(as_text=True)) == (404, True)


@pytest.mark.database("sqlite")
def test_who_tries_many_codes_has_to_wait_and_who_knows_them_has_not(
    app: Flask, client: FlaskClient, issued: dict[str, Document]
) -> None:
    for _ in range(30):
        told(client, issued[DocumentKind.PAYMENT_CONFIRMATION].code)
    answers = {client.get(f"/verify/{codes.new()}").status_code for _ in range(20)}
    assert answers == {404}
    refused = client.get(f"/verify/{codes.new()}")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    token = factories.csrf_token(client)
    assert client.post("/verify", data={"code": codes.new(), "csrf_token": token}).status_code == 429
    elsewhere = app.test_client().get(f"/verify/{codes.new()}", environ_base={"REMOTE_ADDR": "198.51.100.7"})
    assert elsewhere.status_code == 404


@pytest.mark.database("sqlite")
def test_an_empty_form_asks_for_the_code(client: FlaskClient) -> None:
    answer = client.post("/verify", data={"code": " ", "csrf_token": factories.csrf_token(client)})
    assert answer.status_code == 422
    assert "Please enter the code." in answer.get_data(as_text=True)


def test_a_code_may_be_copied_from_anywhere() -> None:
    code = codes.new()
    full_width = {sign: sign + 0xFEE0 for sign in range(ord("0"), ord("Z") + 1)}
    for between in (
        "\N{NO-BREAK SPACE}",
        "\N{NON-BREAKING HYPHEN}",
        "\N{EM DASH}",
        "\N{MINUS SIGN}",
        "\N{ZERO WIDTH SPACE}",
    ):
        assert codes.read(codes.grouped(code).replace("-", between)) == code, between
    assert codes.read(code.translate(full_width)) == code


def test_a_code_is_printed_in_groups_of_four() -> None:
    assert codes.grouped("7K3M9QXA0B1C2D4E5F6G") == "7K3M-9QXA-0B1C-2D4E-5F6G"


def test_codes_are_long_enough_and_differ() -> None:
    assert len(codes.ALPHABET) ** codes.LENGTH >= 2**100
    made = [codes.new() for _ in range(1_000)]
    assert len(set(made)) == len(made)
    assert set("".join(made)) == set(codes.ALPHABET)
    assert not set("ILOU") & set(codes.ALPHABET)
    assert all(codes.read(codes.grouped(code)) == code for code in made)
