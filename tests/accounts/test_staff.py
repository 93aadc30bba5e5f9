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
from portal.core.four_eyes import Reviewer
from portal.identity import second_factor, signing_in
from portal.identity.models import User
from portal.refunds import service as refunds
from portal.refunds.deciding import ClaimedByOther
from portal.refunds.models import Refund
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
    assert "Change role" not in text(browser.get(f"{DESK}/{admin.id}")), "nobody changes their own"
    assert post(browser, f"/{made.id}/invitation").status_code == 303
    assert post(browser, f"/{made.id}/role", **{"new-role": "approver"}).status_code == 303
    assert access.member(made.id).role == "approver"
    assert post(browser, f"/{made.id}/access/end").status_code == 303
    assert "No access" in text(browser.get(DESK))
    assert post(browser, f"/{made.id}/access/restoration").status_code == 303
    assert access.member(made.id).status == "invited"


def test_what_is_refused_is_told_above_the_page(browser: FlaskClient, admin: User) -> None:
    refused = post(browser, f"/{admin.id}/access/end")
    assert refused.status_code == 409
    assert "Nothing was changed" in text(refused) and "This is the only admin who can sign in." in text(refused)
    taken = post(browser, "", **{"new-name": "X", "new-email": admin.email, "new-role": "admin", "new-language": "en"})
    assert taken.status_code == 422
    assert "Someone already signs in with this e-mail address." in text(taken)


def test_who_is_signed_in_loses_every_page_at_once(app: Flask, browser: FlaskClient) -> None:
    with db.transaction() as session:
        tom = factories.staff(session, "approver")
        refund = factories.refund(session, factories.payment(session, factories.customer(session)), status="requested")
    leaving = app.test_client()
    factories.sign_in(leaving, tom)
    page = f"/support/refunds/{refund.id}"
    assert leaving.get(page).status_code == 200
    form = {"csrf_token": factories.csrf_token(leaving), "amount": "", "note": ""}
    assert leaving.post(f"{page}/claim", data=form).status_code == 303
    assert post(browser, f"/{tom.id}/access/end").status_code == 303
    pressed = leaving.post(f"{page}/approval", data=form)
    assert pressed.status_code == 303 and pressed.location.startswith("/sign-in")
    assert leaving.get("/support").location == "/sign-in?next=/support"
    with db.reading() as session:
        left = session.get_one(Refund, refund.id)
        assert (left.status, left.claimed_by) == ("requested", None), "nothing was decided, and the claim is given back"


def test_who_becomes_a_bookkeeper_gives_their_claims_back(admin: User) -> None:
    with db.transaction() as session:
        tom, eve = factories.staff(session, "approver"), factories.staff(session, "approver")
        payment = factories.payment(session, factories.customer(session))
        refund = factories.refund(session, payment, status="requested")
    refunds.claim(refund.id, Reviewer(tom.id, "approver"))
    access.change_role(tom.id, "support", by=admin.id)
    with pytest.raises(ClaimedByOther):
        refunds.claim(refund.id, Reviewer(eve.id, "approver"))
    access.change_role(tom.id, "finance", by=admin.id)
    refunds.claim(refund.id, Reviewer(eve.id, "approver"))


def test_one_browser_of_a_colleague_is_signed_out(app: Flask, browser: FlaskClient) -> None:
    with db.transaction() as session:
        tom = factories.staff(session, "approver", name="Tom")
    lost = app.test_client()
    factories.sign_in(lost, tom)
    page = text(browser.get(f"{DESK}/{tom.id}"))
    ways = re.findall(rf'action="{DESK}/{tom.id}(/sessions/\w+/end)"', page)
    assert len(ways) == 1
    assert post(browser, ways[0] and f"/{tom.id}{ways[0]}").status_code == 303
    assert lost.get("/support").status_code == 303
    assert "Nowhere at the moment." in text(browser.get(f"{DESK}/{tom.id}"))


def test_a_lost_second_factor_is_reset_by_two_and_the_code_is_shown_once(app: Flask, browser: FlaskClient) -> None:
    with db.transaction() as session:
        tom = factories.staff(session, name="Tom Lost")
    second_factor.begin(tom.id)
    begun = second_factor.setting_up(tom.id)
    assert begun is not None
    code = pyotp.TOTP(begun.typed.replace(" ", "")).now()
    second_factor.confirm(tom.id, factories.PASSWORD, code, ip="")
    assert "Ask for a reset" in text(browser.get(f"{DESK}/{tom.id}"))
    assert post(browser, f"/{tom.id}/second-factor/reset").status_code == 303
    alone = text(browser.get(f"{DESK}/{tom.id}"))
    assert "Another admin must confirm" in alone and "Confirm the reset" not in alone
    refused = post(browser, f"/{tom.id}/second-factor/reset/confirmation")
    assert refused.status_code == 409 and "another admin must confirm it" in text(refused)
    with db.transaction() as session:
        max_ = factories.staff(session, "admin", name="Max Second")
    second = app.test_client()
    factories.sign_in(second, max_)
    assert "Confirm the reset" in text(second.get(f"{DESK}/{tom.id}"))
    answer = post(second, f"/{tom.id}/second-factor/reset/confirmation")
    shown = re.search(r"<code id=\"code\"[^>]*>(\d{4}-\d{4}-\d{4})</code>", text(answer))
    assert shown is not None
    assert "Being set up again" in text(browser.get(DESK))
    assert signing_in.authenticate(tom.email, factories.PASSWORD, ip="", code=shown[1]).id == tom.id
