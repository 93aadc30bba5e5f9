"""The page of a customer's webhooks: what an owner does there, and what others do not."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.accounts.models import Customer
from portal.core import clock, db
from portal.identity.models import User
from portal.webhook_endpoints import signing
from portal.webhook_endpoints.models import Delivery, WebhookEndpoint
from tests import factories

pytestmark = pytest.mark.database("sqlite")

PAGE = "/account/webhooks"
FORM = {
    "url": "https://hooks.spree-bikes.test/in",
    "description": "Books",
    "events": "invoice.paid",
    "key": "a-page-of-ada",
}


@pytest.fixture
def ada(settings: object) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session))


@pytest.fixture
def browser(app: Flask, ada: User) -> FlaskClient:
    client = app.test_client()
    factories.sign_in(client, ada)
    return client


def post(browser: FlaskClient, path: str, **form: str) -> TestResponse:
    return browser.post(PAGE + path, data=form, headers={"X-CSRFToken": factories.csrf_token(browser)})


def text(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def endpoints() -> list[WebhookEndpoint]:
    with db.reading() as session:
        return list(session.scalars(select(WebhookEndpoint)))


def test_the_secret_is_shown_once_and_a_reload_adds_nothing(browser: FlaskClient) -> None:
    added = post(browser, "/new", **FORM)
    (endpoint,) = endpoints()
    assert signing.secret(endpoint) in text(added)
    again = post(browser, "/new", **FORM)
    assert again.location == PAGE
    assert len(endpoints()) == 1
    shown = text(browser.get(f"{PAGE}/{endpoint.id}")) + text(browser.get(PAGE))
    assert signing.secret(endpoint) not in shown
    assert "Books" in shown


def test_what_cannot_be_is_refused_at_its_field_and_stays_typed(browser: FlaskClient) -> None:
    for wrong in ({"url": "ftp://hooks.spree-bikes.test/"}, {"events": ""}, {"url": ""}):
        refused = post(browser, "/new", **FORM | wrong)
        assert refused.status_code == 422, wrong
        assert 'value="Books"' in text(refused)
    assert endpoints() == []


def test_a_secret_is_changed_with_a_day_of_both(browser: FlaskClient) -> None:
    post(browser, "/new", **FORM)
    (endpoint,) = endpoints()
    old = signing.secret(endpoint)
    changed = text(post(browser, f"/{endpoint.id}/secret"))
    (endpoint,) = endpoints()
    assert signing.secret(endpoint) != old
    assert signing.secret(endpoint) in changed
    assert "one more day" in changed
    assert len(signing.signature(endpoint, "evt_1", 0, b"", clock.now()).split()) == 2


def test_an_endpoint_is_tested_turned_off_and_on_and_removed(browser: FlaskClient) -> None:
    post(browser, "/new", **FORM)
    (endpoint,) = endpoints()
    page = f"/{endpoint.id}"
    assert post(browser, f"{page}/test").status_code == 303
    assert "ping" in text(browser.get(PAGE + page))
    post(browser, f"{page}/off")
    assert endpoints()[0].disabled_reason == "owner"
    refused = post(browser, f"{page}/test")
    assert refused.status_code == 409
    assert "This endpoint is turned off." in text(refused)
    post(browser, f"{page}/on")
    assert endpoints()[0].is_live
    assert post(browser, f"{page}/removal").location == PAGE
    assert browser.get(PAGE + page).status_code == 404


def test_a_delivery_shows_its_answer_and_is_sent_again(browser: FlaskClient, ada: User) -> None:
    with db.transaction() as session:
        customer = session.get_one(User, ada.id).customer_id
        endpoint = factories.endpoint(session, session.get_one(Customer, customer))
        failed = factories.delivery(
            session,
            session.get_one(Customer, customer),
            endpoint,
            status="failed",
            status_code=500,
            answer="<b>no</b>",
        )
    shown = browser.get(f"{PAGE}/{endpoint.id}").get_data(as_text=True)
    assert "500" in shown
    assert "&lt;b&gt;no&lt;/b&gt;" in shown
    assert post(browser, f"/deliveries/{failed.id}/replays").status_code == 303
    with db.reading() as session:
        row = session.get_one(Delivery, failed.id)
        assert (row.status, row.replays) == ("pending", 1)


@pytest.mark.parametrize("act", ["new", "secret", "removal"])
def test_adding_removing_and_a_new_secret_ask_who_one_is(browser: FlaskClient, act: str) -> None:
    post(browser, "/new", **FORM)
    (endpoint,) = endpoints()
    path = "/new" if act == "new" else f"/{endpoint.id}/{act}"
    with time_machine.travel(clock.now() + timedelta(minutes=11)):
        assert post(browser, path, **FORM | {"key": "another-page"}).location.startswith("/account/confirmation")
    assert [one.removed_at for one in endpoints()] == [None]
    assert re.fullmatch(r"wep_\w{26}", endpoints()[0].id)
