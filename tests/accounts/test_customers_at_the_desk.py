"""Customers at the desk: their details, the addresses of their people, and those who are let go."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.accounts import access, customer_access, queries, service
from portal.accounts.models import Customer
from portal.core import audit, clock, db
from portal.core.audit import AuditEvent
from portal.core.errors import Conflict, Invalid
from portal.documents import service as documents
from portal.documents.models import PaymentDocument
from portal.identity import email_changes, signing_in
from portal.identity.models import User
from portal.identity.signing_in import WrongCredentials
from portal.identity.tokens import LinkExpired
from portal.mandates.models import Mandate
from tests import factories
from tests.accounts.conftest import Mails, token_of
from tests.factories import PASSWORD

DETAILS = service.Details(
    name="Spree Bikes AG",
    email="billing@spree-bikes.test",
    address="Am Ufer 1\n10999 Berlin",
    country="DE",
    tax_id="DE 136.695.976",
    language="de",
)
NEW = "ada@elsewhere.test"


@pytest.fixture
def customer(database: object, settings: object) -> Customer:
    with db.transaction() as session:
        return factories.customer(session)


@pytest.fixture
def ada(customer: Customer) -> User:
    with db.transaction() as session:
        return factories.user(session, customer, email="ada@spree-bikes.test")


@pytest.fixture
def admin(customer: Customer) -> User:
    with db.transaction() as session:
        return factories.staff(session, "admin")


@pytest.fixture
def browser(app: Flask, admin: User) -> FlaskClient:
    client = app.test_client()
    factories.sign_in(client, admin)
    return client


def post(browser: FlaskClient, path: str, **form: str) -> TestResponse:
    return browser.post(path, data={**form, "csrf_token": factories.csrf_token(browser)})


def text(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def now(customer: Customer) -> Customer:
    with db.reading() as session:
        return session.get_one(Customer, customer.id)


def facts(action: str) -> list[dict[str, object]]:
    with db.reading() as session:
        return list(session.scalars(select(AuditEvent.facts).where(AuditEvent.action == action)))


# Details


def test_details_are_changed_with_before_and_after_and_documents_keep_what_they_say(
    customer: Customer, mails: Mails
) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, customer)
    receipt = documents.issue(payment.id)
    with db.reading() as session:
        frozen = session.get_one(PaymentDocument, receipt).facts
    service.change_details(customer.id, customer.version, DETAILS)
    kept = now(customer)
    assert (kept.name, kept.email, kept.tax_id, kept.version) == (DETAILS.name, DETAILS.email, "DE136695976", 2)
    (changed,) = facts("customer.changed")
    assert changed["name"] == [customer.name, DETAILS.name]
    assert changed["email"] == [customer.email, DETAILS.email]
    with db.reading() as session:
        assert session.get_one(PaymentDocument, receipt).facts == frozen
        assert queries.receipt_addresses(session, customer.id, None) == [DETAILS.email]
    assert (customer.email, "Ihre Dokumente von Nordlicht Energie GmbH gehen jetzt an eine andere Adresse") in {
        (to, subject) for to, subject, _link in mails()
    }


def test_of_two_who_edit_at_once_the_second_is_told_and_keeps_what_they_typed(
    customer: Customer, browser: FlaskClient
) -> None:
    page = f"/support/customers/{customer.id}/details"
    typed = {"version": "1", "name": "Spree Räder", "email": customer.email, "country": "DE", "language": "en"}
    service.change_details(customer.id, 1, replace(DETAILS, name="Someone else’s"))
    refused = post(browser, page, **typed)
    assert refused.status_code == 409
    assert 'value="Spree Räder"' in text(refused)
    assert "Someone else’s" in text(refused)
    assert now(customer).name == "Someone else’s"
    version = re.search(r'name="version" type="hidden" value="(\d+)"', text(refused))
    assert version
    assert post(browser, page, **typed | {"version": version[1]}).status_code == 303
    assert now(customer).name == "Spree Räder"


@pytest.mark.parametrize(
    ("tax_id", "country", "kept"),
    [
        ("DE136695976", "DE", "DE136695976"),
        ("de 136 695 976", "", "DE136695976"),
        ("EL 094259216", "GR", "EL094259216"),
        ("GB 980 7806 84", "GB", "GB 980 7806 84"),
        ("12-3456789", "US", "12-3456789"),
        ("", "DE", ""),
        ("DE136695977", "DE", None),
        ("DE1366959", "DE", None),
        ("136695976", "DE", None),
        ("094259216", "GR", None),
        ("CHE-107.787.578 MWST", "CH", None),
    ],
)
def test_a_vat_id_is_checked_by_its_format_and_its_digits(
    customer: Customer, tax_id: str, country: str, kept: str | None
) -> None:
    wanted = replace(DETAILS, tax_id=tax_id, country=country)
    if kept is None:
        with pytest.raises(Invalid) as refused:
            service.change_details(customer.id, 1, wanted)
        assert refused.value.field == "tax_id"
        assert now(customer).version == 1
    else:
        service.change_details(customer.id, 1, wanted)
        assert now(customer).tax_id == kept


def test_a_vat_id_that_is_older_than_the_check_stays_as_it_is(customer: Customer) -> None:
    with db.transaction() as session:
        session.get_one(Customer, customer.id).tax_id = "DE1"
    service.change_billing_details(customer.id, name="Spree AG", address="", country="DE", tax_id="DE1")
    assert (now(customer).name, now(customer).tax_id) == ("Spree AG", "DE1")


def test_staff_create_a_customer_whose_owner_chooses_a_password(browser: FlaskClient, mails: Mails) -> None:
    form = {
        "name": "Elbe Boats",
        "email": "eve@elbe-boats.test",
        "contact": "Eve Lang",
        "language": "de",
        "country": "",
    }
    made = post(browser, "/support/customers/new", **form)
    assert "Elbe Boats" in text(browser.get(made.location))
    ((to, _subject, link),) = mails()
    assert (to, service.invited(token_of(link)).name) == ("eve@elbe-boats.test", "Eve Lang")
    again = post(browser, "/support/customers/new", **form)
    assert again.status_code == 422
    assert "Someone already signs in with this e-mail address." in text(again)


def test_staff_invite_another_owner_and_the_owners_are_told(
    customer: Customer, ada: User, browser: FlaskClient, mails: Mails
) -> None:
    form = {"name": "Eve Lang", "email": "eve@spree-bikes.test", "language": "en"}
    assert post(browser, f"/support/customers/{customer.id}/people/new", **form).status_code == 303
    assert {to for to, _subject, _link in mails()} == {"eve@spree-bikes.test", ada.email}


# Addresses of people


def test_a_new_address_counts_once_it_is_proved_and_the_old_one_is_told(ada: User, mails: Mails) -> None:
    email_changes.ask(ada.id, NEW, by=ada.id)
    sent = {to: link for to, _subject, link in mails()}
    assert sent.keys() == {NEW, ada.email}
    signing_in.authenticate(ada.email, PASSWORD, ip="")
    email_changes.confirm(token_of(sent[NEW]))
    assert signing_in.authenticate(NEW, PASSWORD, ip="").id == ada.id
    with pytest.raises(WrongCredentials):
        signing_in.authenticate(ada.email, PASSWORD, ip="")
    with pytest.raises(LinkExpired):
        email_changes.confirm(token_of(sent[NEW]))
    assert [(to, subject) for to, subject, _link in mails()] == [
        (ada.email, "Your e-mail address for Nordlicht Energie GmbH was changed")
    ]
    assert facts("user.email_changed") == [{"email": [ada.email, NEW]}]


@pytest.mark.parametrize("confirmed", [False, True])
def test_the_old_address_stops_a_change_or_takes_it_back(ada: User, mails: Mails, confirmed: bool) -> None:
    email_changes.ask(ada.id, NEW, by=ada.id)
    sent = {to: link for to, _subject, link in mails()}
    if confirmed:
        email_changes.confirm(token_of(sent[NEW]))
    email_changes.stop(token_of(sent[ada.email]))
    assert signing_in.authenticate(ada.email, PASSWORD, ip="").id == ada.id
    with pytest.raises(LinkExpired):
        email_changes.confirm(token_of(sent[NEW]))
    assert (ada.email, "Choose a new password for Nordlicht Energie GmbH") in {
        (to, what) for to, what, _link in mails()
    }


def test_a_taken_address_answers_as_a_free_one_and_its_owner_is_told(
    ada: User, customer: Customer, mails: Mails
) -> None:
    with db.transaction() as session:
        factories.user(session, customer, email=NEW)
    email_changes.ask(ada.id, NEW, by=ada.id)
    assert email_changes.waiting(ada.id) == NEW
    assert {(to, subject) for to, subject, _link in mails()} == {
        (NEW, "You already have an account at Nordlicht Energie GmbH"),
        (ada.email, "Your e-mail address for Nordlicht Energie GmbH is to be changed"),
    }


def test_an_address_that_is_taken_meanwhile_is_refused_and_nothing_changes(
    ada: User, customer: Customer, mails: Mails
) -> None:
    email_changes.ask(ada.id, NEW, by=ada.id)
    sent = {to: link for to, _subject, link in mails()}
    with db.transaction() as session:
        factories.user(session, customer, email=NEW)
    with pytest.raises(email_changes.AddressTaken):
        email_changes.confirm(token_of(sent[NEW]))
    assert signing_in.authenticate(ada.email, PASSWORD, ip="").id == ada.id


def test_opening_a_link_changes_nothing_until_the_button_is_pressed(ada: User, app: Flask, mails: Mails) -> None:
    email_changes.ask(ada.id, NEW, by=ada.id)
    sent = {to: link for to, _subject, link in mails()}
    mailbox = app.test_client()
    for link in sent.values():
        assert mailbox.get(re.sub(r"https?://[^/]+", "", link), follow_redirects=True).status_code == 200
    assert signing_in.authenticate(ada.email, PASSWORD, ip="").id == ada.id
    assert post(mailbox, "/account/email/confirmation").status_code == 303
    assert signing_in.authenticate(NEW, PASSWORD, ip="").id == ada.id


def test_staff_ask_for_someone_who_lost_their_mailbox_and_are_told_of_a_taken_address(
    ada: User, admin: User, browser: FlaskClient, mails: Mails
) -> None:
    page = f"/support/customers/people/{ada.id}/email"
    assert post(browser, page, email=NEW).status_code == 303
    sent = {to: link for to, _subject, link in mails()}
    assert sent.keys() == {NEW, ada.email}
    refused = post(browser, page, email=admin.email)
    assert refused.status_code == 422
    assert "Someone already signs in with this e-mail address. Nothing was changed." in text(refused)
    email_changes.confirm(token_of(sent[NEW]))


def test_an_invitation_that_went_to_a_wrong_address_goes_to_another(
    customer: Customer, browser: FlaskClient, mails: Mails
) -> None:
    with db.transaction() as session:
        invited = factories.user(session, customer, password=None, email="wrong@spree-bikes.test")
    service.invite_again(invited.id)
    ((_to, _subject, first),) = mails()
    assert post(browser, f"/support/customers/people/{invited.id}/email", email=NEW).status_code == 303
    ((to, _subject, link),) = mails()
    assert (to, service.invited(token_of(link)).email) == (NEW, NEW)
    with pytest.raises(LinkExpired):
        service.invited(token_of(first))


# Letting go


def test_a_deactivated_customer_signs_in_no_more_and_is_charged_no_more_but_still_owes(
    customer: Customer, ada: User, admin: User, app: Flask, browser: FlaskClient
) -> None:
    with db.transaction() as session:
        invoice = factories.invoice(session, customer)
        left = factories.user(session, customer, active=False)
        session.add(
            Mandate(
                id="mnd_1",
                customer_id=customer.id,
                given_by=ada.id,
                given_at=clock.now(),
                ip="",
                language="en",
                terms="",
            )
        )
    hers = app.test_client()
    factories.sign_in(hers, ada)
    page = f"/support/customers/{customer.id}/deactivation"
    shown = text(browser.get(page))
    assert "€119.00" in shown
    assert "Ada Brandt can no longer sign in" in shown
    assert "Ends now" in shown
    assert post(browser, page, reason="").status_code == 422
    assert now(customer).deactivated_at is None
    assert post(browser, page, reason="Moved abroad").status_code == 303
    assert hers.get("/").location.startswith("/sign-in")
    with pytest.raises(WrongCredentials):
        signing_in.authenticate(ada.email, PASSWORD, ip="")
    with db.reading() as session:
        mandate = session.get_one(Mandate, "mnd_1")
        assert (mandate.ended_by, mandate.ended_at is None) == (admin.id, False)
        assert session.get_one(type(invoice), invoice.id).status == "open"
    assert "Deactivated on" in text(browser.get(f"/support/customers/{customer.id}"))
    with pytest.raises(service.Deactivated):
        service.invite_owner(customer.id, name="Eve", email=NEW)
    with pytest.raises(Conflict):
        access.restore(ada.id)
    assert facts("customer.deactivated") == [{"reason": "Moved abroad", "people": 1}]
    # And back: those who could sign in can again, and nobody else.
    assert post(browser, f"/support/customers/{customer.id}/reactivation").status_code == 303
    assert signing_in.authenticate(ada.email, PASSWORD, ip="").id == ada.id
    with db.reading() as session:
        assert not session.get_one(User, left.id).active
    assert facts("customer.reactivated") == [{"people": 1}]


def test_a_second_deactivation_changes_nothing(customer: Customer, ada: User, admin: User) -> None:
    with audit.acting(audit.Actor("staff", admin.id)):
        customer_access.deactivate(customer.id, "Moved", by=admin.id)
        first = now(customer).deactivated_at
        customer_access.deactivate(customer.id, "Again", by=admin.id)
    assert now(customer).deactivated_at == first
    assert len(facts("customer.deactivated")) == 1
