"""The scripts of the pages that take a card are those of the inventory in docs/explanation/compliance.md, and a browser runs no others."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from deploy.dev.processes import ROOT
from portal.core import config, db
from portal.pay_links import service as pay_links
from portal.web.static_build import STATIC
from tests import factories

STRIPE = config.STRIPE_JS

pytestmark = [pytest.mark.database("sqlite"), pytest.mark.settings(STRIPE_JS_URL=STRIPE)]

CSP = (
    "default-src 'none'; script-src 'self' https://js.stripe.com https://*.js.stripe.com; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self' https://api.stripe.com; "
    "frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; report-uri /csp-reports; report-to csp"
)


def inventory() -> dict[str, tuple[str, str, str]]:
    """script → its owner, why it is there, and how its integrity is known."""
    part = (ROOT / "docs/explanation/compliance.md").read_text().partition("## Scripts of the payment page")[2]
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \| (.+?) \| (.+?) \|$", part.partition("\n## ")[0], re.MULTILINE)
    return {script: (owner, why, integrity) for script, owner, why, integrity in rows}


@pytest.fixture
def payer(app: Flask) -> tuple[FlaskClient, str]:
    """A signed-in customer, and the page of an invoice to pay."""
    with db.transaction() as session:
        customer = factories.customer(session)
        person, invoice = factories.user(session, customer), factories.invoice(session, customer)
        address = f"/payments/invoices/{invoice.id}"
    browser = app.test_client()
    factories.sign_in(browser, person)
    return browser, address


def named(page: str) -> Iterator[str]:
    """The scripts that a page names, each as the inventory calls it, and the modules that those import."""
    for address in re.findall(r"<script\b[^>]*\bsrc=\"([^\"]+)\"", page):
        own = re.fullmatch(r"/static/(?:[\w.-]+/)*?((?:js|vendor)/[\w.-]+\.js)(?:\?v=\w+)?", address)
        if own is None:
            yield address
        else:
            yield from with_imports(own[1])


def with_imports(script: str) -> Iterator[str]:
    yield f"static/{script}"
    if script.startswith("js/"):
        text = (STATIC / script).read_text()
        for module in re.findall(r"(?:from |import\(|import )\"([^\"]+)\"", text):
            yield from with_imports(f"js/{module.removeprefix('./')}")


def test_a_page_that_takes_a_card_has_the_scripts_of_the_inventory_and_no_others(
    payer: tuple[FlaskClient, str],
) -> None:
    browser, pay = payer
    seen = set()
    link = pay_links.for_invoice(pay.rpartition("/")[2])
    by_link = browser.get(urlsplit(link or "").path).location
    for address in (pay, by_link, "/payment-methods/new"):
        answer = browser.get(address)
        assert answer.status_code == 200
        assert answer.headers["Content-Security-Policy"] == CSP
        seen |= set(named(answer.get_data(as_text=True)))
    assert seen == set(inventory())


def test_each_script_of_the_inventory_has_an_owner_a_purpose_and_its_integrity() -> None:
    for script, told in inventory().items():
        assert all(len(part) > 3 for part in told), script
        assert script == STRIPE or (ROOT / script).is_file()
        if script.startswith("static/vendor/"):
            assert hashlib.sha256((ROOT / script).read_bytes()).hexdigest() in told[2], f"{script} is another file"
