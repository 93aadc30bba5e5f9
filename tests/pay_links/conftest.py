"""An invoice with its pay link, and browsers that open it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.pay_links import service
from tests import factories
from tests.certain import present
from tests.payments.conftest import Checkout, checkout

__all__ = ["checkout"]

KEY = "the-first-click-of-a-browser"
Open = Callable[..., FlaskClient]


@pytest.fixture
def link(checkout: Checkout) -> str:
    """The whole address."""
    return present(service.for_invoice(checkout.invoice_id))


@pytest.fixture
def opened(app: Flask, link: str) -> Open:
    """A browser in which the link was opened."""

    def opened(address: str = link) -> FlaskClient:
        browser = app.test_client()
        place_of(browser, address)
        return browser

    return opened


def token_of(link: str) -> str:
    return link.rpartition("/")[2]


def place_of(browser: FlaskClient, link: str) -> str:
    """Where a link leads: an address without the secret."""
    answer = browser.get(urlsplit(link).path)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return answer.location


def start(browser: FlaskClient, place: str, **form: str) -> TestResponse:
    return browser.post(
        f"{place}/start",
        data={"client_key": KEY, "csrf_token": factories.csrf_token(browser), **form},
        headers={"Accept": "application/json"},
    )
