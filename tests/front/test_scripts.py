"""What app.js and dialog.js promise, in a browser under the portal's own Content-Security-Policy."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.browsing import Console


def filled(page: Page, status: str = "200") -> Page:
    """The page with the form over htmx filled in, asking to be answered with `status`."""
    page.locator("#echo [type=email]").fill("mara@example.com")
    page.locator("#echo-status").fill(status)
    return page


def test_a_wrong_form_swaps_in_with_its_message_and_takes_the_focus(
    open_page: Callable[..., Page], style_site: str
) -> None:
    page = filled(open_page(style_site), "422")
    page.locator("#echo button").click()
    summary = page.locator("#echo [data-error-summary]")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("Enter your e-mail address")
    expect(page.locator("#live")).to_have_text(re.compile(r"Answered \d+"))
    expect(page.locator("#echo button")).not_to_have_attribute("aria-busy", "true")


def test_a_double_click_sends_once_and_shows_progress(open_page: Callable[..., Page], style_site: str) -> None:
    page = filled(open_page(style_site))
    held: list[Route] = []
    page.route("**/echo", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks what it is given
    button = page.locator("#echo button")
    button.dblclick()
    expect(button).to_have_attribute("aria-busy", "true")
    expect(button).to_have_text("Sending…")
    page.locator("#echo-status").press("Enter")
    page.wait_for_function("document.querySelector('#echo').dataset.sending !== undefined")
    assert len(held) == 1
    assert held[0].request.headers["x-csrftoken"]
    held[0].continue_()
    expect(page.locator("#echo output")).not_to_have_text("0")
    expect(page.locator("#echo button")).to_have_text("Send")


def test_a_failure_is_told_and_the_form_stays(
    open_page: Callable[..., Page], style_site: str, console: Console
) -> None:
    console.expect("status of 500")
    page = filled(open_page(style_site), "500")
    page.locator("#echo button").click()
    expect(page.locator("#notices")).to_contain_text("Something went wrong on our side")
    expect(page.locator("#echo-status")).to_have_value("500")
    expect(page.locator("#echo button")).to_have_text("Send")


def test_being_offline_is_told_and_the_next_try_works(
    open_page: Callable[..., Page], style_site: str, console: Console
) -> None:
    console.expect("ERR_INTERNET_DISCONNECTED")
    console.expect("htmx:error")
    page = filled(open_page(style_site))
    page.context.set_offline(True)
    page.locator("#echo button").click()
    expect(page.locator("#notices")).to_contain_text("could not reach the server")
    page.context.set_offline(False)
    page.locator("#echo button").click()
    expect(page.locator("#echo output")).not_to_have_text("0")
    expect(page.locator("#notices .notice")).to_have_count(0)


def test_a_form_without_htmx_is_sent_once_too(open_page: Callable[..., Page], style_site: str) -> None:
    page = open_page(style_site + "/plain")
    sent: list[str] = []

    def stay(route: Route) -> None:
        """Answered with 204 the page stays as it is, as it looks while an answer is awaited."""
        sent.append(route.request.url)
        route.fulfill(status=204)

    page.route("**/echo", stay)
    page.locator("form").evaluate("form => form.noValidate = true")
    with page.expect_response("**/echo"):
        page.get_by_role("button", name="Sign in").click(no_wait_after=True)
    expect(page.locator("form button")).to_have_text("Signing in…")
    page.locator("form").evaluate("form => form.requestSubmit()")
    page.locator("form button").dispatch_event("click")
    expect(page.locator("form")).to_have_attribute("data-sending", "")
    assert len(sent) == 1


def test_dialog_asks_and_gives_the_focus_back(open_page: Callable[..., Page], style_site: str) -> None:
    page = open_page(style_site)
    opener = page.get_by_role("button", name="Remove card")
    opener.click()
    dialog = page.get_by_role("dialog", name="Remove this card?")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    page.mouse.click(5, 5)
    expect(dialog).to_be_hidden()


def test_without_scripts_the_dialog_opens_and_closes_all_the_same(
    open_page: Callable[..., Page], style_site: str
) -> None:
    page = open_page(style_site, java_script_enabled=False)
    words = page.get_by_text("will no longer be offered")
    expect(words).to_be_hidden()
    page.locator("[data-open-dialog]").click()
    expect(words).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(words).to_be_hidden()


def test_the_menu_closes_on_escape_and_outside(open_page: Callable[..., Page], style_site: str) -> None:
    page = open_page(style_site)
    summary = page.locator(".account-menu summary")
    panel = page.locator(".menu-panel")
    summary.click()
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(summary).to_be_focused()
    summary.click()
    page.locator("h1").click()
    expect(panel).to_be_hidden()


def test_the_pager_swaps_its_table_and_keeps_the_address(open_page: Callable[..., Page], style_site: str) -> None:
    page = open_page(style_site)
    page.get_by_role("link", name="Older").click()
    expect(page).to_have_url(re.compile(r"/echo\?after=1$"))
    expect(page.locator("#payments-table")).to_have_count(0)
