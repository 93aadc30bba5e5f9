"""The page of the settings in force: all of them, and no secret."""

from __future__ import annotations

import html

import pytest
from flask import Flask
from pydantic import SecretStr

from portal.core import config, db
from portal.core.config import Settings
from portal.operations import settings_in_force
from tests import factories

pytestmark = pytest.mark.database("sqlite")


def test_every_setting_is_shown_and_no_secret(app: Flask) -> None:
    secrets = {
        "mail_password": SecretStr("pw-of-the-mail-server"),
        "api_jwt_secret": SecretStr("jwt-secret-that-is-long-enough-for-all"),
        "limits_storage": "redis://:pw-of-redis@localhost",
    }
    config.use(config.current().model_copy(update=secrets))
    with db.transaction() as session:
        admin = factories.staff(session, "admin")
    browser = app.test_client()
    factories.sign_in(browser, admin)
    page = html.unescape(browser.get("/support/operations/settings").get_data(as_text=True))
    current = config.current()
    hidden = [
        "pw-of-the-mail-server",
        "jwt-secret-that",
        "pw-of-redis",
        current.secret_key.get_secret_value(),
        current.stripe_secret_key.get_secret_value(),
        current.database_url,
        *(one.get_secret_value() for one in current.stripe_webhook_secrets),
    ]
    for secret in hidden:
        assert secret not in page
    shown = {one.name: one for _section, found in settings_in_force.by_section() for one in found}
    for name, field in Settings.model_fields.items():
        variable = field.alias or f"PORTAL_{name.upper()}"
        assert name == "company" or (variable in shown and f"<code>{variable}</code>" in page), variable
        assert name == "company" or shown[variable].effect, variable
    assert shown["PORTAL_MAIL_PASSWORD"].is_set and shown["PORTAL_MAIL_PASSWORD"].value is None
    assert shown["PORTAL_COMPANY_NAME"].value == current.company.name


@pytest.mark.settings(PORTAL_TIMEZONE="Europe/Berlin")
def test_it_is_told_where_a_value_came_from_and_what_the_check_says(settings: config.Settings) -> None:
    config.use(settings.model_copy(update={"private_endpoints": True}))
    shown = {one.name: one for _section, found in settings_in_force.by_section() for one in found}
    assert shown["PORTAL_TIMEZONE"].from_environment and shown["PORTAL_TIMEZONE"].value == "Europe/Berlin"
    assert not shown["PORTAL_REFUND_SEARCH_SECONDS"].from_environment
    assert shown["PORTAL_REFUND_FOUR_EYES"].value == "eur:500,usd:500"
    (problem,) = shown["PORTAL_PRIVATE_ENDPOINTS"].problems
    assert "must be false" in problem
