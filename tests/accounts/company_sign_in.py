"""Signing in at an identity provider, step by step, as a browser does."""

from __future__ import annotations

import html
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import requests
from flask.testing import FlaskClient
from pydantic import SecretStr
from werkzeug.test import TestResponse

from portal.core import config
from portal.core.permissions import Role

CLIENT = "portal"


def use(settings: config.Settings, issuer: str) -> config.Settings:
    named = {
        "staff_oidc_issuer": issuer,
        "staff_oidc_client_id": CLIENT,
        "staff_oidc_client_secret": SecretStr("a-secret-of-the-portal"),
        "staff_oidc_roles": {"portal-admins": Role.ADMIN, "billing": Role.SUPPORT, "books": Role.FINANCE},
        "staff_break_glass": ("glass@portal.test",),
    }
    return config.use(settings.model_copy(update=named))


def person(
    issuer: str,
    *roles: str,
    email: str = "tom@portal.test",
    email_verified: bool = True,
    proved: datetime | None = None,
) -> str:
    """Someone whom the provider knows; returns their name there."""
    told: dict[str, Any] = {
        "email": email,
        "email_verified": email_verified,
        "name": "Tom Provided",
        "roles": list(roles),
    }
    if proved is not None:
        told["auth_time"] = int(proved.timestamp())
    requests.put(f"{issuer}/users/{email}", json=told, timeout=5).raise_for_status()
    return email


def leave(browser: FlaskClient) -> str:
    """Press "Sign in with your company account"; where that leads."""
    answer = browser.get("/sign-in/provider?next=/support/refunds")
    assert answer.status_code == 303
    return str(answer.location)


def at_provider(address: str, who: str) -> str:
    """Sign in there; where it sends the browser."""
    answer = requests.post(address, data={"sub": who}, allow_redirects=False, timeout=5)
    assert answer.status_code in {302, 303}, answer.text
    return answer.headers["Location"]


def come_back(browser: FlaskClient, address: str) -> TestResponse:
    parts = urlsplit(address)
    return browser.get(f"{parts.path}?{parts.query}")


def changed(address: str, **values: str) -> str:
    parts = urlsplit(address)
    query = {name: found[0] for name, found in parse_qs(parts.query).items()} | values
    return urlunsplit(parts._replace(query=urlencode(query)))


def sign_in(browser: FlaskClient, who: str) -> TestResponse:
    return come_back(browser, at_provider(leave(browser), who))


def text(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))
