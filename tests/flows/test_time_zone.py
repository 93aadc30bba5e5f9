"""Whoever travels reads times by their own clock: in Chromium, against the web server."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.flows.conftest import Shopper


@pytest.mark.browser_context_args(timezone_id="Asia/Kolkata")
def test_a_browser_tells_its_zone_and_a_choice_comes_before_it(shopper: Shopper) -> None:
    page = shopper.sign_in().page
    page.goto(f"{shopper.portal.url}/account")
    expect(page.get_by_text(re.compile(r"last used .* UTC\+5:30"))).to_be_visible()
    page.get_by_label("Time zone").select_option("America/Los_Angeles")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text(re.compile(r"last used .* P[SD]T"))).to_be_visible()
