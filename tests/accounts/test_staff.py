"""The page of those who work here: what an admin does there, in a browser's words."""

from __future__ import annotations

import html
import re

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.accounts import access
from portal.core import db
from portal.identity import second_factor, signing_in
from portal.identity.models import User
from tests import factories

pytestmark = pytest.mark.database("sqlite")

DESK = "/support/staff"


@pytest.fixture
def admin(settings: object) -> User:
    with db.transaction() as session:
        return factories.staff(session, "admin", name="Ida Admin")


@pytest.fixture
def browser(app: Flask, admin: User) -> FlaskClient:
    client = app.test_client()
    factories.sign_in(client, admin)
    return client


def post(browser: FlaskClient, path: str, **form: str) -> TestResponse:
    return browser.post(DESK + path, data={**form, "csrf_token": factories.csrf_token(browser)})


def text(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def test_an_admin_invites_changes_ends_and_restores(browser: FlaskClient, admin: User) -> None:
    eve = {"new-name": "Eve Lang", "new-email": "eve@portal.test", "new-role": "support", "new-language": "en"}
    assert post(browser, "", **eve).status_code == 303
    (made,) = [one for one in access.of_staff() if one.name == "Eve Lang"]
    page = text(browser.get(DESK))
    assert "The invitation was sent to eve@portal.test." in page
    assert "Invited until" in page and "The only admin" in page
    assert post(browser, f"/{made.id}/invitation").status_code == 303
    assert post(browser, f"/{made.id}/role", **{f"{made.id}-role": "approver"}).status_code == 303
    assert access.member(made.id).role == "approver"
    assert post(browser, f"/{made.id}/access/end").status_code == 303
    assert "No access" in text(browser.get(DESK))
    assert post(browser, f"/{made.id}/access/restoration").status_code == 303
    assert access.member(made.id).status == "invited"


def test_what_is_refused_is_told_above_the_list(browser: FlaskClient, admin: User) -> None:
    refused = post(browser, f"/{admin.id}/access/end")
    assert refused.status_code == 409
    assert "Nothing was changed" in text(refused) and "This is the only admin who can sign in." in text(refused)
    taken = post(browser, "", **{"new-name": "X", "new-email": admin.email, "new-role": "admin", "new-language": "en"})
    assert taken.status_code == 422
    assert "Someone already signs in with this e-mail address." in text(taken)


def test_who_is_signed_in_loses_every_page_at_once(app: Flask, browser: FlaskClient) -> None:
    with db.transaction() as session:
        tom = factories.staff(session, "approver")
    leaving = app.test_client()
    factories.sign_in(leaving, tom)
    assert leaving.get("/support").status_code == 200
    assert post(browser, f"/{tom.id}/access/end").status_code == 303
    assert leaving.get("/support").location == "/sign-in?next=/support"


def test_a_lost_second_factor_is_reset_and_the_code_is_shown_once(browser: FlaskClient) -> None:
    with db.transaction() as session:
        tom = factories.staff(session, name="Tom Lost")
    second_factor.begin(tom.id)
    begun = second_factor.setting_up(tom.id)
    assert begun is not None
    code = pyotp.TOTP(begun.typed.replace(" ", "")).now()
    second_factor.confirm(tom.id, factories.PASSWORD, code, ip="")
    assert "Reset two-step verification" in text(browser.get(DESK))
    answer = post(browser, f"/{tom.id}/second-factor/reset")
    shown = re.search(r"<code id=\"code\"[^>]*>(\d{4}-\d{4}-\d{4})</code>", text(answer))
    assert shown is not None
    assert "Being set up again" in text(browser.get(DESK))
    assert signing_in.authenticate(tom.email, factories.PASSWORD, ip="", code=shown[1]).id == tom.id
