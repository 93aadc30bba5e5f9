"""The form and the dialog for people who do not see them, in every theme and on a narrow screen."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.sandbox_browser.checkout import ASKS_FOR_3DS, Checkout


def violations(page: Page) -> list[str]:
    """Everything axe finds in the page and its frames, which are of another origin and have to be told to answer it."""
    axe = Axe()
    for frame in page.frames:
        frame.evaluate(axe.axe_script)
        frame.evaluate("axe.configure({allowedOrigins: ['<unsafe_all_origins>']})")
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [f"{each['id']}: {node['target']} {node['html']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize(("layout", "width"), [("accordion", 1000), ("tabs", 320)])
@pytest.mark.parametrize("theme", ["stripe", "night", "flat"])
def test_the_form_has_no_violations(checkout: Checkout, theme: str, layout: str, width: int) -> None:
    checkout.page.set_viewport_size({"width": width, "height": 700})
    checkout.page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "night")
    checkout.mount(
        mode="payment",
        amount=100,
        currency="eur",
        setupFutureUsage="off_session",
        payment={"layout": layout},
        appearance={"theme": theme, "disableAnimations": True},
    )
    assert violations(checkout.page) == []
    checkout.field("number").fill("4242424242424241")
    checkout.call("elements.submit()")
    assert violations(checkout.page) == []
    fits = "html => html.scrollWidth <= html.clientWidth"
    assert checkout.form.locator("html").evaluate(fits)


def test_the_dialog_has_no_violations_and_holds_the_focus(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    checkout.type_card(ASKS_FOR_3DS)
    checkout.page.locator("#pay").focus()
    checkout.begin("stripe.confirmPayment({elements, redirect: 'if_required'})")
    checkout.bank.locator("#test-source-authorize-3ds").wait_for()
    assert violations(checkout.page) == []
    assert checkout.page.locator("main").evaluate("main => main.inert")
    checkout.page.keyboard.press("Tab")
    assert checkout.page.evaluate("document.activeElement.tagName") == "IFRAME"
    checkout.dialog.get_by_role("button", name="Cancel").press("Escape")
    assert "error" in checkout.result()
    assert checkout.page.evaluate("document.activeElement.id") == "pay"


@pytest.mark.parametrize("theme", ["stripe", "night"])
def test_the_address_and_the_email_have_no_violations(checkout: Checkout, theme: str) -> None:
    checkout.page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "night")
    look = {"appearance": {"theme": theme, "disableAnimations": True}}
    checkout.mount_element("address", {"mode": "shipping", "fields": {"phone": "always"}}, **look)
    checkout.mount_element("linkAuthentication")
    assert violations(checkout.page) == []
    checkout.call("address.getValue()")
    assert violations(checkout.page) == []


def test_a_wallets_button_and_sheet_have_no_violations_and_hold_the_focus(checkout: Checkout, sandbox: str) -> None:
    def control(name: str, **given: str) -> None:
        assert requests.post(f"{sandbox}/_sandbox/{name}", json=given, timeout=30).status_code == 200

    control("payment_methods", on="card,apple_pay,link")
    try:
        checkout.mount_element("expressCheckout", mode="payment", amount=1000, currency="eur")
        assert violations(checkout.page) == []
        checkout.frame("Secure express checkout frame").locator("#express-apple_pay").click()
        sheet = checkout.frame("Wallet payment sheet")
        sheet.get_by_role("button", name="Pay").and_(sheet.locator(":enabled")).wait_for()
        assert violations(checkout.page) == []
        assert checkout.page.locator("main").evaluate("main => main.inert")
        sheet.get_by_role("button", name="Cancel").press("Escape")
        checkout.wait_for_event("expressCheckout.cancel")
        assert not checkout.page.locator("main").evaluate("main => main.inert")
    finally:
        control("payment_methods", on="card")
