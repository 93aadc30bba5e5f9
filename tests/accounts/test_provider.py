"""Staff sign in at an identity provider: a real one, on this machine, that speaks OpenID Connect."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.accounts import access, provider
from portal.core import answers as remembered
from portal.core import clock, config, db
from portal.core.audit import AuditEvent
from portal.identity import signing_in
from portal.identity.models import User
from tests import factories
from tests.accounts.company_sign_in import at_provider, changed, come_back, leave, person, sign_in, text, use

# The provider runs in this process, and what it is made of warns of words that it will not know for ever.
pytestmark = [pytest.mark.database("sqlite"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]

HOME = {"ip": "192.0.2.1", "user_agent": ""}


@pytest.fixture
def settings_of_provider(settings: config.Settings, issuer: str) -> config.Settings:
    return use(settings, issuer)


@pytest.fixture
def browser(app: Flask, settings_of_provider: config.Settings) -> FlaskClient:
    return app.test_client()


def users() -> dict[str, tuple[str, bool]]:
    with db.reading() as session:
        return {row.email: (row.role, row.active) for row in session.scalars(select(User))}


def test_who_has_a_role_there_works_here_at_once(browser: FlaskClient, issuer: str) -> None:
    page = text(browser.get("/sign-in"))
    assert "Sign in with your company account" in page
    answer = sign_in(browser, person(issuer, "billing", "anything"))
    assert (answer.status_code, answer.location) == (303, "/support/refunds")
    assert browser.get("/support/refunds").status_code == 200
    assert users()["tom@portal.test"] == ("support", True)
    assert sign_in(browser, "tom@portal.test").status_code == 303
    assert len(users()) == 1


def test_the_code_is_proved_with_pkce_and_good_once(browser: FlaskClient, issuer: str) -> None:
    who = person(issuer, "billing")
    address = leave(browser)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["code_challenge_method"] == "S256" and asked["response_type"] == "code"
    with browser.session_transaction() as kept:
        attempt = kept["provider_attempt"]
    digest = hashlib.sha256(attempt["verifier"].encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert (asked["state"], asked["nonce"]) == (attempt["state"], attempt["nonce"])
    back = at_provider(address, who)
    assert come_back(browser, back).status_code == 303
    assert come_back(browser, back).status_code == 403, "a second time it proves nothing"


@pytest.mark.parametrize("what", ["state", "nonce"])
def test_what_was_begun_in_another_browser_proves_nothing(browser: FlaskClient, issuer: str, what: str) -> None:
    who = person(issuer, "billing")
    if what == "state":
        answer = come_back(browser, changed(at_provider(leave(browser), who), state="of-another"))
    else:
        answer = come_back(browser, at_provider(changed(leave(browser), nonce="of-another"), who))
    assert answer.status_code == 403
    assert "could not be verified" in text(answer)
    assert browser.get("/support").status_code == 303 and users() == {}
    with db.reading() as session:
        row = session.scalars(select(AuditEvent).where(AuditEvent.action == "session.refused")).one()
        assert row.facts == {"why": "provider"}


def test_a_token_for_another_audience_is_refused(browser: FlaskClient, issuer: str) -> None:
    """The same provider, a true signature, the right nonce: but made for another application."""
    who = person(issuer, "portal-admins")
    address = changed(leave(browser), client_id="another-app", nonce="n")
    code = parse_qs(urlsplit(at_provider(address, who)).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": parse_qs(urlsplit(address).query)["redirect_uri"][0],
    }
    token = requests.post(f"{issuer}/oauth2/token", data=form, auth=("another-app", "x"), timeout=5).json()["id_token"]
    with pytest.raises(provider.NotProved):
        provider.person_of(token, "n")
    config.use(config.current().model_copy(update={"staff_oidc_client_id": "another-app"}))
    assert provider.person_of(token, "n").subject == who, "nothing else was wrong with it"
    with pytest.raises(provider.NotProved):
        provider.person_of(token, "another nonce")
    with pytest.raises(provider.NotProved):
        provider.person_of(token[:-6] + "AAAAAA", "n")
    with time_machine.travel(clock.now() + timedelta(hours=2)), pytest.raises(provider.NotProved):
        provider.person_of(token, "n")


def test_who_has_no_role_there_has_no_access(browser: FlaskClient, issuer: str) -> None:
    refused = sign_in(browser, person(issuer, "canteen"))
    assert refused.status_code == 403 and "no access to this portal" in text(refused)
    assert users() == {}


def test_an_address_that_is_not_verified_makes_no_account(browser: FlaskClient, issuer: str) -> None:
    with db.transaction() as session:
        factories.staff(session, "admin", email="tom@portal.test")
    who = person(issuer, "billing", email_verified=False)
    assert sign_in(browser, who).status_code == 403
    assert users() == {"tom@portal.test": ("admin", True)}


def test_a_role_that_changed_there_holds_from_the_next_sign_in_on(browser: FlaskClient, issuer: str) -> None:
    sign_in(browser, person(issuer, "portal-admins"))
    assert browser.get("/support/staff").status_code == 200
    sign_in(browser, person(issuer, "books"))
    assert users()["tom@portal.test"] == ("finance", True)
    assert browser.get("/support/staff").status_code == 404
    person(issuer)
    other = browser.application.test_client()
    assert sign_in(other, "tom@portal.test").status_code == 403
    assert browser.get("/support").status_code == 303, "without a role the open sessions end, too"


def test_who_lost_access_here_does_not_come_in_by_the_provider(browser: FlaskClient, issuer: str) -> None:
    sign_in(browser, person(issuer, "billing"))
    with db.transaction() as session:
        ida = factories.staff(session, "admin", email="glass@portal.test")
    (tom,) = [one for one in access.of_staff() if one.email == "tom@portal.test"]
    access.end(tom.id, by=ida.id)
    assert browser.get("/support").status_code == 303
    assert sign_in(browser, "tom@portal.test").status_code == 403


def test_passwords_of_staff_open_nothing_but_the_one_behind_glass(browser: FlaskClient) -> None:
    with db.transaction() as session:
        old = factories.staff(session, "admin", email="old@portal.test")
        glass = factories.staff(session, "admin", email="glass@portal.test")
        ada = factories.user(session, factories.customer(session))
    with pytest.raises(signing_in.WrongCredentials):
        signing_in.sign_in(old.email, factories.PASSWORD, **HOME)
    for able in (glass, ada):
        assert signing_in.sign_in(able.email, factories.PASSWORD, **HOME)
    assert access.member(glass.id).is_only_admin
    with pytest.raises(access.ByProvider):
        access.change_role(old.id, "support", by=glass.id)
    with pytest.raises(access.ByProvider):
        access.invite(email="new@portal.test", name="New", role="support", by=glass.id)


def test_the_account_of_a_verified_address_is_taken_over_once(browser: FlaskClient, issuer: str) -> None:
    with db.transaction() as session:
        tom = factories.staff(session, "approver", email="tom@portal.test")
    sign_in(browser, person(issuer, "billing"))
    assert access.member(tom.id).role == "support" and len(users()) == 1
    requests.put(
        f"{issuer}/users/somebody-else",
        json={"email": "tom@portal.test", "email_verified": True, "roles": ["portal-admins"]},
        timeout=5,
    )
    other = browser.application.test_client()
    assert sign_in(other, "somebody-else").status_code == 403
    assert access.member(tom.id).role == "support"


def test_a_session_ends_after_the_hours_of_the_settings(browser: FlaskClient, issuer: str) -> None:
    config.use(config.current().model_copy(update={"staff_oidc_session_hours": 1}))
    sign_in(browser, person(issuer, "billing"))
    begun = clock.now()
    for minutes in (10, 20, 30, 40, 50, 59):
        with time_machine.travel(begun + timedelta(minutes=minutes)):
            assert browser.get("/support").status_code == 200
    with time_machine.travel(begun + timedelta(minutes=61)):
        assert browser.get("/support").status_code == 303


def test_who_must_prove_themselves_again_does_so_at_the_provider(browser: FlaskClient, issuer: str) -> None:
    """A provider that remembers them is no proof: it has to say that they did it now."""
    begun = clock.now()
    sign_in(browser, person(issuer, "portal-admins", proved=begun))
    with time_machine.travel(begun + timedelta(minutes=11)):
        for proved, status in ((begun, 403), (begun + timedelta(minutes=11), 303)):
            person(issuer, "portal-admins", proved=proved)
            answer = browser.get("/account/confirmation?next=/support/staff")
            assert answer.location.startswith("/sign-in/provider?next=")
            address = str(browser.get(answer.location).location)
            assert parse_qs(urlsplit(address).query)["prompt"] == ["login"]
            back = come_back(browser, at_provider(address, "tom@portal.test"))
            assert back.status_code == status
        assert back.location == "/support/staff"


def test_a_provider_that_hangs_holds_nobody_for_long(app: Flask, settings: config.Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(settings, f"http://127.0.0.1:{silent.getsockname()[1]}")
        answers: list[TestResponse] = []
        browsers = [app.test_client() for _ in range(4)]
        before = clock.now()
        threads = [
            threading.Thread(target=lambda one=one: answers.append(one.get("/sign-in/provider"))) for one in browsers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert clock.now() - before < timedelta(seconds=provider.TIMEOUT_SECONDS * 3)
    assert [one.status_code for one in answers] == [503] * 4
    assert "is not responding" in text(answers[0])
    with db.reading() as session:
        known = remembered.of(session, remembered.IDENTITY_PROVIDER)
    assert known is not None
    assert known.failing_since is not None
    assert known.failing_since >= before
    assert re.search("Other ways to sign in", text(answers[0]))


def test_without_a_provider_there_is_no_such_page(app: Flask) -> None:
    browser = app.test_client()
    assert browser.get("/sign-in/provider").status_code == 404
    assert "company account" not in text(browser.get("/sign-in"))
