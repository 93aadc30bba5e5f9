"""The apps on one's account page: which there are, and signing one of them out."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.core import config, db
from portal.identity import app_grants
from portal.identity.models import User
from tests import factories
from tests.factories import PASSWORD, csrf_token, sign_in

pytestmark = pytest.mark.database("sqlite")

IPHONE = "Pocketbill/2.1 (iPhone; iOS 20)"


@pytest.fixture
def user(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session))


@pytest.fixture
def browser(client: FlaskClient, user: User) -> FlaskClient:
    sign_in(client, user)
    return client


def app_of(user: User, user_agent: str = IPHONE) -> app_grants.Grant:
    return app_grants.sign_in(user.email, PASSWORD, code=None, wanted=None, ip="203.0.113.7", user_agent=user_agent)


def account(browser: FlaskClient) -> str:
    answer = browser.get("/account")
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.get_data(as_text=True))).split())


def test_apps_stand_beside_the_devices(browser: FlaskClient, user: User) -> None:
    assert "Sign out this app" not in account(browser)
    assert "Sign out everywhere else" not in account(browser)
    app_of(user)
    app_of(user, "<script>alert(1)</script>")
    told = account(browser)
    assert re.search(r"Pocketbill, iPhone 203\.0\.113\.7 · signed in since .+, last used ", told), told
    assert "<script>alert" in told, "shown as the letters that it is"
    assert "<script>alert" not in browser.get("/account").get_data(as_text=True)
    assert "Sign out everywhere else" in told


def test_an_app_is_signed_out_by_its_button_and_no_other_one(browser: FlaskClient, user: User) -> None:
    lost, kept = app_of(user), app_of(user, "Tablet/1.0")
    for _ in range(2):
        answer = browser.post(f"/account/apps/{lost.id}/end", data={"csrf_token": csrf_token(browser)})
        assert (answer.status_code, answer.location) == (303, "/account")
    told = account(browser)
    assert "The app is signed out." in told
    assert "Pocketbill" not in told
    assert "Tablet" in told
    assert app_grants.standing(lost.id) is None
    assert app_grants.standing(kept.id) is not None


def test_signing_out_everywhere_else_ends_apps(browser: FlaskClient, user: User) -> None:
    app = app_of(user)
    browser.post("/account/sessions/end-others", data={"csrf_token": csrf_token(browser)})
    assert app_grants.standing(app.id) is None
    assert "Pocketbill" not in account(browser)


def test_nobody_signs_out_anothers_app(app: Flask, browser: FlaskClient, user: User) -> None:
    mine = app_of(user)
    with db.transaction() as session:
        other = factories.user(session, factories.customer(session))
    elsewhere = app.test_client()
    sign_in(elsewhere, other)
    assert "Pocketbill" not in account(elsewhere)
    answer = elsewhere.post(f"/account/apps/{mine.id}/end", data={"csrf_token": csrf_token(elsewhere)})
    assert answer.status_code == 404
    assert app_grants.standing(mine.id) is not None
