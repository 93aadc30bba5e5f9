"""Someone sets up a second factor and signs in with it: in Chromium, against the web server, the worker and SMTP."""

from __future__ import annotations

import pyotp
from playwright.sync_api import Page, expect

from portal.core.clock import now
from tests import factories
from tests.flows.conftest import PATIENCE_MS, Shopper, move
from tests.live import Clock


def first_step(shopper: Shopper) -> Page:
    """Sign out, and in again with the password; on return the code is asked for."""
    page = shopper.page
    page.locator(".account-menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("E-mail").fill(shopper.user.email)
    page.get_by_label("Password").first.fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Enter the code")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_label("Code")).to_be_focused()
    return page


def second_step(page: Page, code: str) -> None:
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Sign in").click()


def test_whoever_sets_it_up_signs_in_with_a_code_or_a_recovery_code(shopper: Shopper, clock: Clock) -> None:
    page = shopper.sign_in().page
    page.goto(f"{shopper.portal.url}/account")
    page.get_by_role("link", name="Set up two-step verification").click()
    page.get_by_role("button", name="Set up two-step verification").click()
    expect(page.get_by_alt_text("QR code for your authenticator app")).to_be_visible(timeout=PATIENCE_MS)
    app = pyotp.TOTP(page.locator(".spelled").inner_text().replace(" ", ""))

    def shown() -> str:
        return app.at(now() + clock.offset)

    page.get_by_label("Code").fill(shown())
    page.get_by_label("Your password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_text("Two-step verification is on")).to_be_visible(timeout=PATIENCE_MS)
    recovery_codes = page.locator("#recovery-codes code").all_inner_texts()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").split() == recovery_codes
    page.get_by_role("link", name="I’ve saved them").click()
    assert "turned on" in shopper.mailed("Two-step verification for Nordlicht Energie GmbH is on")

    move(clock, minutes=1)
    page = first_step(shopper)
    second_step(page, "000000000")
    expect(page.locator("#code-error")).to_be_visible(timeout=PATIENCE_MS)
    second_step(page, shown())
    expect(page.get_by_text("Amount due")).to_be_visible(timeout=PATIENCE_MS)

    page = first_step(shopper)
    second_step(page, recovery_codes[0])
    expect(page.get_by_text("Amount due")).to_be_visible(timeout=PATIENCE_MS)
    assert "Recovery codes left: 9" in shopper.mailed("A recovery code was used")
