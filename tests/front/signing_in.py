"""Signing in as a person does."""

from __future__ import annotations

from playwright.sync_api import Page

from portal.identity.models import User
from tests import factories


def sign_in(page: Page, url: str, user: User) -> None:
    """On return the overview is open, for staff their search."""
    page.goto(f"{url}/sign-in")
    page.locator("[name=email]").fill(user.email)
    page.locator("[name=password]").fill(factories.PASSWORD)
    page.locator("main button[type=submit]").first.click()
    page.wait_for_url(f"{url}/" if user.customer_id else f"{url}/support")
