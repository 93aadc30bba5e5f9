"""The page of a customer's people, and what each role finds on the others."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.accounts import colleagues
from portal.accounts.models import Customer
from portal.core import config, db
from portal.identity.models import User
from tests import factories
from tests.factories import csrf_token, sign_in

# What the pages do with the database is the service's business, and tested there on both.
pytestmark = pytest.mark.database("sqlite")

PEOPLE = "/account/people"
EVE = {"new-name": "Eve Lang", "new-email": "eve@spree-bikes.test", "new-role": "viewer", "new-language": "en"}

Hire = Callable[..., tuple[User, FlaskClient]]


@pytest.fixture
def hire(app: Flask, settings: config.Settings) -> Hire:
    """One more person of the same customer, signed in with a browser of their own."""
    with db.transaction() as session:
        customer_id = factories.customer(session).id

    def hired(role: str, **values: Any) -> tuple[User, FlaskClient]:
        with db.transaction() as session:
            user = factories.user(session, session.get_one(Customer, customer_id), role, **values)
        browser = app.test_client()
        if user.password_hash:
            sign_in(browser, user)
        return user, browser

    return hired


def post(browser: FlaskClient, path: str, **form: str) -> TestResponse:
    return browser.post(path, data={**form, "csrf_token": csrf_token(browser)})


def text(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def after(answer: TestResponse, browser: FlaskClient) -> str:
    """The page that one is sent to."""
    assert (answer.status_code, answer.location) == (303, PEOPLE)
    return text(browser.get(PEOPLE))


def test_an_owner_invites_changes_removes_and_lets_back_in(hire: Hire) -> None:
    _ada, browser = hire("owner")
    page = after(post(browser, PEOPLE, **EVE), browser)
    assert "The invitation was sent to eve@spree-bikes.test." in page
    assert "Invited until" in page
    with db.reading() as session:
        eve = session.query(User).filter_by(email=EVE["new-email"]).one()
    assert eve.customer_role == "viewer"
    assert "sent again" in after(post(browser, f"{PEOPLE}/{eve.id}/invitation"), browser)
    page = after(post(browser, f"{PEOPLE}/{eve.id}/withdrawal"), browser)
    assert "The invitation is withdrawn." in page and EVE["new-email"] not in page

    ben, his = hire("payer", name="Ben Kurz")
    assert "The role is changed." in after(
        post(browser, f"{PEOPLE}/{ben.id}/role", **{f"{ben.id}-role": "viewer"}), browser
    )
    page = after(post(browser, f"{PEOPLE}/{ben.id}/access/end"), browser)
    assert "can no longer sign in" in page and "No access" in page
    assert his.get("/").location.startswith("/sign-in")
    assert "can sign in again" in after(post(browser, f"{PEOPLE}/{ben.id}/access/restoration"), browser)
    sign_in(his, ben)


def test_a_form_that_cannot_be_sent_keeps_what_was_typed(hire: Hire) -> None:
    ben, _his = hire("viewer")
    _ada, browser = hire("owner")
    for changed, field in (
        ({"new-email": "no address"}, "new-email"),
        ({"new-email": ben.email}, "new-email"),
        ({"new-name": ""}, "new-name"),
        ({"new-role": "admin"}, "new-role"),
    ):
        answer = post(browser, PEOPLE, **(EVE | changed))
        assert answer.status_code == 422
        assert f'id="{field}-error"' in text(answer)
        assert 'value="Eve Lang"' in text(answer) or field == "new-name"


def test_the_daily_limit_says_when_to_come_back(hire: Hire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colleagues, "MOST_INVITATIONS_A_DAY", 1)
    _ada, browser = hire("owner")
    post(browser, PEOPLE, **EVE)
    answer = post(browser, PEOPLE, **(EVE | {"new-email": "fay@spree-bikes.test"}))
    assert answer.status_code == 429
    assert 86_000 < int(answer.headers["Retry-After"]) <= 86_400
    assert "fay@spree-bikes.test" in text(answer)
    assert "1 invitations a day" in text(answer)


def test_the_only_owner_is_told_to_make_another_one_first(hire: Hire) -> None:
    ada, browser = hire("owner")
    assert "The only owner" in text(browser.get(PEOPLE))
    for path, form in (("access/end", {}), ("role", {f"{ada.id}-role": "viewer"})):
        answer = post(browser, f"{PEOPLE}/{ada.id}/{path}", **form)
        assert answer.status_code == 409
        assert "Please make someone else an owner first." in text(answer)
    hire("owner")
    assert post(browser, f"{PEOPLE}/{ada.id}/access/end").status_code == 303
    assert browser.get(PEOPLE).location.startswith("/sign-in")


@pytest.mark.parametrize("role", ["payer", "viewer"])
def test_who_is_no_owner_sees_the_list_and_changes_nothing(hire: Hire, role: str) -> None:
    ada, _hers = hire("owner", name="Ada Brandt")
    hire("viewer", email="eve@spree-bikes.test", password=None)
    _ben, browser = hire(role)
    page = text(browser.get(PEOPLE))
    assert "Ada Brandt" in page and "eve@spree-bikes.test" in page
    assert f'action="{PEOPLE}' not in page
    account = text(browser.get("/account"))
    assert "Only owners can change this." in account and "Oberbaumstraße 5" in account
    assert 'name="billing-name"' not in account
    refused = post(browser, f"{PEOPLE}/{ada.id}/access/end")
    assert refused.status_code == 403
    assert "Your account page shows whom to ask" in text(refused)


def test_a_role_that_was_lowered_holds_on_the_next_page(hire: Hire) -> None:
    _ada, browser = hire("owner")
    ben, his = hire("payer")
    assert his.get("/payment-methods/new").status_code == 200
    post(browser, f"{PEOPLE}/{ben.id}/role", **{f"{ben.id}-role": "viewer"})
    refused = his.get("/payment-methods/new")
    assert refused.status_code == 403
    assert "Your account page shows whom to ask" in text(refused)


def test_who_takes_up_an_invitation_reads_whose_account_it_is(app: Flask, hire: Hire) -> None:
    ada, _browser = hire("owner")
    assert ada.customer_id is not None
    made = colleagues.invite(ada.customer_id, by=ada.id, name="Eve Lang", email=EVE["new-email"], role="payer")
    newcomer = app.test_client()
    page = text(newcomer.get("/" + made.link.split("/", 3)[3], follow_redirects=True))
    assert "This account belongs to Spree Bikes GmbH" in page
