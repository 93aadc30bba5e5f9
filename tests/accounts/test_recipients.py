"""Further recipients of documents: who adds them, how an address is proved, and what staff and customers see of it."""

from __future__ import annotations

import html
import smtplib
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.accounts import colleagues, queries, recipients
from portal.accounts.models import Customer, DocumentRecipient, RecipientMail
from portal.accounts.recipients import Wish
from portal.content import mail
from portal.core import clock, db
from portal.core.audit import AuditEvent
from portal.core.errors import Invalid, NotFound
from portal.identity.models import User
from portal.identity.tokens import LinkExpired
from tests import factories
from tests.accounts.conftest import Mails, token_of
from tests.smtp import Mailbox

BOOKS = "books@spree-bikes.test"
INVOICES = Wish("de", [RecipientMail.INVOICES])
ALL = Wish("en", list(RecipientMail))


@pytest.fixture
def customer(database: object, settings: object) -> Customer:
    with db.transaction() as session:
        return factories.customer(session)


@pytest.fixture
def owner(customer: Customer) -> User:
    with db.transaction() as session:
        return factories.user(session, customer, email="ada@spree-bikes.test")


def gets(customer: Customer, kind: RecipientMail) -> list[str]:
    with db.reading() as session:
        return queries.addresses(session, customer.id, kind)


def actions(recipient_id: str) -> list[str]:
    with db.reading() as session:
        query = select(AuditEvent.action).where(AuditEvent.subject == recipient_id).order_by(AuditEvent.number)
        return list(session.scalars(query))


def add(customer: Customer, email: str = BOOKS, wish: Wish = INVOICES, *, by_staff: bool = False) -> DocumentRecipient:
    return recipients.add(customer.id, email, wish, by_staff=by_staff)


def text(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def post(browser: FlaskClient, path: str, **form: Any) -> TestResponse:
    return browser.post(path, data={**form, "csrf_token": factories.csrf_token(browser)})


def test_whom_staff_add_gets_what_was_chosen_at_once_and_nothing_else(customer: Customer) -> None:
    added = add(customer, by_staff=True)
    assert gets(customer, RecipientMail.INVOICES) == [customer.email, BOOKS]
    assert gets(customer, RecipientMail.CREDIT_NOTES) == [customer.email]
    assert actions(added.id) == ["recipient.added"]


def test_an_address_that_the_customer_adds_gets_nothing_before_its_link_was_used_once(
    customer: Customer, mails: Mails
) -> None:
    added = add(customer)
    assert gets(customer, RecipientMail.INVOICES) == [customer.email]
    ((to, subject, link),) = mails()
    assert (to, subject) == (BOOKS, "Bitte bestätigen Sie: Dokumente von Nordlicht Energie GmbH an diese Adresse")
    assert recipients.to_confirm(token_of(link)).email == BOOKS
    assert gets(customer, RecipientMail.INVOICES) == [customer.email]
    recipients.confirm(token_of(link))
    assert gets(customer, RecipientMail.INVOICES) == [customer.email, BOOKS]
    with pytest.raises(LinkExpired):
        recipients.confirm(token_of(link))
    assert actions(added.id) == ["recipient.added", "recipient.confirmed"]


def test_a_link_expires_and_one_of_a_removed_recipient_opens_nothing(customer: Customer, mails: Mails) -> None:
    added = add(customer)
    ((_to, _subject, link),) = mails()
    with db.transaction() as session:
        session.get_one(DocumentRecipient, added.id).expires_at = clock.now() - timedelta(seconds=1)
    with pytest.raises(LinkExpired):
        recipients.confirm(token_of(link))
    recipients.ask_again(customer.id, added.id)
    ((_to, _subject, again),) = mails()
    recipients.remove(customer.id, added.id)
    with pytest.raises(LinkExpired):
        recipients.confirm(token_of(again))
    assert actions(added.id) == ["recipient.added", "recipient.asked", "recipient.removed"]


def test_who_signs_in_for_the_customer_has_proved_the_address_and_who_does_for_another_has_not(
    customer: Customer, owner: User, mails: Mails
) -> None:
    with db.transaction() as session:
        colleague = factories.user(session, customer, email="finn@spree-bikes.test")
        factories.user(session, factories.customer(session), email="eve@elsewhere.test")
    assert add(customer, colleague.email).confirmed_at is not None
    assert add(customer, "eve@elsewhere.test").confirmed_at is None
    assert [to for to, _subject, _link in mails()] == ["eve@elsewhere.test"]


@pytest.mark.parametrize(
    ("email", "wish", "field"),
    [
        ("no address", INVOICES, "email"),
        ("ADA@spree-bikes.test", INVOICES, "email"),
        ("Books@Spree-Bikes.test", INVOICES, "email"),
        ("new@spree-bikes.test", Wish("en", []), "mails"),
        ("new@spree-bikes.test", Wish("en", ["reminders of nothing"]), "mails"),
    ],
    ids=["no address", "the billed one", "there already", "nothing", "nonsense"],
)
def test_what_is_typed_is_checked(customer: Customer, email: str, wish: Wish, field: str) -> None:
    add(customer, by_staff=True)
    with pytest.raises(Invalid) as refused:
        add(customer, email, wish, by_staff=True)
    assert refused.value.field == field


def test_there_are_a_few_recipients_and_a_few_links_a_day(customer: Customer, mails: Mails) -> None:
    for number in range(recipients.MOST_RECIPIENTS):
        add(customer, f"b{number}@spree-bikes.test", by_staff=True)
    with pytest.raises(recipients.TooManyRecipients):
        add(customer, by_staff=True)
    for one in recipients.of_customer(customer.id).recipients:
        recipients.remove(customer.id, one.id)
    added = add(customer)
    for _again in range(colleagues.MOST_INVITATIONS_A_DAY - 1):
        recipients.ask_again(customer.id, added.id)
    with pytest.raises(colleagues.TooManyInvitations):
        recipients.ask_again(customer.id, added.id)


def test_what_is_changed_counts_from_then_on_with_before_and_after(customer: Customer) -> None:
    added = add(customer, by_staff=True)
    recipients.change(customer.id, added.id, ALL)
    recipients.change(customer.id, added.id, ALL)
    assert gets(customer, RecipientMail.CREDIT_NOTES) == [customer.email, BOOKS]
    with db.reading() as session:
        (said,) = session.scalars(select(AuditEvent.facts).where(AuditEvent.action == "recipient.changed"))
    assert said["mails"] == ["invoices", " ".join(RecipientMail)]
    assert said["language"] == ["de", "en"]


def test_nobody_touches_the_recipients_of_another_customer(customer: Customer) -> None:
    added = add(customer, by_staff=True)
    with db.transaction() as session:
        stranger = factories.customer(session)
    for act in (recipients.remove, recipients.one, recipients.ask_again):
        with pytest.raises(NotFound):
            act(stranger.id, added.id)
    with pytest.raises(NotFound):
        recipients.change(stranger.id, added.id, ALL)
    assert gets(customer, RecipientMail.INVOICES) == [customer.email, BOOKS]


def test_what_the_mail_server_refused_is_shown_to_staff_and_to_the_customer_until_it_takes_one(
    customer: Customer, owner: User, app: Flask, smtp: Mailbox
) -> None:
    add(customer, by_staff=True)

    def send(key: str) -> None:
        with app.app_context():
            mail.send(
                key=key, to=BOOKS, subject="Hello", template="accounts/mails/account_exists", locale="en",
                customer_id=customer.id, name="Ada", link="http://127.0.0.1/",
            )  # fmt: skip

    smtp.refuse_next("550 5.1.1 no such mailbox", to=BOOKS)
    with pytest.raises(smtplib.SMTPException):
        send("one")
    browser, desk = app.test_client(), app.test_client()
    factories.sign_in(browser, owner)
    with db.transaction() as session:
        staff = factories.staff(session)
    factories.sign_in(desk, staff)
    shown = text(browser.get("/account/recipients"))
    assert "Refused by the mail server" in shown and "no such mailbox" not in shown
    assert "550 5.1.1 no such mailbox" in text(desk.get(f"/support/customers/{customer.id}/recipients"))
    assert f"The mail server refused: {BOOKS}" in text(desk.get(f"/support/customers/{customer.id}"))
    smtp.refuse_next("451 4.3.0 later", to=BOOKS)
    with pytest.raises(smtplib.SMTPException):
        send("two")
    send("three")
    assert "Refused by the mail server" not in text(browser.get("/account/recipients"))


def test_an_owner_adds_changes_and_removes_a_recipient_on_the_page(
    customer: Customer, owner: User, app: Flask, mails: Mails
) -> None:
    browser, stranger = app.test_client(), app.test_client()
    factories.sign_in(browser, owner)
    refused = post(browser, "/account/recipients", email="no address", language="en", mails=["invoices"])
    assert refused.status_code == 422 and "no address" in text(refused)
    assert post(browser, "/account/recipients", email=BOOKS, language="de", mails=["invoices"]).status_code == 303
    assert "Not confirmed yet" in text(browser.get("/account/recipients"))
    ((_to, _subject, link),) = mails()
    stranger.get(urlsplit(link).path)
    assert BOOKS in text(stranger.get("/recipients/confirmation"))
    assert "The address is confirmed" in text(post(stranger, "/recipients/confirmation"))
    assert stranger.get(urlsplit(link).path, follow_redirects=True).status_code == 404
    ((recipient),) = recipients.of_customer(customer.id).recipients
    page = f"/account/recipients/{recipient.id}"
    assert post(browser, page, language="en", mails=["credit_notes"], with_xml="y").status_code == 303
    kept = recipients.one(customer.id, recipient.id)
    assert (kept.gets, kept.language, kept.with_xml) == ([RecipientMail.CREDIT_NOTES], "en", True)
    assert post(browser, f"{page}/removal").status_code == 303
    assert BOOKS not in text(browser.get("/account/recipients"))
