"""Members of staff with browsers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import db
from tests import factories


@pytest.fixture
def browser_of(app: Flask) -> Callable[[str], FlaskClient]:
    """A browser in which a member of staff with this role has signed in: browser_of("approver")."""

    def signed_in(role: str) -> FlaskClient:
        with db.transaction() as session:
            person = factories.staff(session, role)
        browser = app.test_client()
        factories.sign_in(browser, person)
        return browser

    return signed_in
