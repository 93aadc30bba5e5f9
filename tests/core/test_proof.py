"""Before something weighty the password is asked for again, once a while has passed since the sign-in."""

from __future__ import annotations

import html
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.accounts.models import Customer
from portal.api import tokens
from portal.core import clock, db
from portal.core.audit import AuditEvent
from portal.core.db import new_id
from portal.identity import app_grants
from portal.identity.models import User
from portal.mandates import queries as mandates
from portal.webhook_endpoints import queries as endpoints
from tests import factories

pytestmark = pytest.mark.database("sqlite")

LATER = timedelta(minutes=11)
EVE = {"new-name": "Eve Lang", "new-email": "eve@spree-bikes.test", "new-language": "en"}


@pytest.fixture
def owner(app: Flask) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session))


def browser_of(app: Flask, person: User) -> FlaskClient:
    browser = app.test_client()
    factories.sign_in(browser, person)
    return browser


def post(browser: FlaskClient, path: str, **form: str) -> TestResponse:
    return browser.post(path, data={**form, "csrf_token": factories.csrf_token(browser)})


def is_asked(answer: TestResponse) -> bool:
    return answer.status_code == 303 and urlsplit(answer.location).path == "/account/confirmation"


def text(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def test_the_password_is_asked_for_and_what_was_typed_is_back(app: Flask, owner: User) -> None:
    browser = browser_of(app, owner)
    assert post(browser, "/account/people", **EVE, **{"new-role": "owner"}).location == "/account/people"
    bo = EVE | {"new-email": "bo@spree-bikes.test", "new-role": "owner"}
    with time_machine.travel(clock.now() + LATER):
        asked = post(browser, "/account/people", **bo)
        assert is_asked(asked)
        assert parse_qs(urlsplit(asked.location).query)["next"] == ["/account/people"]
        wrong = post(browser, asked.location, password="not the password")
        assert wrong.status_code == 422 and "This is not your current password." in text(wrong)
        assert is_asked(post(browser, "/account/people", **bo))
        assert post(browser, asked.location, password=factories.PASSWORD).location == "/account/people"
        assert 'value="bo@spree-bikes.test"' in text(browser.get("/account/people"))
        assert post(browser, "/account/people", **bo).location == "/account/people"
    with db.reading() as session:
        actions = list(session.scalars(select(AuditEvent.action).where(AuditEvent.subject == owner.id)))
    assert actions.count("session.proved_again") == 1
    assert actions.count("password.confirmation_refused") == 1


def test_owners_are_made_by_who_proved_themselves_in_whichever_way(app: Flask, owner: User) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, owner.customer_id)
        payer = factories.user(session, customer, "payer")
        former = factories.user(session, customer, "owner", active=False)
    browser = browser_of(app, owner)
    acts: tuple[tuple[str, dict[str, str]], ...] = (
        ("", EVE | {"new-role": "owner"}),
        (f"/{payer.id}/role", {f"{payer.id}-role": "owner"}),
        (f"/{former.id}/access/restoration", {}),
    )
    with time_machine.travel(clock.now() + LATER):
        for path, form in acts:
            assert is_asked(post(browser, f"/account/people{path}", **form)), path
        assert not is_asked(post(browser, f"/account/people/{payer.id}/role", **{f"{payer.id}-role": "viewer"}))
    with db.reading() as session:
        of_customer = session.scalars(select(User).where(User.customer_id == owner.customer_id, User.active)).all()
        assert {(one.id, one.customer_role) for one in of_customer} == {(owner.id, "owner"), (payer.id, "viewer")}


def test_what_is_not_weighty_asks_for_nothing(app: Flask, owner: User) -> None:
    browser = browser_of(app, owner)
    with time_machine.travel(clock.now() + LATER):
        assert post(browser, "/account/people", **EVE, **{"new-role": "viewer"}).location == "/account/people"
        assert post(browser, "/automatic-payment/off").location == "/automatic-payment"


def test_a_mandate_takes_a_recent_proof(app: Flask, owner: User) -> None:
    browser = browser_of(app, owner)
    with time_machine.travel(clock.now() + LATER):
        assert is_asked(post(browser, "/automatic-payment/on", agree="yes"))
        with db.reading() as session:
            assert mandates.in_force(session, str(owner.customer_id)) is None


def test_staff_prove_themselves_before_they_decide_about_others_and_about_large_sums(app: Flask, owner: User) -> None:
    with db.transaction() as session:
        admin, tom = factories.staff(session, "admin"), factories.staff(session)
        payment = factories.payment(session, session.get_one(Customer, owner.customer_id), amount_minor=900_00)
        large = factories.refund(session, payment, status="requested", amount_minor=600_00).id
        other = factories.payment(session, session.get_one(Customer, owner.customer_id))
        small = factories.refund(session, other, status="requested", amount_minor=5_00).id
    browser = browser_of(app, admin)
    with time_machine.travel(clock.now() + LATER):
        for path in (
            "",
            f"/{tom.id}/role",
            f"/{tom.id}/invitation",
            f"/{tom.id}/access/end",
            f"/{tom.id}/access/restoration",
            f"/{tom.id}/second-factor/reset",
        ):
            form = {"new-name": "X", "new-email": "x@portal.test", "new-role": "admin", "new-language": "en"}
            assert is_asked(post(browser, f"/support/staff{path}", **form)), path
        assert is_asked(post(browser, f"/support/refunds/{large}/approval"))
        assert not is_asked(post(browser, f"/support/refunds/{small}/approval"))
        for path in (
            "invoices/write-offs/wof_1/approval",
            "invoices/credits/icr_1/approval",
            "invoices/outside-payments/out_1/approval",
            f"customers/{owner.customer_id}/privacy/files",
            f"customers/{owner.customer_id}/privacy/erasure",
            f"customers/{owner.customer_id}/privacy/erasure/approval",
        ):
            assert is_asked(post(browser, f"/support/{path}")), path


def signed_in(person: User) -> app_grants.Grant:
    return app_grants.sign_in(person.email, factories.PASSWORD, code=None, wanted=None, ip="", user_agent="")


def ask_api(app: Flask, person: User, grant: app_grants.Grant, path: str, body: object, key: str) -> TestResponse:
    """With an access token as new as apps always have one."""
    token = tokens.sign(person.id, grant.scopes, grant=grant.id)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    return app.test_client().post(path, json=body, headers=headers)


def test_an_app_signs_in_again_before_a_large_refund_is_approved(app: Flask, owner: User) -> None:
    with db.transaction() as session:
        approver = factories.staff(session, "approver")
        customer = session.get_one(Customer, owner.customer_id)
        payment = factories.payment(session, customer, amount_minor=900_00)
        large = factories.refund(session, payment, status="requested", amount_minor=600_00).id
        other = factories.payment(session, customer)
        small = factories.refund(session, other, status="requested", amount_minor=5_00).id
    grant = signed_in(approver)
    with time_machine.travel(clock.now() + LATER):
        refused = ask_api(app, approver, grant, f"/api/refunds/{large}/approval", {}, new_id("key"))
        assert (refused.status_code, refused.json["code"]) == (401, "recent_sign_in_required")  # type: ignore[index]
        assert ask_api(app, approver, grant, f"/api/refunds/{small}/approval", {}, new_id("key")).status_code == 200
        grant = signed_in(approver)
        assert ask_api(app, approver, grant, f"/api/refunds/{large}/approval", {}, new_id("key")).status_code == 200


def test_an_app_signs_in_again_before_it_registers_an_endpoint(app: Flask, owner: User) -> None:
    def ask(path: str, body: object, key: str) -> TestResponse:
        return ask_api(app, owner, grant, path, body, key)

    hook, key = {"url": "https://erp.spree-bikes.test/hook", "events": ["invoice.paid"]}, new_id("key")
    grant = signed_in(owner)
    with time_machine.travel(clock.now() + LATER):
        refused = ask("/api/endpoints", hook, key)
        assert (refused.status_code, refused.json["code"]) == (401, "recent_sign_in_required")  # type: ignore[index]
        challenge = 'Bearer error="insufficient_user_authentication", max_age="600"'
        assert refused.headers["WWW-Authenticate"] == challenge
        grant = signed_in(owner)
        assert ask("/api/endpoints", hook, key).status_code == 201
    with db.reading() as session:
        (endpoint,) = endpoints.endpoints(session, str(owner.customer_id))
    with time_machine.travel(clock.now() + 2 * LATER):
        refused = ask(f"/api/endpoints/{endpoint.id}/secret", {}, new_id("key"))
        assert (refused.status_code, refused.json["code"]) == (401, "recent_sign_in_required")  # type: ignore[index]
