"""Passkeys: what opens an account, and all that does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from portal.accounts import access
from portal.core import clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import NotFound, PortalError
from portal.identity import codes, passkeys, second_factor, sessions
from portal.identity.models import PasskeyChallenge, SecondFactor, User
from portal.identity.passkeys import WrongPasskey
from tests import factories
from tests.accounts.conftest import Mails
from tests.browsing import Console
from tests.front.axe import violations
from tests.identity.authenticator import Authenticator
from tests.served import served

ORIGIN = "https://portal.test"
WHERE = {"ip": "203.0.113.7", "user_agent": "Firefox Linux"}

pytestmark = pytest.mark.settings(PORTAL_BASE_URL=ORIGIN)


@pytest.fixture
def user(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session))


@pytest.fixture
def phone(user: User) -> Authenticator:
    """One whose passkey was added to the user's account."""
    phone = Authenticator(ORIGIN)
    passkeys.add(user.id, "Phone", phone.create(passkeys.begin_adding(user.id)))
    return phone


def signed_in(answer: str) -> str:
    found = sessions.find(passkeys.sign_in(answer, **WHERE))
    assert found is not None
    return found.id


def actions() -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.number)))


def test_a_passkey_signs_in_without_a_password_and_its_owner_is_told_of_it(
    user: User, phone: Authenticator, mails: Mails
) -> None:
    assert signed_in(phone.get(passkeys.begin_signing_in())) == user.id
    (shown,) = passkeys.of_user(user.id)
    assert (shown.name, shown.last_used_at is None, shown.is_synced) == ("Phone", False, False)
    assert [(to, subject) for to, subject, _link in mails()] == [
        (user.email, "A passkey was added for Nordlicht Energie GmbH")
    ]
    assert actions() == ["passkey.added", "session.started"]


WRONG: dict[str, dict[str, Any]] = {
    "of another origin": {"origin": "https://evil.test"},
    "of another port": {"origin": "https://portal.test:8443"},
    "of another site": {"host": "evil.test"},
    "without knowing its owner": {"verified": False},
    "of a challenge that nobody gave out": {"challenge": "x" * 43},
    "with a count that goes back": {"count": 0},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_answer_that_is_not_one_to_us_opens_nothing(phone: Authenticator, wrong: str) -> None:
    signed_in(phone.get(passkeys.begin_signing_in()))
    with pytest.raises(WrongPasskey):
        passkeys.sign_in(phone.get(passkeys.begin_signing_in(), **WRONG[wrong]), **WHERE)
    phone.count += 1
    signed_in(phone.get(passkeys.begin_signing_in()))


@pytest.mark.parametrize("wrong", [name for name in WRONG if "count" not in name])
def test_such_an_answer_is_not_added_either(user: User, wrong: str) -> None:
    with pytest.raises(WrongPasskey):
        passkeys.add(user.id, "Phone", Authenticator(ORIGIN).create(passkeys.begin_adding(user.id), **WRONG[wrong]))
    assert passkeys.of_user(user.id) == []


def test_an_answer_counts_once_and_for_five_minutes(phone: Authenticator) -> None:
    answer = phone.get(passkeys.begin_signing_in())
    signed_in(answer)
    with pytest.raises(WrongPasskey):
        passkeys.sign_in(answer, **WHERE)
    late = passkeys.begin_signing_in()
    with time_machine.travel(clock.now() + timedelta(minutes=5, seconds=1)), pytest.raises(WrongPasskey):
        passkeys.sign_in(phone.get(late), **WHERE)


def test_a_challenge_for_one_thing_is_none_for_another(user: User, phone: Authenticator) -> None:
    with db.transaction() as session:
        other = factories.user(session, factories.customer(session))
    with pytest.raises(WrongPasskey):
        passkeys.sign_in(phone.get(passkeys.begin_signing_in(user.id)), **WHERE)
    with pytest.raises(WrongPasskey):
        passkeys.add(other.id, "Phone", Authenticator(ORIGIN).create(passkeys.begin_adding(user.id)))
    token = passkeys.sign_in(phone.get(passkeys.begin_signing_in()), **WHERE)
    with pytest.raises(WrongPasskey):  # a colleague's passkey proves nothing about oneself
        passkeys.prove(other.id, token, phone.get(passkeys.begin_signing_in(other.id)))


@pytest.mark.parametrize("answer", ["", "no JSON", "[]", "{}", '{"response": {"clientDataJSON": "eA"}}', "[" * 9_000])
def test_nonsense_is_refused(user: User, answer: str) -> None:
    with pytest.raises(WrongPasskey):
        passkeys.sign_in(answer, **WHERE)
    with pytest.raises(WrongPasskey):
        passkeys.add(user.id, "Phone", answer)


def test_a_removed_passkey_and_an_ended_access_open_nothing(user: User, phone: Authenticator) -> None:
    access.end(user.id)
    with pytest.raises(WrongPasskey):
        passkeys.sign_in(phone.get(passkeys.begin_signing_in()), **WHERE)
    access.restore(user.id)
    (shown,) = passkeys.of_user(user.id)
    passkeys.remove(user.id, shown.id)
    with pytest.raises(WrongPasskey):
        passkeys.sign_in(phone.get(passkeys.begin_signing_in()), **WHERE)
    with pytest.raises(NotFound):
        passkeys.remove(user.id, shown.id)


def test_nobody_adds_passkeys_without_end(user: User, phone: Authenticator) -> None:
    for number in range(passkeys.MOST_PASSKEYS - 1):
        key = Authenticator(ORIGIN)
        passkeys.add(user.id, f"Key {number}", key.create(passkeys.begin_adding(user.id)))
    with pytest.raises(PortalError):
        passkeys.begin_adding(user.id)


@pytest.mark.settings(PORTAL_STAFF_SECOND_FACTOR="required")
def test_a_passkey_is_two_factors_and_a_password_one(settings: config.Settings) -> None:
    with db.transaction() as session:
        tom = factories.staff(session)
        with_password = sessions.start(session, tom, ip="", user_agent="")
    phone = Authenticator(ORIGIN)
    passkeys.add(tom.id, "Phone", phone.create(passkeys.begin_adding(tom.id)))
    found = sessions.find(passkeys.sign_in(phone.get(passkeys.begin_signing_in()), **WHERE))
    other = sessions.find(with_password)
    assert found is not None
    assert other is not None
    assert (found.owes_second_factor, other.owes_second_factor) == (False, True)


def test_whoever_has_a_code_besides_is_not_asked_for_it(user: User, phone: Authenticator) -> None:
    second_factor.begin(user.id)
    with db.transaction() as session:
        session.get_one(SecondFactor, user.id).enabled_at = clock.now()
        assert codes.is_asked_for(session, user.id)
    assert signed_in(phone.get(passkeys.begin_signing_in())) == user.id


def test_a_passkey_proves_again_who_one_is(user: User, phone: Authenticator, app: Flask, client: FlaskClient) -> None:
    factories.sign_in(client, user)
    with time_machine.travel(clock.now() + timedelta(minutes=11)):
        removal = "/account/passkeys/x/removal"
        led = client.post(removal, data={"csrf_token": factories.csrf_token(client)})
        assert led.location.startswith("/account/confirmation")
        options = client.post(
            "/account/confirmation/passkey/options", headers={"X-CSRFToken": factories.csrf_token(client)}
        )
        form = {"credential": phone.get(options.get_data(as_text=True)), "csrf_token": factories.csrf_token(client)}
        assert client.post("/account/confirmation/passkey?next=/account", data=form).location == "/account"
        assert client.post(removal, data={"csrf_token": factories.csrf_token(client)}).status_code == 404


@pytest.mark.settings(PORTAL_BASE_URL="http://127.0.0.1:8000")
def test_where_browsers_take_no_passkeys_none_is_offered(client: FlaskClient) -> None:
    assert "passkey" not in client.get("/sign-in").get_data(as_text=True)
    assert client.get("/account/passkeys").status_code == 404


def test_old_challenges_are_forgotten(user: User) -> None:
    from portal.identity import job_handlers

    passkeys.begin_signing_in()
    with time_machine.travel(clock.now() + timedelta(minutes=6)):
        job_handlers.sweep()
    with db.reading() as session:
        assert session.execute(select(func.count()).select_from(PasskeyChallenge)).scalar_one() == 0


# In a browser


@pytest.fixture
def site(settings: config.Settings) -> Iterator[str]:
    """The portal at an address that has a name, as browsers want it for passkeys."""
    with served(host="localhost") as url:
        yield url


@pytest.mark.database("sqlite")
def test_a_passkey_is_added_used_and_removed_in_a_browser(user: User, site: str, page: Page, console: Console) -> None:
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    made = device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.goto(f"{site}/sign-in")
    page.locator("[name=email]").fill(user.email)
    page.locator("[name=password]").fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.goto(f"{site}/account/passkeys")
    assert violations(page) == []
    page.get_by_label("Name").fill("Work laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator(".flashes")).to_contain_text("The passkey is added")
    assert violations(page) == []
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#notices")).to_contain_text("This device already has a passkey for your account.")

    page.context.clear_cookies()
    page.goto(f"{site}/sign-in?next=/account/passkeys")
    assert violations(page) == []
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{site}/account/passkeys")
    expect(page.locator("main")).to_contain_text("last used")

    # A device that does not know its owner is refused, in words.
    page.context.clear_cookies()
    device.send("WebAuthn.setUserVerified", {"authenticatorId": made["authenticatorId"], "isUserVerified": False})
    page.goto(f"{site}/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator("#notices")).to_contain_text("Nothing was done")
    device.send("WebAuthn.setUserVerified", {"authenticatorId": made["authenticatorId"], "isUserVerified": True})
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{site}/")

    page.goto(f"{site}/account/passkeys")
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("button", name="Remove passkey").click()
    expect(page.locator(".flashes")).to_contain_text("The passkey is removed")
    page.context.clear_cookies()
    page.goto(f"{site}/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator(".flashes")).to_contain_text("This passkey did not work")
