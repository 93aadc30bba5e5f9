"""The card's number goes from the frame to the sandbox alone: not into the page, not to the shop, not to who forges a message."""

from __future__ import annotations

import json
from typing import Any

from portal.sandbox.stripejs.bundle import Bundle
from tests.sandbox_browser.checkout import ASKS_FOR_3DS, Checkout

# What must never be seen outside of the frame; the last four digits may.
DIGITS = (ASKS_FOR_3DS, "4000 0027 6000 3184", "40000027")
CVC = "731"


def holds_card(text: str) -> bool:
    return any(digits in text for digits in DIGITS)


def test_the_page_never_sees_the_number(checkout: Checkout, sandbox: str, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    checkout.type_card(ASKS_FOR_3DS, cvc=CVC)
    checkout.begin("stripe.confirmPayment({elements, redirect: 'if_required'})")
    checkout.bank.locator("#test-source-authorize-3ds").click()
    assert checkout.result()["paymentIntent"]["status"] == "succeeded"

    seen = checkout.page.evaluate("window.seen")
    assert len(seen["messages"]) > 5
    assert {message["origin"] for message in seen["messages"]} == {sandbox}
    assert not holds_card(json.dumps(seen))
    assert f'"{CVC}"' not in json.dumps(seen)
    assert not holds_card(checkout.page.content())

    carriers = [request for request in checkout.requests if holds_card(f"{request.url} {request.post_data or ''}")]
    assert [request.url for request in carriers] == [f"{sandbox}/v1/payment_methods"]
    assert all(request.frame.url.startswith(f"{sandbox}/v3/elements-inner-payment-") for request in carriers)
    assert not any(request.url.startswith(checkout.shop) for request in carriers)


def test_the_page_cannot_reach_into_the_frame(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    reached = checkout.call("document.querySelector('iframe').contentWindow.document.title")
    assert reached["thrown"] == "SecurityError"


def test_the_frame_does_not_listen_to_other_windows(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    checkout.type_card()
    name = checkout.page.locator("iframe").first.get_attribute("name")
    # A second frame of the shop's own origin is not the form's parent, whatever it says.
    checkout.page.evaluate(
        """() => new Promise(resolve => {
            const other = document.createElement('iframe');
            other.name = 'other';
            other.addEventListener('load', resolve);
            document.body.append(other);
        })"""
    )
    other = checkout.page.frame("other")
    assert other is not None
    other.evaluate("name => parent.frames[0].postMessage({frame: name, type: 'clear'}, '*')", name)
    checkout.page.evaluate("() => frames[0].postMessage({frame: 'someone else', type: 'clear'}, '*')")
    checkout.page.evaluate("name => frames[0].postMessage({frame: name, type: 'constructor', request: 1}, '*')", name)
    # The element's own message comes after those, so they have been looked at when it is answered.
    assert checkout.call("elements.submit()") == {"selectedPaymentMethod": "card"}
    assert checkout.field("number").input_value() == "4242 4242 4242 4242"


def test_the_page_does_not_listen_to_other_windows(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    checkout.page.evaluate(
        """() => window.postMessage(
            {frame: document.querySelector('iframe').name, type: 'change', payload: {empty: false, complete: true}}, '*')"""
    )
    checkout.page.wait_for_function("() => window.seen.messages.some(m => m.origin === location.origin)")
    assert checkout.events("change") == []


def test_a_frame_with_a_false_host_stays_silent(checkout: Checkout, intent: Any) -> None:
    checkout.mount(intent.client_secret)
    source = checkout.page.locator("iframe").first.get_attribute("src") or ""
    false_source = source.split("#", maxsplit=1)[0] + "#frame=x&host=https%3A%2F%2Felsewhere.example"
    checkout.page.evaluate(
        """src => new Promise(resolve => {
            const frame = document.createElement('iframe');
            frame.addEventListener('load', resolve);
            frame.src = src;
            document.body.append(frame);
        })""",
        false_source,
    )
    messages = checkout.page.evaluate("window.seen.messages.map(m => m.data.frame)")
    assert "x" not in messages


def test_the_dialog_shows_the_sandboxes_pages_alone(checkout: Checkout, sandbox: str) -> None:
    """No page can dress another site up as the customer's bank."""
    path = next(asset.path for asset in Bundle().assets if asset.path.startswith("/v3/three-ds-2-challenge-"))
    checkout.page.evaluate(
        """source => new Promise(resolve => {
            const frame = document.createElement('iframe');
            frame.name = 'dialog';
            window.addEventListener('message', () => {
                const payload = {address: 'https://elsewhere.example/', locale: 'en'};
                frame.contentWindow.postMessage({frame: 'x', type: 'start', payload}, '*');
                resolve();
            });
            frame.src = `${source}#frame=x&host=${encodeURIComponent(location.origin)}`;
            document.body.append(frame);
        })""",
        sandbox + path,
    )
    dialog = checkout.page.frame_locator("iframe[name=dialog]")
    dialog.get_by_role("button", name="Cancel").wait_for()
    assert dialog.locator("#challengeFrame").get_attribute("src") is None
