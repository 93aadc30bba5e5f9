"""The keys of the company's other systems: made by an admin who proves to be one, shown once, revoked for good."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.api import tokens
from portal.core import audit, db
from portal.core.audit import AuditEvent
from portal.identity import api_clients, policy
from portal.identity.messages import SCOPES
from portal.identity.models import ApiClient, User
from tests import factories
from tests.certain import present

pytestmark = pytest.mark.database("sqlite")

DESK = "/support/api-clients"


@pytest.fixture
def admin(settings: object) -> User:
    with db.transaction() as session:
        return factories.staff(session, "admin", name="Ida Admin")


@pytest.fixture
def browser(app: Flask, admin: User) -> FlaskClient:
    client = app.test_client()
    factories.sign_in(client, admin)
    return client


def form_of(browser: FlaskClient, **values: object) -> dict[str, object]:
    """The form as it is shown, filled in."""
    html = browser.get(f"{DESK}/new").get_data(as_text=True)
    hidden = dict(re.findall(r'name="(key|csrf_token)" type="hidden" value="([^"]+)"', html))
    assert hidden.keys() == {"key", "csrf_token"}
    filled = {"name": "Order desk", "scopes": ["invoices:read", "invoices:write"], "password": factories.PASSWORD}
    return {**hidden, **filled, **values}


def make(browser: FlaskClient, **values: object) -> TestResponse:
    return browser.post(f"{DESK}/new", data=form_of(browser, **values))


def shown(answer: TestResponse) -> tuple[str, str]:
    """The id and the secret on the page."""
    html = answer.get_data(as_text=True)
    found = re.search(r'id="client-id"[^>]*>(cli_\w+)<.*id="client-secret"[^>]*>(pcs_[\w-]+)<', html, re.DOTALL)
    assert found is not None, html
    return found[1], found[2]


def keys() -> list[ApiClient]:
    with db.reading() as session:
        return list(session.scalars(select(ApiClient)))


def text_of(answer: TestResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.get_data(as_text=True))).split())


def test_a_key_is_made_and_its_secret_works(browser: FlaskClient, admin: User) -> None:
    answer = make(browser)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    client_id, secret = shown(answer)
    row, scopes = api_clients.authenticate(client_id, secret, None)
    assert (row.name, row.created_by, set(scopes)) == ("Order desk", admin.id, {"invoices:read", "invoices:write"})
    with db.reading() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "api_client.created")).one()
    assert (event.actor_kind, event.actor_id, event.subject) == ("staff", admin.id, client_id)


def test_the_secret_stands_in_one_answer_and_nowhere_else(
    browser: FlaskClient, settings: object, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = make(browser)
    _client_id, secret = shown(answer)
    assert secret not in browser.get(DESK).get_data(as_text=True)
    assert all(secret not in cookie.value for cookie in present(browser._cookies).values())
    with db.reading() as session:
        kept = [
            tuple(row) for table in db.Base.metadata.sorted_tables for row in session.execute(select(*table.columns))
        ]
    assert secret not in repr(kept)
    printed = capfd.readouterr()
    assert secret not in printed.out + printed.err
    assert secret not in answer.headers.get("Location", "") + answer.request.url


def test_a_reload_shows_and_makes_nothing(browser: FlaskClient) -> None:
    form = form_of(browser)
    _id, secret = shown(browser.post(f"{DESK}/new", data=form))
    again = browser.post(f"{DESK}/new", data=form, follow_redirects=True)
    assert again.request.path == DESK
    assert "This secret was already shown" in text_of(again)
    assert secret not in again.get_data(as_text=True)
    assert "pcs_" not in again.get_data(as_text=True)
    assert len(keys()) == 1


def test_two_forms_make_two_keys(browser: FlaskClient) -> None:
    assert shown(make(browser)) != shown(make(browser))
    assert len(keys()) == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"password": "not the password"}, "This is not your current password."),
        ({"password": ""}, "Please enter your password."),
        ({"name": ""}, "Please name the system."),
        ({"name": "   "}, "Please name the system"),
        ({"name": "x" * 101}, "Field cannot be longer than 100 characters."),
        ({"scopes": []}, "Please choose what this system may do."),
        ({"scopes": ["refunds:approve"]}, "Error:"),
        ({"scopes": ["invoices:read", "everything"]}, "Error:"),
        ({"key": "x"}, "This form is incomplete. Please reload the page."),
    ],
)
def test_what_is_wrong_is_told_and_makes_nothing(browser: FlaskClient, values: dict[str, object], said: str) -> None:
    answer = make(browser, **values)
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert factories.PASSWORD not in answer.get_data(as_text=True)
    assert keys() == []


def test_guessing_the_password_of_an_open_page_is_stopped(browser: FlaskClient) -> None:
    form = form_of(browser)
    for _ in range(10):
        assert browser.post(f"{DESK}/new", data=form | {"password": "a guess"}).status_code == 422
    stopped = browser.post(f"{DESK}/new", data=form)
    assert stopped.status_code == 429
    assert int(stopped.headers["Retry-After"]) > 0
    assert keys() == []
    with db.reading() as session:
        refused = select(AuditEvent).where(AuditEvent.action == "password.confirmation_refused")
        assert len(session.scalars(refused).all()) == 10


def test_no_box_is_ticked_at_first_and_each_has_a_sentence(browser: FlaskClient) -> None:
    page = browser.get(f"{DESK}/new")
    boxes = re.findall(r'<input[^>]*type="checkbox"[^>]*>', page.get_data(as_text=True))
    assert len(boxes) == len(policy.API_CLIENT_SCOPES) + 1  # and whether it names its end users' addresses
    assert not any("checked" in box or "required" in box for box in boxes)
    assert all(sentence in text_of(page) for sentence in SCOPES.values())


def test_a_key_that_only_names_its_end_users_needs_no_scope(browser: FlaskClient) -> None:
    client_id, _secret = shown(make(browser, scopes=[], names_end_users="y"))
    row = api_clients.find(client_id)
    assert row is not None
    assert (row.names_end_users, row.scopes) == (True, "")
    assert "sends its end users’ IP addresses" in text_of(browser.get(DESK))


def test_every_scope_of_an_api_client_has_words() -> None:
    assert SCOPES.keys() == policy.API_CLIENT_SCOPES


def test_the_list_tells_who_made_what_and_when_it_was_used(browser: FlaskClient, admin: User) -> None:
    client_id, secret = shown(make(browser, name="<b>Books</b>"))
    page = browser.get(DESK)
    assert "<b>Books" not in page.get_data(as_text=True)
    told = text_of(page)
    assert all(one in told for one in ("<b>Books</b>", client_id, "Ida Admin", "Last used", "Never"))
    api_clients.authenticate(client_id, secret, None)
    assert "Never" not in text_of(browser.get(DESK))


def test_the_list_comes_in_pages_the_newest_first(browser: FlaskClient, admin: User) -> None:
    made = [api_clients.create(f"System {number}", ["invoices:read"], admin.id)[0].name for number in range(25)]
    first = browser.get(DESK)
    found = re.findall(r"System \d+", text_of(first))
    assert list(dict.fromkeys(found)) == made[:4:-1]
    older = re.search(r'href="([^"]+)" rel="next"', first.get_data(as_text=True))
    assert older is not None
    part = browser.get(unescape(older[1]), headers={"HX-Request": "true"})
    assert set(re.findall(r"System \d+", text_of(part))) == set(made[:5])
    assert "<html" not in part.get_data(as_text=True)
    assert browser.get(f"{DESK}?page=nonsense").status_code == 404


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(browser: FlaskClient, app: Flask) -> None:
    client_id, secret = shown(make(browser))
    access = tokens.sign(client_id, frozenset({"invoices:read"}))
    with_token = {"Authorization": f"Bearer {access}"}
    apps = app.test_client(use_cookies=False)
    assert apps.get("/api/invoices", headers=with_token).status_code == 200
    question = text_of(browser.get(DESK))
    assert "Revoke the API key of Order desk?" in question
    assert "This stops: See every customer’s invoices Issue invoices to every customer" in question
    token = {"X-CSRFToken": factories.csrf_token(browser)}
    for _ in range(2):
        answer = browser.post(f"{DESK}/{client_id}/revocation", headers=token, follow_redirects=True)
        assert "The API key of Order desk is revoked." in text_of(answer)
    assert "Revoke the API key" not in text_of(answer)
    assert apps.get("/api/invoices", headers=with_token).status_code == 401
    with pytest.raises(api_clients.WrongClient):
        api_clients.authenticate(client_id, secret, None)
    with db.reading() as session:
        revoked = session.scalars(select(AuditEvent).where(AuditEvent.action == "api_client.revoked")).all()
    assert len(revoked) == 1
    assert browser.post(f"{DESK}/mac_unknown/revocation", headers=token).status_code == 404


def test_only_admins_are_led_there(app: Flask, browser: FlaskClient) -> None:
    assert f'href="{DESK}"' in browser.get("/support/operations").get_data(as_text=True)
    with db.transaction() as session:
        approver = factories.staff(session, "approver")
    other = app.test_client()
    factories.sign_in(other, approver)
    assert f'href="{DESK}"' not in other.get("/support/operations").get_data(as_text=True)


def test_what_an_api_client_did_is_told_by_its_name(browser: FlaskClient, admin: User) -> None:
    client, _secret = api_clients.create("Order desk", ["invoices:write"], admin.id)
    with audit.acting(audit.Actor("api_client", client.id)), db.transaction() as session:
        customer = factories.customer(session)
        audit.record(session, "invoice.issued", "inv_1", {"number": "INV-1"}, customer_id=customer.id)
    with audit.acting(audit.Actor("outside", "someone|17")), db.transaction() as session:
        audit.record(session, "payment.started", "pay_1", {"amount": "1.00 EUR"}, customer_id=customer.id)
    told = text_of(browser.get(f"/support/customers/{customer.id}/timeline"))
    assert re.search(r"Invoice INV-1 issued .{,40}, Order desk", told), told
    assert "Someone who signed in elsewhere" in told
    trail = text_of(browser.get("/support/operations/audit?action=invoice.issued"))
    assert "Order desk api client" in trail
    assert "someone|17 outside" in text_of(browser.get("/support/operations/audit?action=payment.started"))
