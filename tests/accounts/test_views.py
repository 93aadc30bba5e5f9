"""The account pages as a browser meets them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.accounts import service
from portal.accounts.models import Customer, OptionalMail
from portal.core import clock, config, db
from portal.identity import throttle
from portal.identity.models import SignInSession, User
from portal.jobs import outbox
from tests import factories
from tests.factories import PASSWORD, csrf_token, sign_in
from tests.smtp import Mailbox, text_of

NEW = "nine slow ferries at dusk"
EMAIL = "ada@spree-bikes.test"

# What the pages do with the database is the service's business, and tested there on both.
pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def user(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session), email=EMAIL)


def post(client: FlaskClient, path: str, **form: str) -> TestResponse:
    return client.post(path, data={**form, "csrf_token": csrf_token(client)})


def text(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


def cookie(client: FlaskClient) -> str:
    found = client.get_cookie("portal")
    assert found is not None
    return found.value


def of_customer(user: User) -> Customer:
    with db.reading() as session:
        return session.get_one(Customer, user.customer_id)


# Signing in


def test_a_customer_lands_on_what_they_owe(client: FlaskClient, user: User) -> None:
    answer = post(client, "/sign-in", email=EMAIL, password=PASSWORD)
    assert (answer.status_code, answer.location) == (303, "/")
    assert is_signed_in(client)


def test_staff_land_on_their_search(client: FlaskClient) -> None:
    with db.transaction() as session:
        member = factories.staff(session)
    answer = post(client, "/sign-in", email=member.email, password=PASSWORD)
    assert answer.location == "/support"
    page = client.get("/account")
    assert page.status_code == 200
    assert "Billing details" not in text(page)


def test_whoever_is_signed_in_needs_not_sign_in(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    assert client.get("/sign-in").status_code == 303


def test_the_account_page_is_reached_after_signing_in(client: FlaskClient, user: User) -> None:
    asked = client.get("/account")
    assert asked.status_code == 303
    page = client.get(asked.location)
    action = re.search(r'action="(/sign-in[^"]*)"', text(page))
    assert action is not None
    answer = post(client, action[1], email=EMAIL, password=PASSWORD)
    assert answer.location == "/account"


@pytest.mark.parametrize(
    "target",
    ["//evil.test", "/\\evil.test", "https:evil.test", "https://evil.test/", "\\\\evil.test", "/\t/evil.test", " /x"],
)
def test_nobody_is_sent_to_another_site(client: FlaskClient, user: User, target: str) -> None:
    answer = client.post(
        "/sign-in",
        query_string={"next": target},
        data={"email": EMAIL, "password": PASSWORD, "csrf_token": csrf_token(client)},
    )
    assert (answer.status_code, answer.location) == (303, "/")


def test_a_wrong_password_keeps_the_email_and_not_the_password(client: FlaskClient, user: User) -> None:
    answer = post(client, "/sign-in", email="ada@spree-bikes.test", password="not the password")
    assert answer.status_code == 422
    assert 'value="ada@spree-bikes.test"' in text(answer)
    assert "do not match" in text(answer)
    assert "not the password" not in text(answer)
    assert not is_signed_in(client)


def test_empty_fields_are_named(client: FlaskClient, user: User) -> None:
    answer = post(client, "/sign-in", email="", password="")
    assert answer.status_code == 422
    assert 'id="email-error"' in text(answer)
    assert 'id="password-error"' in text(answer)


def test_a_known_and_an_unknown_address_get_the_same_page(client: FlaskClient, user: User) -> None:
    def page(email: str) -> str:
        answer = post(client, "/sign-in", email=email, password="not the password")
        assert answer.status_code == 422
        return re.sub(r'"csrf_token" type="hidden" value="[^"]+"|X-CSRFToken": "[^"]+"', "", text(answer)).replace(
            email, ""
        )

    assert page(EMAIL) == page("eve@spree-bikes.test")


def test_too_many_tries_say_when_to_come_back(client: FlaskClient, user: User) -> None:
    for _ in range(10):
        throttle.begin(EMAIL, "127.0.0.1")
    answer = post(client, "/sign-in", email=EMAIL, password=PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 900
    assert f'value="{EMAIL}"' in text(answer)
    assert not is_signed_in(client)


def test_a_flood_of_tries_is_cut_off_before_any_password_is_looked_at(
    client: FlaskClient, settings: config.Settings
) -> None:
    token = csrf_token(client)
    answers = {client.post("/sign-in", data={"email": "", "csrf_token": token}).status_code for _ in range(61)}
    assert answers == {422, 429}


def test_a_form_without_the_token_of_this_browser_does_nothing(client: FlaskClient, app: Flask, user: User) -> None:
    form = {"email": EMAIL, "password": PASSWORD}
    assert client.post("/sign-in", data=form).status_code == 400
    stranger = csrf_token(app.test_client())
    assert client.post("/sign-in", data={**form, "csrf_token": stranger}).location == "/sign-in"
    assert not is_signed_in(client)
    sign_in(client, user)
    for path in (
        "/sign-out",
        "/account/profile",
        "/account/billing-details",
        "/account/password",
        "/account/sessions/end-others",
    ):
        assert client.post(path, data={"profile-name": "Mallory"}).status_code == 400
    assert is_signed_in(client)
    with db.reading() as session:
        assert session.get_one(User, user.id).name == "Ada Brandt"


# Sessions and their cookie


def test_signing_in_takes_nothing_from_the_cookie_before(client: FlaskClient, user: User) -> None:
    """A cookie that someone planted before is worth nothing after."""
    client.get("/language/de")
    client.get("/password/reset/planted")
    planted, old_token = cookie(client), csrf_token(client)
    sign_in(client, user)
    with client.session_transaction() as kept:
        assert kept["language"] == "de"
        assert "reset_link" not in kept
    assert client.post("/sign-out", data={"csrf_token": old_token}).status_code == 303
    assert is_signed_in(client)
    client.set_cookie("portal", planted)
    assert not is_signed_in(client)


def test_each_sign_in_gets_another_token(client: FlaskClient, app: Flask, user: User) -> None:
    other = app.test_client()
    tokens = set()
    for browser in (client, other):
        sign_in(browser, user)
        with browser.session_transaction() as kept:
            tokens.add(kept["_user_id"])
    assert len(tokens) == 2


def test_a_cookie_replayed_after_signing_out_is_dead(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    kept = cookie(client)
    assert post(client, "/sign-out").status_code == 303
    assert not is_signed_in(client)
    client.set_cookie("portal", kept)
    assert not is_signed_in(client)


def test_a_cookie_replayed_after_a_new_password_is_dead(client: FlaskClient, app: Flask, user: User) -> None:
    thief = app.test_client()
    sign_in(client, user)
    thief.set_cookie("portal", cookie(client))
    assert is_signed_in(thief)
    form = {"password-current": PASSWORD, "password-password": NEW, "password-repeated": NEW}
    assert post(client, "/account/password", **form).status_code == 303
    assert is_signed_in(client)
    assert not is_signed_in(thief)


def test_signing_in_again_ends_the_session_before(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    kept = cookie(client)
    sign_in(client, user)
    client.set_cookie("portal", kept)
    assert not is_signed_in(client)


def test_a_page_left_alone_for_half_an_hour_asks_to_sign_in(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    with time_machine.travel(clock.now() + timedelta(minutes=31)):
        assert not is_signed_in(client)


def test_the_cookie_cannot_be_read_by_scripts_or_sent_by_other_sites(client: FlaskClient, user: User) -> None:
    answer = post(client, "/sign-in", email=EMAIL, password=PASSWORD)
    set_cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in set_cookie
    assert "SameSite=Lax" in set_cookie


def test_signing_out_elsewhere_is_offered_and_works(client: FlaskClient, app: Flask, user: User) -> None:
    other = app.test_client()
    sign_in(client, user)
    assert "Sign out everywhere else" not in text(client.get("/account"))
    sign_in(other, user)
    assert "Sign out everywhere else" in text(client.get("/account"))
    assert post(client, "/account/sessions/end-others").status_code == 303
    assert (is_signed_in(client), is_signed_in(other)) == (True, False)


def test_nothing_of_an_account_is_shown_without_signing_in(client: FlaskClient, user: User) -> None:
    assert client.get("/account").status_code == 303
    for path in ("profile", "billing-details", "password", "sessions/end-others"):
        assert post(client, f"/account/{path}").status_code == 303
    with db.reading() as session:
        assert session.execute(select(SignInSession)).first() is None


# Links from mails


def link_path(link: str) -> str:
    return "/" + link.split("/", 3)[3]


def test_an_invitation_is_taken_up_in_the_browser(client: FlaskClient) -> None:
    made = service.invite_customer(name="Spree Bikes", email=EMAIL, contact="Ada Brandt")
    opened = client.get(link_path(made.link))
    assert (opened.status_code, opened.location) == (303, "/invitation")
    page = client.get("/invitation")
    assert "Welcome, Ada Brandt" in text(page)
    weak = post(client, "/invitation", password="password1234", repeated="password1234")
    assert weak.status_code == 422
    assert 'id="password-error"' in text(weak)
    differs = post(client, "/invitation", password=NEW, repeated=NEW + "!")
    assert differs.status_code == 422
    assert 'id="repeated-error"' in text(differs)
    assert post(client, "/invitation", password=NEW, repeated=NEW).location == "/"
    assert is_signed_in(client)
    client.get(link_path(made.link))
    assert client.get("/invitation").status_code == 404


def test_a_forgotten_password_is_replaced_in_the_browser(
    client: FlaskClient, app: Flask, user: User, smtp: Mailbox
) -> None:
    post(client, "/password/forgotten", email=EMAIL)
    with app.app_context():
        outbox.run_due()
    (message,) = smtp.messages
    link = re.search(r"https?://\S+/password/reset/\S+", text_of(message))
    assert link is not None
    opened = client.get(link_path(link[0]))
    assert (opened.status_code, opened.location) == (303, "/password/reset")
    assert EMAIL in text(client.get("/password/reset"))
    assert post(client, "/password/reset", password=NEW, repeated=NEW).location == "/sign-in"
    assert not is_signed_in(client)
    sign_in(client, user, NEW)
    client.get(link_path(link[0]))
    assert post(client, "/password/reset", password=PASSWORD, repeated=PASSWORD).status_code == 404


def test_looking_at_a_link_does_not_use_it_up(client: FlaskClient, app: Flask) -> None:
    """Mail programs open links to see what is behind them."""
    path = link_path(service.invite_customer(name="Spree Bikes", email=EMAIL).link)
    for browser in (app.test_client(), app.test_client(), client):
        assert browser.get(path, follow_redirects=True).status_code == 200


@pytest.mark.parametrize("path", ["/invitation/made-up", "/password/reset/made-up", "/sign-up/confirm/made-up"])
def test_a_made_up_link_opens_nothing(client: FlaskClient, path: str) -> None:
    answer = client.get(path, follow_redirects=True)
    assert answer.status_code == 404
    assert "no longer works" in text(answer)


def test_the_same_page_answers_for_every_forgotten_address(client: FlaskClient, user: User) -> None:
    pages = []
    for email in (EMAIL, "nobody@spree-bikes.test", "no address at all"):
        answer = post(client, "/password/forgotten", email=email)
        assert (answer.status_code, answer.location) == (303, "/password/forgotten/sent")
        pages.append(re.sub(r'X-CSRFToken": "[^"]+"', "", text(client.get(answer.location))))
    assert len(set(pages)) == 1


def test_asking_for_links_again_and_again_is_cut_off(client: FlaskClient, user: User) -> None:
    token = csrf_token(client)
    answers = [
        client.post("/password/forgotten", data={"email": EMAIL, "csrf_token": token}).status_code for _ in range(11)
    ]
    assert answers == [303] * 10 + [429]


def test_signing_up_is_nothing_without_the_setting(client: FlaskClient) -> None:
    assert client.get("/sign-up").status_code == 404
    assert post(client, "/sign-up", name="Ada", email=EMAIL).status_code == 404
    assert "/sign-up" not in text(client.get("/sign-in"))


@pytest.mark.settings(PORTAL_OPEN_SIGN_UP="true")
def test_signing_up_answers_alike_and_keeps_what_was_typed_when_wrong(client: FlaskClient, user: User) -> None:
    assert "/sign-up" in text(client.get("/sign-in"))
    wrong = post(client, "/sign-up", name="Ada", email="no address")
    assert wrong.status_code == 422
    assert 'value="no address"' in text(wrong)
    assert 'id="email-error"' in text(wrong)
    for email in (EMAIL, "new@spree-bikes.test"):
        assert post(client, "/sign-up", name="Ada", email=email).location == "/sign-up/sent"


# One's own account


def test_billing_details_are_kept(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    form = {"name": "Spree AG", "address": "Am Ufer 1\r\n10999 Berlin", "country": "AT", "tax_id": "ATU 1358 5627"}
    answer = post(client, "/account/billing-details", **{f"billing-{name}": value for name, value in form.items()})
    assert answer.status_code == 303
    kept = of_customer(user)
    assert (kept.name, kept.address, kept.country, kept.tax_id) == (
        "Spree AG",
        "Am Ufer 1\n10999 Berlin",
        "AT",
        "ATU13585627",
    )
    assert "Saved." in text(client.get("/account"))


def test_a_refused_form_keeps_what_was_typed_and_the_others_what_is_kept(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    answer = post(
        client,
        "/account/billing-details",
        **{"billing-name": "", "billing-address": "new\n" * 9, "billing-country": "AT"},
    )
    assert answer.status_code == 422
    assert 'id="billing-name-error"' in text(answer)
    assert "new\nnew" in text(answer).replace("\r", "")
    assert 'value="Ada Brandt"' in text(answer)
    assert of_customer(user).name == "Spree Bikes GmbH"


@pytest.mark.parametrize(
    ("reads", "together"),
    [
        ("de", ("Oman", "Österreich")),
        ("de", ("–", "Afghanistan", "Ägypten")),
        ("en", ("Åland Islands", "Albania")),
    ],
)
def test_countries_stand_where_a_reader_of_the_language_looks_for_them(
    client: FlaskClient, user: User, reads: str, together: tuple[str, ...]
) -> None:
    sign_in(client, user)
    client.get(f"/language/{reads}")
    choices = text(client.get("/account")).partition('name="billing-country"')[2].partition("</select>")[0]
    names = re.findall(r"<option[^>]*>([^<]*)", choices)
    at = names.index(together[0])
    assert tuple(names[at : at + len(together)]) == together


def test_a_country_that_is_none_is_refused(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    answer = post(client, "/account/billing-details", **{"billing-name": "Spree AG", "billing-country": "XX"})
    assert answer.status_code == 422
    assert 'id="billing-country-error"' in text(answer)


def test_fields_that_no_form_has_change_nothing(client: FlaskClient, user: User) -> None:
    with db.transaction() as session:
        other = factories.customer(session, name="Somebody else")
    sign_in(client, user)
    smuggled = {
        "profile-name": "Ada",
        "profile-language": "en",
        "profile-role": "admin",
        "role": "admin",
        "profile-customer_id": other.id,
        "profile-email": "mallory@example.test",
        "profile-active": "",
    }
    assert post(client, "/account/profile", **smuggled).status_code == 303
    billing = {
        "billing-name": "Ours",
        "billing-country": "DE",
        "billing-id": other.id,
        "id": other.id,
        "customer_id": other.id,
    }
    assert post(client, "/account/billing-details", **billing).status_code == 303
    with db.reading() as session:
        kept = session.get_one(User, user.id)
        assert (kept.role, kept.customer_id, kept.email, kept.active) == ("customer", user.customer_id, EMAIL, True)
        assert session.get_one(Customer, other.id).name == "Somebody else"
    assert of_customer(user).name == "Ours"


def test_staff_have_no_billing_details(client: FlaskClient) -> None:
    with db.transaction() as session:
        member = factories.staff(session)
    sign_in(client, member)
    assert post(client, "/account/billing-details", **{"billing-name": "Ours"}).status_code == 403


def test_choosing_a_language_changes_the_pages_at_once(client: FlaskClient, user: User) -> None:
    client.get("/language/en")
    sign_in(client, user)
    assert post(client, "/account/profile", **{"profile-name": "Ada", "profile-language": "de"}).status_code == 303
    assert '<html lang="de">' in text(client.get("/account"))


def test_a_wrong_present_password_is_told_at_its_field(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    form = {"password-current": "not the password", "password-password": NEW, "password-repeated": NEW}
    answer = post(client, "/account/password", **form)
    assert answer.status_code == 422
    assert 'id="password-current-error"' in text(answer)
    assert NEW not in text(answer)


def test_the_secret_of_a_link_stands_in_no_log(
    client: FlaskClient, app: Flask, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    path = link_path(service.invite_customer(name="Spree Bikes", email=EMAIL).link)
    secret = path.rpartition("/")[2]

    def crash() -> None:
        raise RuntimeError("the log names the address of what went wrong")

    app.before_request_funcs.setdefault(None, []).append(crash)
    assert client.get(path).status_code == 500
    told = caplog.text + capfd.readouterr().err
    assert "request_crashed" in told
    assert "/invitation/" in told
    assert secret not in told


def test_an_owner_chooses_which_mails_come_and_what_is_needed_comes_anyway(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    shown = text(client.get("/account/notifications"))
    assert shown.count("checked") == 2
    assert "Invoices, payment confirmations and credit notes" in shown
    assert post(client, "/account/notifications", card_expiry="y").status_code == 303
    kept = of_customer(user)
    assert [kept.wants(mail) for mail in OptionalMail] == [True, False]
    assert text(client.get("/account/notifications")).count("checked") == 1
