"""Forms whose session was gone when they were sent: nothing is done, and the way leads back to them with what was typed."""

from __future__ import annotations

import html
import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse
from wtforms import PasswordField

from portal.accounts.models import Customer
from portal.core import clock, company_days, db
from portal.identity.models import SignInSession, User
from portal.payments.models import Payment
from portal.web import resuming
from portal.web.forms import PortalForm
from tests import factories
from tests.factories import PASSWORD, csrf_token

pytestmark = pytest.mark.database("sqlite")

SITE = "http://localhost"
OTHER_AMOUNT = {"amount_text": "12.50", "currency": "eur", "description": "Order 4711 & more", "key": "the-first-click"}


@pytest.fixture
def people(app: Flask) -> list[User]:
    """Two colleagues of one customer who may both pay."""
    with db.transaction() as session:
        customer = factories.customer(session)
        return [factories.user(session, customer) for _ in range(2)]


@pytest.fixture
def browser(client: FlaskClient, people: list[User]) -> FlaskClient:
    factories.sign_in(client, people[0])
    return client


def send(browser: FlaskClient, path: str, token: str, *, of: str | None = None, **form: str) -> TestResponse:
    """A form that stands on the page `of` and was drawn with this token."""
    headers = {"Referer": SITE + of, "Sec-Fetch-Site": "same-origin"} if of else {}
    return browser.post(path, data={**form, "csrf_token": token}, headers=headers)


def text(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def sign_in_at(browser: FlaskClient, location: str, person: User) -> TestResponse:
    """By the form on the page that one was led to."""
    assert location.startswith("/sign-in?next="), location
    return browser.post(location, data={"email": person.email, "password": PASSWORD, "csrf_token": csrf_token(browser)})


def signed_out_in_another_tab(browser: FlaskClient) -> None:
    browser.post("/sign-out", data={"csrf_token": csrf_token(browser)})


def session_ended(browser: FlaskClient) -> None:
    """After too long without use, or from another device."""
    with db.transaction() as session:
        for row in session.scalars(select(SignInSession)):
            row.ended_at = clock.now()


def cookies_gone(browser: FlaskClient) -> None:
    """The browser was closed, and brought the page back when it was opened again."""
    browser.delete_cookie("portal")


GONE = [signed_out_in_another_tab, session_ended, cookies_gone]


def value_of(page: str, name: str) -> str:
    tag = re.search(rf'<input[^>]* name="{name}"[^>]*>', page)
    assert tag, name
    found = re.search(r'value="([^"]*)"', tag[0])
    return found[1] if found else ""


@pytest.mark.parametrize("gone", GONE)
def test_who_presses_pay_without_a_session_signs_in_and_is_back_at_the_payment(
    browser: FlaskClient, people: list[User], gone: Any
) -> None:
    with db.transaction() as session:
        invoice_id = factories.invoice(session, session.get_one(Customer, people[0].customer_id)).id
    pay, token = f"/payments/invoices/{invoice_id}", csrf_token(browser)
    gone(browser)
    answer = browser.post(
        f"{pay}/start",
        data={"client_key": "k" * 20, "csrf_token": token},
        headers={"Referer": SITE + pay, "Accept": "application/json"},
    )
    assert answer.status_code == 401
    told = answer.get_json()
    assert told["go_on"].removesuffix("&cookie=set") == f"/sign-in?next={pay}"
    assert "You were not charged" in told["detail"]
    assert "You were not charged" in text(browser.get(told["go_on"]))
    assert sign_in_at(browser, told["go_on"], people[0]).location == pay
    with db.reading() as session:
        assert session.scalars(select(Payment)).all() == []


@pytest.mark.parametrize("gone", GONE)
def test_what_was_typed_is_back_after_signing_in_and_only_once(
    browser: FlaskClient, people: list[User], gone: Any
) -> None:
    token = csrf_token(browser)
    gone(browser)
    answer = send(browser, "/payments/other", token, of="/payments/other", **OTHER_AMOUNT)
    assert answer.status_code == 303
    assert "You were not charged" in text(browser.get(answer.location))
    back = sign_in_at(browser, answer.location, people[0])
    assert back.location == "/payments/other"
    page = text(browser.get("/payments/other"))
    assert {name: value_of(page, name) for name in ("amount_text", "description", "key")} == {
        name: OTHER_AMOUNT[name] for name in ("amount_text", "description", "key")
    }
    assert "What you had entered is back in the form" in page
    assert value_of(text(browser.get("/payments/other")), "amount_text") == ""
    with db.reading() as session:
        assert session.scalars(select(Payment)).all() == []


def test_what_one_person_typed_is_never_shown_to_another(browser: FlaskClient, people: list[User]) -> None:
    token = csrf_token(browser)
    signed_out_in_another_tab(browser)
    answer = send(browser, "/payments/other", token, of="/payments/other", **OTHER_AMOUNT)
    assert sign_in_at(browser, answer.location, people[1]).location == "/payments/other"
    assert value_of(text(browser.get("/payments/other")), "amount_text") == ""
    signed_out_in_another_tab(browser)
    assert sign_in_at(browser, "/sign-in?next=/payments/other", people[0]).status_code == 303
    assert value_of(text(browser.get("/payments/other")), "amount_text") == ""


def test_a_form_that_was_drawn_before_signing_in_anew_is_sent_once_more(
    browser: FlaskClient, people: list[User]
) -> None:
    token = csrf_token(browser)
    signed_out_in_another_tab(browser)
    factories.sign_in(browser, people[0])
    answer = send(
        browser, "/account/profile", token, of="/account", **{"profile-name": "Ada B.", "profile-language": "en"}
    )
    assert (answer.status_code, answer.location) == (303, "/account")
    page = text(browser.get("/account"))
    assert "This page was out of date. Nothing was sent." in page
    assert value_of(page, "profile-name") == "Ada B."
    with db.reading() as session:
        assert session.get_one(User, people[0].id).name != "Ada B."


def test_passwords_and_codes_are_kept_nowhere(browser: FlaskClient) -> None:
    token = csrf_token(browser)
    signed_out_in_another_tab(browser)
    fields = {f"password-{name}": f"the secret of {name}" for name in resuming.SECRET_FIELDS}
    send(browser, "/account/password", token, of="/account", **fields)
    with browser.session_transaction() as kept:
        assert "the secret of" not in str(dict(kept))


def forms_of_the_portal() -> list[type[PortalForm]]:
    package = Path(resuming.__file__).parents[1]
    for file in package.rglob("*forms.py"):
        importlib.import_module(".".join(["portal", *file.relative_to(package).with_suffix("").parts]))
    found, waiting = [], PortalForm.__subclasses__()
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__.startswith("portal.")]


def test_every_password_of_every_form_is_a_secret() -> None:
    found = {
        name
        for kind in forms_of_the_portal()
        for name in dir(kind)
        if getattr(getattr(kind, name), "field_class", None) is PasswordField
    }
    assert {"password", "current", "repeated"} <= found <= resuming.SECRET_FIELDS


def test_every_form_that_changes_something_shows_again_what_was_typed() -> None:
    changing = [
        kind
        for kind in forms_of_the_portal()
        if all(
            vars(vars(base)["Meta"]).get("csrf", True)
            for base in kind.__mro__
            if base.__module__.startswith("portal.") and "Meta" in vars(base)
        )
    ]
    assert len(changing) > 15
    assert [kind.__name__ for kind in changing if not issubclass(kind, resuming.ResumableForm)] == []


def test_no_text_field_of_a_template_forgets_what_was_typed() -> None:
    templates = Path(resuming.__file__).parents[2] / "templates"
    areas = [
        (file.name, area)
        for file in templates.rglob("*.html")
        for area in re.findall(r"<textarea[^>]*>.*?</textarea>", file.read_text(), re.DOTALL)
    ]
    assert len(areas) > 3
    assert [(name, area) for name, area in areas if area.endswith("></textarea>")] == []


@pytest.mark.parametrize("role", ["customer", "admin"])
def test_every_form_whose_session_is_gone_leads_to_the_sign_in_and_none_to_a_dead_end(
    app: Flask, people: list[User], role: str
) -> None:
    person = people[0]
    if role == "admin":
        with db.transaction() as session:
            person = factories.staff(session, "admin")
    browser = app.test_client()
    factories.sign_in(browser, person)
    token = csrf_token(browser)
    signed_out_in_another_tab(browser)
    # By a press in a mail program, and by a browser of its own accord: both have no session.
    without_session = ("/sign-out", "/mails/unsubscribe/pay_1", "/csp-reports")
    addresses = [
        path
        for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ()) and not rule.rule.startswith("/api/")
        if (path := (rule.build(dict.fromkeys(rule.arguments, "pay_1")) or ("", ""))[1]) not in without_session
    ]
    assert len(addresses) > 60
    for path in addresses:
        answer = send(browser, path, token, client_key="k" * 20)
        leads_on = answer.status_code == 303 and (answer.location or "").startswith("/sign-in")
        assert leads_on, (path, answer.status_code, answer.location)
        script = browser.post(path, data={"csrf_token": token}, headers={"Accept": "application/json"})
        assert (script.status_code, script.get_json()["go_on"][:8]) == (401, "/sign-in"), path


def test_a_second_tab_with_an_old_sign_in_form_leads_on(client: FlaskClient, people: list[User]) -> None:
    stale = csrf_token(client)
    factories.sign_in(client, people[0])
    form = {"email": people[0].email, "password": PASSWORD}
    answer = send(client, "/sign-in?next=/account", stale, of="/sign-in?next=/account", **form)
    page = client.get(answer.location)
    assert page.location == "/account"
    assert client.get("/account").status_code == 200


def test_an_old_sign_in_form_of_a_browser_that_was_signed_out_since_asks_again(
    client: FlaskClient, people: list[User]
) -> None:
    stale = csrf_token(client)
    client.delete_cookie("portal")
    client.get("/sign-in")
    answer = send(client, "/sign-in?next=/account", stale, of="/sign-in", email=people[0].email, password=PASSWORD)
    assert answer.location == "/sign-in?next=/account"
    page = text(client.get(answer.location))
    assert value_of(page, "email") == people[0].email
    assert PASSWORD not in page
    assert sign_in_at(client, answer.location, people[0]).location == "/account"


@pytest.mark.parametrize(
    ("path", "of", "back"),
    [
        ("/account/profile", "/account/profile", "/account"),  # the page of a form that was refused before
        ("/account/people/usr_1/role", None, "/account/people"),
        ("/payments/invoices/inv_1/start", None, "/payments/invoices/inv_1"),
        ("/account/profile", "//evil.test/account", "/account"),
    ],
)
def test_the_way_back_leads_to_a_page_of_ours_that_can_be_opened(
    browser: FlaskClient, path: str, of: str | None, back: str
) -> None:
    token = csrf_token(browser)
    signed_out_in_another_tab(browser)
    headers = {"Referer": of if of and of.startswith("//") else SITE + of} if of else {}
    answer = browser.post(path, data={"csrf_token": token}, headers=headers)
    assert (answer.status_code, answer.location) == (303, f"/sign-in?next={back}")


def test_what_staff_typed_about_people_and_refunds_is_back(client: FlaskClient, people: list[User]) -> None:
    with db.transaction() as session:
        member = factories.staff(session, "admin")
        payment = factories.payment(session, session.get_one(Customer, people[0].customer_id))
        failed = factories.refund(
            session, payment, status="failed", failed_at=clock.now(), failure_reason="expired_or_canceled_card"
        ).id
    factories.sign_in(client, member)
    refund = f"/support/refunds/{failed}"
    paid_on = (company_days.today() - timedelta(days=2)).isoformat()
    for page, action, typed, words in (
        ("/support/staff", "/support/staff", {"new-name": "Eve Lang", "new-email": "eve@portal.test"}, "Eve Lang"),
        (
            refund,
            f"{refund}/outside-payment",
            {"paid_on": paid_on, "note": "Transfer 4711"},
            "Transfer 4711</textarea>",
        ),
        (refund, f"{refund}/closure", {"note": "Kept as a credit"}, "Kept as a credit</textarea>"),
    ):
        token = csrf_token(client)
        signed_out_in_another_tab(client)
        answer = send(client, action, token, of=page, **typed)
        assert sign_in_at(client, answer.location, member).location == page
        shown = text(client.get(page))
        assert words in shown and "What you had entered is back in the form" in shown
        assert words not in text(client.get(page))
        assert typed.get("paid_on", "") in shown


def test_a_part_of_a_page_takes_the_whole_page_along(client: FlaskClient) -> None:
    with db.transaction() as session:
        member, customer_id = factories.staff(session), factories.customer(session).id
    factories.sign_in(client, member)
    page, token = f"/support/customers/{customer_id}", csrf_token(client)
    htmx = {"HX-Request": "true", "HX-Current-URL": SITE + page}
    signed_out_in_another_tab(client)
    answer = client.post(f"{page}/notes", data={"words": "Called back", "csrf_token": token}, headers=htmx)
    assert answer.headers["HX-Redirect"] == f"/sign-in?next={page}"
    assert sign_in_at(client, answer.headers["HX-Redirect"], member).location == page
    assert client.get(f"{page}/invoices", headers=htmx).status_code == 200
    assert "Called back</textarea>" in text(client.get(f"{page}/notes", headers=htmx))


def test_what_another_site_sends_is_refused_and_kept_nowhere(browser: FlaskClient, app: Flask) -> None:
    token = csrf_token(browser)
    signed_out_in_another_tab(browser)
    form = {**OTHER_AMOUNT, "csrf_token": token}
    for headers, sent in (({"Sec-Fetch-Site": "cross-site"}, form), ({}, {**form, "csrf_token": "forged"})):
        assert browser.post("/payments/other", data=sent, headers=headers).status_code == 400
    with browser.session_transaction() as kept:
        assert resuming.KEPT not in kept


def test_what_is_too_long_for_a_cookie_does_not_break_the_way_back(browser: FlaskClient) -> None:
    token = csrf_token(browser)
    signed_out_in_another_tab(browser)
    long = "".join(chr(0x4E00 + number * 7 % 9000) for number in range(3000))
    answer = send(browser, "/payments/other", token, of="/payments/other", description=long)
    assert answer.location == "/sign-in?next=/payments/other"
    assert all(len(cookie) < 4093 for cookie in answer.headers.getlist("Set-Cookie"))


# Browsers that keep no cookies


@pytest.fixture
def blocking(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)


def test_a_browser_that_blocks_cookies_is_told_so_when_it_signs_in(blocking: FlaskClient, people: list[User]) -> None:
    form = {"email": people[0].email, "password": PASSWORD, "csrf_token": csrf_token(blocking)}
    answer = blocking.post("/sign-in?next=/account", data=form)
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/account&cookie=set")
    assert "Your browser blocks our cookies" in text(blocking.get(answer.location))


def test_a_browser_that_was_closed_meanwhile_is_told_of_no_cookies(client: FlaskClient, people: list[User]) -> None:
    form = {"email": people[0].email, "password": PASSWORD, "csrf_token": csrf_token(client)}
    client.delete_cookie("portal")
    page = text(client.get(client.post("/sign-in", data=form).location))
    assert "blocks our cookies" not in page
    assert "Please sign in now." in page


@pytest.mark.parametrize("link", ["/password/reset/", "/invitation/", "/sign-up/confirm/"])
def test_a_good_link_is_not_called_used_where_cookies_are_blocked(
    blocking: FlaskClient, client: FlaskClient, link: str
) -> None:
    page = blocking.get(blocking.get(f"{link}a-good-token").location)
    assert page.status_code == 404
    assert "did not keep the cookie" in text(page)
    assert "has been used" not in text(page)
    # The session of this link has ended since: it may be as good as ever, too.
    client.get(f"{link}a-good-token")
    client.post("/sign-out", data={"csrf_token": csrf_token(client)})
    page = client.get(blocking.get(f"{link}a-good-token").location)
    assert "this browser was signed in or out" in text(page)
