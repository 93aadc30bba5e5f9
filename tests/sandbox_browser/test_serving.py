"""The addresses of Stripe.js, and what is said of them to browsers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browsing import Console
from tests.sandbox_browser.checkout import PUBLISHABLE_KEY, Checkout


def test_the_script_is_served_at_stripes_paths(page: Page, sandbox: str, subtests: pytest.Subtests) -> None:
    releases = ("acacia", "basil", "clover", "dahlia", "endive")
    for path in ("/v3", "/v3/", "/v3/stripe.js", *(f"/{release}/stripe.js" for release in releases)):
        with subtests.test(path):
            answer = page.request.get(sandbox + path)
            assert answer.status == 200
            assert answer.headers["content-type"].startswith("text/javascript")
            assert answer.headers["cache-control"] == "no-cache"
            again = page.request.get(sandbox + path, headers={"If-None-Match": answer.headers["etag"]})
            assert again.status == 304


@pytest.mark.parametrize(("path", "version"), [("/v3/", 3), ("/endive/stripe.js", "endive")])
def test_the_release_is_known_by_the_path(page: Page, sandbox: str, path: str, version: object) -> None:
    page.goto(f"{sandbox}/v3/", wait_until="commit")
    page.set_content(f'<script src="{sandbox}{path}"></script>', wait_until="load")
    assert page.evaluate("Stripe.version") == version


def test_frames_load_their_own_files_alone(checkout: Checkout, sandbox: str) -> None:
    checkout.mount(mode="setup")
    source = str(checkout.page.locator("iframe").get_attribute("src")).split("#", maxsplit=1)[0]
    answer = checkout.page.request.get(source)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "x-frame-options" not in answer.headers
    assert "immutable" in answer.headers["cache-control"]
    files = [request.url for request in checkout.requests if "/fingerprinted/" in request.url]
    assert files
    assert all(file.startswith(sandbox) for file in files)


def test_a_second_copy_of_the_script_changes_nothing(checkout: Checkout, console: Console, sandbox: str) -> None:
    console.expect("loaded more than one time")
    checkout.page.evaluate("() => { window.first = Stripe }")
    checkout.page.add_script_tag(url=f"{sandbox}/v3/")
    assert checkout.page.evaluate("first === Stripe")
    assert checkout.page.evaluate("key => typeof new Stripe(key).elements", PUBLISHABLE_KEY) == "function"
