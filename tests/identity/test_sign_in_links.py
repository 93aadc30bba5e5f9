"""Signing in by a link that is mailed, or by its code: in the browser that asked, once, with the second factor besides."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pyotp
import pytest
import structlog
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.core import clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import RateLimited
from portal.identity import second_factor, sessions, sign_in_links, tokens
from portal.identity.models import AccountToken, TokenPurpose, User
from portal.jobs import outbox
from tests import factories
from tests.concurrency import run_concurrently
from tests.smtp import Mailbox, text_of

EMAIL = "ada@spree-bikes.test"
IP = "203.0.113.7"


@pytest.fixture
def user(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session), email=EMAIL)


def post(client: FlaskClient, path: str, **form: str) -> TestResponse:
    return client.post(path, data={**form, "csrf_token": factories.csrf_token(client)})


def ask(client: FlaskClient, email: str = EMAIL, target: str = "/payment-methods") -> None:
    answer = post(client, f"/sign-in/link?next={target}", email=email)
    assert (answer.status_code, answer.location) == (303, "/sign-in/link/code")


def mailed(app: Flask, smtp: Mailbox) -> tuple[str, str]:
    """The path of the link in the one mail that has one, and the code in it."""
    with app.app_context():
        outbox.run_due()
    (message,) = (one for one in smtp.messages if "/sign-in/link/open/" in text_of(one))
    smtp.messages.clear()
    text = text_of(message)
    link = re.search(r"https?://\S+/sign-in/link/open/\S+", text)
    code = re.search(r"\b\d{4} \d{4}\b", text)
    assert link is not None
    assert code is not None
    assert link[0] in text_of(message, "html")
    assert code[0] in text_of(message, "html")
    return urlsplit(link[0]).path, code[0]


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


@pytest.mark.database("sqlite")
def test_the_link_signs_in_the_browser_that_asked_and_its_code_there_alone(
    app: Flask, client: FlaskClient, user: User, smtp: Mailbox
) -> None:
    phone, other = app.test_client(), app.test_client()
    ask(client)
    path, code = mailed(app, smtp)
    elsewhere = phone.get(path)
    assert (elsewhere.status_code, is_signed_in(phone)) == (409, False)
    # Whoever reads the mail over a shoulder asks for a link of their own first, and has no use for this code.
    ask(other)
    _other_path, other_code = mailed(app, smtp)
    assert post(other, "/sign-in/link/code", code=code).status_code == 422
    assert post(client, "/sign-in/link/code", code=other_code).status_code == 422
    with structlog.testing.capture_logs() as logs:
        opened = client.get(path)
    assert (opened.status_code, opened.location, is_signed_in(client)) == (303, "/payment-methods", True)
    assert path.rpartition("/")[2] not in repr(logs)
    # Used up: the link, and what was asked for besides.
    assert phone.get(path).status_code == 404
    assert post(other, "/sign-in/link/code", code=other_code).status_code == 422
    ask(other, target="https://elsewhere.example/")
    _path, code = mailed(app, smtp)
    entered = post(other, "/sign-in/link/code", code=code.replace(" ", "-"))
    assert (entered.status_code, entered.location, is_signed_in(other)) == (303, "/", True)
    with db.reading() as session:
        started = select(AuditEvent).where(AuditEvent.action == "session.started")
        assert [event.facts.get("by") for event in session.scalars(started)] == ["link", "link"]


@pytest.mark.database("sqlite")
def test_the_second_factor_is_asked_for_as_after_a_password(
    app: Flask, client: FlaskClient, user: User, smtp: Mailbox
) -> None:
    second_factor.begin(user.id)
    begun = second_factor.setting_up(user.id)
    assert begun is not None
    totp = pyotp.TOTP(begun.typed.replace(" ", ""))
    with time_machine.travel(clock.now() - timedelta(minutes=2)):
        second_factor.confirm(user.id, factories.PASSWORD, totp.at(clock.now()), ip=IP)
    ask(client)
    path, _code = mailed(app, smtp)
    opened = client.get(path)
    assert (opened.status_code, opened.location) == (303, "/sign-in/code?next=/payment-methods")
    assert not is_signed_in(client)
    entered = post(client, opened.location, code=totp.at(clock.now()))
    assert (entered.status_code, entered.location, is_signed_in(client)) == (303, "/payment-methods", True)


@pytest.mark.database("sqlite")
def test_nobody_learns_who_has_an_account(app: Flask, user: User, smtp: Mailbox) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        factories.user(session, customer, email="gone@spree-bikes.test", active=False)
        factories.user(session, customer, email="invited@spree-bikes.test", password=None)
    answers = set()
    for email in (EMAIL, "nobody@spree-bikes.test", "gone@spree-bikes.test", "invited@spree-bikes.test", "no address"):
        browser = app.test_client()
        ask(browser, email)
        wrong = post(browser, "/sign-in/link/code", code="1234 5678")
        answers.add((wrong.status_code, re.sub(r"(csrf_token|X-CSRFToken)[^>]*", "", wrong.text)))
    assert len(answers) == 1
    with app.app_context():
        outbox.run_due()
    assert [message["To"] for message in smtp.messages] == [EMAIL]


@pytest.mark.database("sqlite")
def test_links_end_after_a_quarter_of_an_hour_and_guessing_is_slowed(app: Flask, user: User, smtp: Mailbox) -> None:
    asked = sign_in_links.ask(EMAIL)
    path, code = mailed(app, smtp)
    with time_machine.travel(clock.now() + timedelta(minutes=16)):
        with pytest.raises(tokens.LinkExpired):
            sign_in_links.open_link(path.rpartition("/")[2], asked, ip=IP, user_agent="")
        with pytest.raises(sign_in_links.WrongLinkCode):
            sign_in_links.enter_code(asked, code, ip=IP, user_agent="")
    for number in range(9):
        with pytest.raises(sign_in_links.WrongLinkCode):
            sign_in_links.enter_code(asked, f"{number:08}", ip=IP, user_agent="")
    with pytest.raises(RateLimited):
        sign_in_links.enter_code(asked, code, ip=IP, user_agent="")
    for _ in range(6):
        sign_in_links.ask(EMAIL)
    with app.app_context():
        outbox.run_due()
    assert len(smtp.messages) == tokens.MOST_AN_HOUR - 1


def test_of_two_at_once_one_is_signed_in_by_link_or_by_code(user: User) -> None:
    asked = sign_in_links.ask(EMAIL)
    sign_in_links.begin(EMAIL, asked["link_id"], tokens.digest(asked["secret"]))
    with db.reading() as session:
        row = session.get_one(AccountToken, asked["link_id"])
    assert row.purpose == TokenPurpose.SIGN_IN
    token, code = tokens.told_again(row.id, row.token_hash), sign_in_links.code_text(row.id)
    outcomes = run_concurrently(
        *[lambda: sign_in_links.open_link(token, asked, ip=IP, user_agent="")] * 2,
        *[lambda: sign_in_links.enter_code(asked, code, ip=IP, user_agent="")] * 2,
    )
    (signed_in,) = [one for one in outcomes if isinstance(one, str)]
    assert {type(one) for one in outcomes if one != signed_in} <= {tokens.LinkExpired, sign_in_links.WrongLinkCode}
    found = sessions.find(signed_in)
    assert found is not None
    assert found.id == user.id


@pytest.mark.database("sqlite")
@pytest.mark.settings(PORTAL_SIGN_IN_LINKS="false")
def test_it_can_be_turned_off(client: FlaskClient, user: User) -> None:
    assert "/sign-in/link" not in client.get("/sign-in").text
    assert client.get("/sign-in/link").status_code == 404


@pytest.mark.database("sqlite")
@pytest.mark.settings(
    PORTAL_STAFF_OIDC_ISSUER="https://login.example.org",
    PORTAL_STAFF_OIDC_CLIENT_ID="portal",
    PORTAL_STAFF_OIDC_CLIENT_SECRET="secret",
    PORTAL_STAFF_OIDC_ROLES="portal-admins:admin",
    PORTAL_STAFF_BREAK_GLASS="ida@nordlicht.test",
)
def test_staff_of_an_identity_provider_get_no_link(app: Flask, user: User, smtp: Mailbox) -> None:
    with db.transaction() as session:
        factories.staff(session, "admin", email="ida@nordlicht.test")
        factories.staff(session, email="uwe@nordlicht.test")
    for email in ("ida@nordlicht.test", "uwe@nordlicht.test", EMAIL):
        sign_in_links.ask(email)
    with app.app_context():
        outbox.run_due()
    assert [message["To"] for message in smtp.messages] == [EMAIL]
