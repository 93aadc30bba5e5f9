"""@stripe/stripe-js and @stripe/react-stripe-js in a page of React's, bundled as shops bundle theirs, in a browser."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect
from werkzeug import Request, Response
from werkzeug.wsgi import responder

from tests.clients.installing import REACT, npm, only_on_request
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox_browser.conftest import served

SHOP = Path(__file__).with_name("react_shop.jsx")
# The script of the release that @stripe/stripe-js expects: it takes a script that is there already and loads none.
PAGE = """<!doctype html>
<html lang="en">
<head><title>A shop in React</title><script src="{sandbox}/endive/stripe.js"></script></head>
<body><div id="root"></div><script src="/shop.js"></script></body>
</html>"""


@pytest.fixture
def shop(sandbox: RunningSandbox, tmp_path: Path) -> Iterator[str]:
    """The origin of the shop."""
    only_on_request()
    modules = npm("react", REACT) / "node_modules"
    bundle = tmp_path / "shop.js"
    command = [
        str(modules / ".bin" / "esbuild"),
        str(SHOP),
        "--bundle",
        "--jsx=automatic",
        '--define:process.env.NODE_ENV="development"',
        f"--outfile={bundle}",
    ]
    environment = {**os.environ, "NODE_PATH": str(modules)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr

    @responder
    def app(environ: Any, _start_response: Any) -> Response:
        if Request(environ).path == "/shop.js":
            return Response(bundle.read_bytes(), mimetype="text/javascript")
        return Response(PAGE.format(sandbox=sandbox.url), mimetype="text/html")

    with served(app) as origin:
        yield origin


def open_checkout(page: Page, shop: str, sandbox: RunningSandbox) -> Any:
    sandbox.control("payment_methods", on="card,apple_pay,google_pay")
    intent = sandbox.client.v1.payment_intents.create({"amount": 2000, "currency": "eur"})
    page.goto(f"{shop}/?{urlencode({'key': 'pk_test_react', 'clientSecret': str(intent.client_secret)})}")
    # React mounts, unmounts and mounts again in development: what is there at the end is each element once.
    expect(page.locator("#ready")).to_have_text("address link payment", timeout=30_000)
    return intent


def fill_address(page: Page) -> None:
    form = page.frame_locator('iframe[title="Secure address input frame"]')
    form.locator("#Field-countryInput").select_option("DE")
    for name, value in (
        ("name", "Ada"),
        ("line1", "Main Street 1"),
        ("city", "Berlin"),
        ("addressPostalCode", "10115"),
    ):
        form.locator(f"#Field-{name}Input").fill(value)


def test_a_shop_in_react_mounts_every_element_and_is_paid(page: Page, shop: str, sandbox: RunningSandbox) -> None:
    intent = open_checkout(page, shop, sandbox)
    for title in ("payment input", "address input", "email input", "express checkout"):
        expect(page.locator(f'iframe[title="Secure {title} frame"]')).to_have_count(1)
    expect(page.locator("#wallets")).to_contain_text('"applePay":true')
    page.frame_locator('iframe[title="Secure email input frame"]').locator("#Field-emailInput").fill("ada@example.com")
    expect(page.locator("#email")).to_have_text("ada@example.com")
    fill_address(page)
    card = page.frame_locator('iframe[title="Secure payment input frame"]')
    for name, value in (("number", "4242424242424242"), ("expiry", "12 / 34"), ("cvc", "123"), ("postalCode", "12345")):
        card.locator(f"#Field-{name}Input").fill(value)
    page.get_by_role("button", name="Pay").click()
    expect(page.locator("#outcome")).to_have_text("succeeded", timeout=20_000)
    found: Any = sandbox.client.v1.payment_intents.retrieve(intent.id, {"expand": ["payment_method"]})
    assert found.shipping.address.city == "Berlin"
    assert found.payment_method.billing_details.email == "ada@example.com"


def test_a_shop_in_react_is_paid_by_a_wallet(page: Page, shop: str, sandbox: RunningSandbox) -> None:
    sandbox.control("wallet", answers="pays")
    intent = open_checkout(page, shop, sandbox)
    page.frame_locator('iframe[title="Secure email input frame"]').locator("#Field-emailInput").fill("ada@example.com")
    fill_address(page)
    page.frame_locator('iframe[title="Secure express checkout frame"]').locator("#express-google_pay").click()
    expect(page.locator("#outcome")).to_have_text("succeeded", timeout=20_000)
    charge: Any = sandbox.client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge
    assert charge.payment_method_details.card.wallet.type == "google_pay"
