"""How much a browser is sent, by its own count."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.flows.conftest import Shopper

# For the overview, to a browser that was never here and to one that was: bytes with all headers.
COLD_BYTES, COLD_REQUESTS, WARM_BYTES = 61_500, 8, 10_000  # among them 1,100 for choosing several invoices


def _bytes_and_requests(page: Page, address: str) -> tuple[int, list[str]]:
    """What the network brought for this page, by the browser's own count."""
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    asked: dict[str, str] = {}
    received: dict[str, int] = {}
    wire.on("Network.requestWillBeSent", lambda event: asked.update({event["requestId"]: event["request"]["url"]}))
    wire.on(
        "Network.loadingFinished", lambda event: received.update({event["requestId"]: int(event["encodedDataLength"])})
    )
    page.goto(address, wait_until="networkidle")
    wire.detach()
    return sum(received.values()), [f"{size} {asked[each]}" for each, size in received.items() if size]


@pytest.mark.own_context
@pytest.mark.database("sqlite")
def test_the_overview_is_light_on_a_phones_line(shopper: Shopper) -> None:
    page = shopper.sign_in().page
    overview = f"{shopper.portal.url}/"
    wire = page.context.new_cdp_session(page)
    wire.send("Network.clearBrowserCache")
    cold, requests = _bytes_and_requests(page, overview)
    warm, again = _bytes_and_requests(page, overview)
    assert len(requests) <= COLD_REQUESTS, requests
    assert cold <= COLD_BYTES, requests
    assert warm <= WARM_BYTES, again
