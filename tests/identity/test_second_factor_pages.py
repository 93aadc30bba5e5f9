"""The pages of the second factor, the second step of signing in, its mails, and staff who have to set one up."""

from __future__ import annotations

import re
from datetime import timedelta

import pyotp
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.core import clock, config, db
from portal.identity import second_factor, service
from portal.identity.models import SecondFactor, User
from tests import factories
from tests.accounts.conftest import Mails
from tests.factories import PASSWORD, csrf_token, sign_in
from tests.smtp import Mailbox

EMAIL = "ada@spree-bikes.test"
PAGE = "/account/second-factor"

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


def code_of(secret: str, after: timedelta = timedelta()) -> str:
    return pyotp.TOTP(secret).at(clock.now() + after)


def set_up(client: FlaskClient) -> tuple[str, list[str]]:
    """By the pages, as a person does; returns the secret and the recovery codes."""
    assert post(client, f"{PAGE}/setup").location == f"{PAGE}/setup"
    found = re.search(r'class="spelled">([A-Z2-7 ]+)<', text(client.get(f"{PAGE}/setup")))
    assert found is not None
    secret = found[1].replace(" ", "")
    shown = post(client, f"{PAGE}/confirmation", password=PASSWORD, code=code_of(secret))
    assert shown.status_code == 200
    return secret, re.findall(r"<li><code>([^<]+)</code></li>", text(shown))


@pytest.fixture
def secret(app: Flask, user: User) -> str:
    """Ada's, who has set it up a minute ago."""
    with time_machine.travel(clock.now() - timedelta(minutes=1)):
        second_factor.begin(user.id)
        begun = second_factor.setting_up(user.id)
        assert begun is not None
        secret = begun.typed.replace(" ", "")
        second_factor.confirm(user.id, PASSWORD, code_of(secret), ip="")
        return secret


def first_step(client: FlaskClient, target: str = "") -> str:
    """The right password; returns the address of the second step."""
    answer = post(client, f"/sign-in{target}", email=EMAIL, password=PASSWORD)
    assert answer.status_code == 303
    return answer.location


# Signing in


def test_after_the_password_a_code_is_asked_for_and_leads_to_where_one_wanted(client: FlaskClient, secret: str) -> None:
    second = first_step(client, "?next=/invoices")
    assert second == "/sign-in/code?next=/invoices"
    assert not is_signed_in(client)
    page = text(client.get(second))
    assert 'autocomplete="one-time-code"' in page
    assert 'inputmode="numeric"' in page
    refused = post(client, second, code="12345")
    assert (refused.status_code, 'id="code-error"' in text(refused)) == (422, True)
    assert 'value="12345"' not in text(refused)
    assert not is_signed_in(client)
    answer = post(client, second, code=code_of(secret))
    assert (answer.status_code, answer.location) == (303, "/invoices")
    assert is_signed_in(client)


def test_the_second_step_alone_leads_back_to_the_first(client: FlaskClient, secret: str) -> None:
    assert client.get("/sign-in/code").location == "/sign-in"
    assert post(client, "/sign-in/code", code=code_of(secret)).location == "/sign-in"
    assert not is_signed_in(client)


def test_five_minutes_later_the_password_is_asked_for_again(client: FlaskClient, secret: str) -> None:
    first_step(client)
    with time_machine.travel(clock.now() + timedelta(minutes=5, seconds=1)):
        assert client.get("/sign-in/code").location == "/sign-in"
        assert post(client, "/sign-in/code", code=code_of(secret)).location == "/sign-in"
    assert not is_signed_in(client)


@pytest.mark.parametrize("password", ["not the password", PASSWORD])
def test_a_new_sign_in_forgets_what_was_proved(client: FlaskClient, secret: str, password: str) -> None:
    first_step(client)
    with db.transaction() as session:
        factories.user(session, factories.customer(session), email="eve@elbe-boats.test")
    post(client, "/sign-in", email="eve@elbe-boats.test", password=password)
    assert client.get("/sign-in/code").location == "/sign-in"


def test_wrong_codes_are_slowed_down(client: FlaskClient, secret: str) -> None:
    second = first_step(client)
    for _ in range(10):
        assert post(client, second, code="12345").status_code == 422
    answer = post(client, second, code=code_of(secret))
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 800
    assert not is_signed_in(client)


def test_what_cannot_be_read_any_more_is_told(client: FlaskClient, secret: str, user: User) -> None:
    second = first_step(client)
    with db.transaction() as session:
        session.get_one(SecondFactor, user.id).secret = "of another key"
    assert "must be set up again" in text(post(client, second, code=code_of(secret)))
    assert not is_signed_in(client)


# Setting it up


def test_it_is_set_up_shown_once_renewed_and_switched_off(client: FlaskClient, user: User, mails: Mails) -> None:
    with time_machine.travel(clock.now() - timedelta(minutes=2)):
        sign_in(client, user)
        secret, recovery_codes = set_up(client)
    assert len(recovery_codes) == 10
    page = text(client.get(PAGE))
    assert "You have 10 recovery codes left." in page
    assert not any(code in page for code in recovery_codes)
    assert secret not in page
    assert client.get(f"{PAGE}/setup").location == PAGE
    assert post(client, f"{PAGE}/recovery-codes", **{"renew-password": "wrong"}).status_code == 422
    renewed = post(client, f"{PAGE}/recovery-codes", **{"renew-password": PASSWORD})
    assert len(set(re.findall(r"<li><code>([^<]+)</code></li>", text(renewed))) - set(recovery_codes)) == 10
    off = {"off-password": PASSWORD, "off-code": "12345"}
    assert post(client, f"{PAGE}/off", **off).status_code == 422
    assert post(client, f"{PAGE}/off", **off | {"off-code": code_of(secret)}).location == PAGE
    assert "Set up two-step verification" in text(client.get(PAGE))
    assert [(to, subject) for to, subject, _link in mails()] == [
        (EMAIL, "Two-step verification for Nordlicht Energie GmbH is on"),
        (EMAIL, "Two-step verification for Nordlicht Energie GmbH is off"),
    ]


def test_a_wrong_code_or_password_shows_the_same_secret_again(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    post(client, f"{PAGE}/setup")
    begun = second_factor.setting_up(user.id)
    assert begun is not None
    for form in ({"password": PASSWORD, "code": "12345"}, {"password": "not the password", "code": "123456"}):
        page = post(client, f"{PAGE}/confirmation", **form)
        assert page.status_code == 422
        assert begun.typed in text(page)
    assert second_factor.state(user.id).since is None


def test_confirming_twice_leads_to_what_is_on(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    secret, _codes = set_up(client)
    again = post(client, f"{PAGE}/confirmation", password=PASSWORD, code=code_of(secret, timedelta(seconds=30)))
    assert (again.status_code, again.location) == (303, PAGE)


def test_a_used_recovery_code_is_mailed_to_its_owner(
    client: FlaskClient, user: User, smtp: Mailbox, mails: Mails
) -> None:
    sign_in(client, user)
    _secret, recovery_codes = set_up(client)
    mails()
    post(client, "/sign-out")
    assert post(client, first_step(client), code=recovery_codes[0]).location == "/"
    ((to, subject, link),) = mails()
    assert (to, subject) == (EMAIL, "A recovery code was used at Nordlicht Energie GmbH")
    assert link.endswith("/password/forgotten")


# Staff who have to


@pytest.fixture
def reviewer(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.staff(session)


@pytest.mark.settings(PORTAL_STAFF_SECOND_FACTOR="required")
def test_staff_without_one_reach_nothing_else_until_it_is_set_up(client: FlaskClient, reviewer: User) -> None:
    sign_in(client, reviewer)
    for address in ("/support", "/account", "/support/customers/cus_none", "/no-such-page"):
        assert client.get(address).location == PAGE
    assert post(client, "/account/profile", **{"profile-name": "Eve"}).location == PAGE
    part = client.get("/support", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["HX-Redirect"]) == (401, PAGE)
    assert client.get("/healthz").status_code == 200
    page = text(client.get(PAGE))
    assert "Set up two-step verification first" in page
    assert 'href="/support/invoices"' not in page
    set_up(client)
    assert client.get("/support").status_code == 200


@pytest.mark.settings(PORTAL_STAFF_SECOND_FACTOR="required")
def test_staff_without_one_may_leave_and_customers_need_none(client: FlaskClient, reviewer: User, user: User) -> None:
    sign_in(client, reviewer)
    assert post(client, "/sign-out").location == "/sign-in"
    sign_in(client, user)
    assert client.get("/invoices").status_code == 200


def test_staff_need_none_unless_the_settings_say_so(client: FlaskClient, reviewer: User) -> None:
    sign_in(client, reviewer)
    assert client.get("/support").status_code == 200


# For who lost phone and codes


def test_an_operator_takes_it_away_by_a_command(app: Flask, client: FlaskClient, secret: str) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = app.test_cli_runner().invoke(args=["user", "reset-second-factor", *words])
        return done.exit_code, done.output

    assert run("nobody@spree-bikes.test")[0] == 1
    status, told = run(EMAIL)
    assert status == 0
    assert first_step(client) == "/sign-in/code"
    assert post(client, "/sign-in/code", code=told.split()[-1]).location == "/"
    assert run(EMAIL) == (0, "There was no second factor.\n")


def test_a_new_password_does_not_switch_it_off(client: FlaskClient, secret: str, user: User) -> None:
    service.set_password(user.id, "nine slow ferries at dusk")
    answer = post(client, "/sign-in", email=EMAIL, password="nine slow ferries at dusk")
    assert answer.location == "/sign-in/code"
