"""The form and the dialog for people who do not see them, in every theme and on a narrow screen."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Frame
from tests.sandbox_browser.checkout import ASKS_FOR_3DS, Checkout


def violations(frame: Frame) -> list[str]:
    found = Axe().run(frame).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def frame_of(checkout: Checkout, part: str) -> Frame:
    return next(frame for frame in checkout.page.frames if part in frame.url)


@pytest.mark.parametrize("width", [320, 1000])
@pytest.mark.parametrize("theme", ["stripe", "night", "flat"])
def test_the_form_has_no_violations(checkout: Checkout, theme: str, width: int) -> None:
    checkout.page.set_viewport_size({"width": width, "height": 700})
    checkout.page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "night")
    checkout.mount(
        mode="payment",
        amount=100,
        currency="eur",
        setupFutureUsage="off_session",
        appearance={"theme": theme, "disableAnimations": True},
    )
    frame = frame_of(checkout, "elements-inner-payment")
    assert violations(frame) == []
    checkout.field("number").fill("4242424242424241")
    checkout.call("elements.submit()")
    assert violations(frame) == []
    assert frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_dialog_has_no_violations_and_holds_the_focus(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    checkout.type_card(ASKS_FOR_3DS)
    checkout.page.locator("#pay").focus()
    checkout.begin("stripe.confirmPayment({elements, redirect: 'if_required'})")
    checkout.bank.locator("#test-source-authorize-3ds").wait_for()
    assert violations(frame_of(checkout, "three-ds-2-challenge")) == []
    assert checkout.page.locator("main").evaluate("main => main.inert")
    checkout.page.keyboard.press("Tab")
    assert checkout.page.evaluate("document.activeElement.tagName") == "IFRAME"
    checkout.dialog.get_by_role("button", name="Cancel").press("Escape")
    assert "error" in checkout.result()
    assert checkout.page.evaluate("document.activeElement.id") == "pay"
