"""Where the company has an identity provider, staff prove who they are there alone: their passkeys and passwords count for nothing."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from portal.core import clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import Invalid
from portal.identity import app_grants, passkeys, policy, service, sessions, signing_in
from portal.identity.models import User
from tests import factories
from tests.accounts.company_sign_in import person, sign_in, text, use
from tests.identity.authenticator import Authenticator

pytestmark = [
    pytest.mark.database("sqlite"),
    pytest.mark.settings(PORTAL_BASE_URL="https://portal.test"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

HOME = {"ip": "192.0.2.1", "user_agent": ""}


def with_passkey(user: User) -> Authenticator:
    """The authenticator whose passkey was added to this account."""
    phone = Authenticator(config.current().base_url)
    passkeys.add(user.id, "Phone", phone.create(passkeys.begin_adding(user.id)))
    return phone


def by_passkey(phone: Authenticator) -> str:
    return passkeys.sign_in(phone.get(passkeys.begin_signing_in()), **HOME)


def test_passkeys_of_staff_sign_nobody_in_but_the_one_behind_glass(settings: config.Settings, issuer: str) -> None:
    with db.transaction() as session:
        old = factories.staff(session, "admin", email="old@portal.test")
        glass = factories.staff(session, "admin", email="glass@portal.test")
        ada = factories.user(session, factories.customer(session))
    phone, *able = (with_passkey(one) for one in (old, glass, ada))
    assert sessions.find(by_passkey(phone))
    use(settings, issuer)
    with pytest.raises(passkeys.WrongPasskey):
        by_passkey(phone)
    for one in able:
        assert sessions.find(by_passkey(one))
    with db.reading() as session:
        refused = session.scalars(select(AuditEvent).where(AuditEvent.action == "passkey.refused")).one()
    assert refused.subject == old.id


@pytest.mark.settings(PORTAL_STAFF_SECOND_FACTOR="required")
def test_a_passkey_of_staff_is_no_second_factor(settings: config.Settings, issuer: str) -> None:
    with db.transaction() as session:
        old, glass = (factories.staff(session, "admin", email=f"{name}@portal.test") for name in ("old", "glass"))
    of_old, of_glass = (by_passkey(with_passkey(one)) for one in (old, glass))
    found = sessions.find(of_old)
    assert found is not None and not found.owes_second_factor
    use(settings, issuer)
    assert sessions.find(of_old) is None, "what was begun with it is over"
    assert sessions.devices(old.id) == []
    kept = sessions.find(of_glass)
    assert kept is not None and not kept.owes_second_factor


def test_a_passkey_of_staff_confirms_no_press(app: Flask, settings: config.Settings, issuer: str) -> None:
    with db.transaction() as session:
        tom = factories.staff(session, "admin", email="tom@portal.test")
    phone = with_passkey(tom)
    use(settings, issuer)
    browser = app.test_client()
    begun = clock.now()
    sign_in(browser, person(issuer, "portal-admins", proved=begun))
    with time_machine.travel(begun + timedelta(minutes=11)):
        headers = {"X-CSRFToken": factories.csrf_token(browser)}
        options = browser.post("/account/confirmation/passkey/options", headers=headers).get_data(as_text=True)
        form = {"credential": phone.get(options), "csrf_token": factories.csrf_token(browser)}
        answer = browser.post("/account/confirmation/passkey?next=/support/staff", data=form)
        assert answer.location.startswith("/account/confirmation")
        press = browser.post("/account/passkeys/x/removal", data={"csrf_token": factories.csrf_token(browser)})
        assert press.location.startswith("/account/confirmation"), "who they are is as long ago as before"


def test_staff_of_the_provider_add_no_passkey_and_are_told_so(
    app: Flask, settings: config.Settings, issuer: str
) -> None:
    with db.transaction() as session:
        tom = factories.staff(session, "admin", email="tom@portal.test")
    with_passkey(tom)
    asked = passkeys.begin_adding(tom.id)
    use(settings, issuer)
    with pytest.raises(policy.SignsInElsewhere):
        passkeys.add(tom.id, "Late", Authenticator(settings.base_url).create(asked))
    browser = app.test_client()
    sign_in(browser, person(issuer, "portal-admins", proved=clock.now()))
    why = "You sign in with your company account"
    page = text(browser.get("/account/passkeys"))
    assert why in page and "Remove passkey" in page and 'data-passkey="create"' not in page
    headers = {"X-CSRFToken": factories.csrf_token(browser), "Accept": "application/json"}
    refused = browser.post("/account/passkeys/options", headers=headers)
    assert refused.status_code == 409 and why in refused.get_json()["detail"]
    account = text(browser.get("/account"))
    assert "Manage passkeys" not in account and "Change the password" not in account
    (shown,) = passkeys.of_user(tom.id)
    passkeys.remove(tom.id, shown.id)


def test_what_staff_signed_in_with_before_the_provider_is_over(settings: config.Settings, issuer: str) -> None:
    with db.transaction() as session:
        old, glass = (factories.staff(session, "admin", email=f"{name}@portal.test") for name in ("old", "glass"))
    of_old, of_glass = (signing_in.sign_in(one.email, factories.PASSWORD, **HOME) for one in (old, glass))
    app_of_old = app_grants.sign_in(old.email, factories.PASSWORD, code=None, wanted=None, **HOME)
    use(settings, issuer)
    assert sessions.find(of_old) is None and sessions.find(of_glass) is not None
    assert app_grants.standing(app_of_old.id) is None
    with pytest.raises(app_grants.GrantOver):
        app_grants.refresh(app_of_old.refresh_token)
    with pytest.raises(Invalid):
        sessions.confirm_password(old.id, factories.PASSWORD, ip="")
    with pytest.raises(Invalid):
        service.change_password(old.id, factories.PASSWORD, "eight slow boats at dusk", **HOME)


def test_a_session_of_the_provider_is_over_with_the_provider(
    app: Flask, settings: config.Settings, issuer: str
) -> None:
    use(settings, issuer)
    browser = app.test_client()
    sign_in(browser, person(issuer, "billing"))
    config.use(config.current().model_copy(update={"staff_oidc_issuer": ""}))
    assert browser.get("/support").status_code == 303


def test_an_admin_of_the_provider_makes_an_api_key_without_a_password(
    app: Flask, settings: config.Settings, issuer: str
) -> None:
    use(settings, issuer)
    browser = app.test_client()
    begun = clock.now()
    sign_in(browser, person(issuer, "portal-admins", proved=begun))
    page = text(browser.get("/support/api-clients/new"))
    assert "Your password" not in page
    key = re.search(r'name="key"[^>]* value="([^"]+)"', page)
    assert key
    form = {"name": "Shop", "scopes": "invoices:write", "days": "30", "key": key[1]}
    made = browser.post("/support/api-clients/new", data=form | {"csrf_token": factories.csrf_token(browser)})
    assert made.status_code == 200 and "Shop" in text(made)
    with time_machine.travel(begun + timedelta(minutes=11)):
        led = browser.post("/support/api-clients/new", data=form | {"csrf_token": factories.csrf_token(browser)})
        assert led.location.startswith("/account/confirmation")
