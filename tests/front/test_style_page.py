"""The style page is readable for everyone: both themes, phone and desktop, also in a difficult company colour."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.front.axe import FOR_AXE, Axe, violations
from tests.front.style_app import create_style_app
from tests.pages import CheckingClient

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
SMALLEST = {"width": 320, "height": 568}


@pytest.mark.parametrize("path", ["/", "/plain", "/error"])
def test_pages_are_valid(path: str) -> None:
    app = create_style_app()
    app.test_client_class = CheckingClient
    assert app.test_client().get(path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/plain", "/error"])
def test_pages_keep_to_the_policy(open_page: Callable[..., Page], style_site: str, path: str) -> None:
    page = open_page(style_site + path, viewport=DESKTOP)
    page.wait_for_function("window.htmx !== undefined")


@pytest.mark.parametrize("path", ["/", "/plain", "/error"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    open_page: Callable[..., Page], style_site: str, path: str, viewport: dict[str, int], scheme: str
) -> None:
    page = open_page(style_site + path, viewport=viewport, color_scheme=scheme, **FOR_AXE)
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_light_company_colour_stays_readable(open_page: Callable[..., Page], yellow_site: str, scheme: str) -> None:
    page = open_page(yellow_site, viewport=DESKTOP, color_scheme=scheme, **FOR_AXE)
    assert violations(page) == []


SPOIL = """(parts) => parts.map((part) => document.querySelector("main").insertAdjacentHTML("beforeend", part))"""


def test_axe_looks_at_each_form_of_a_row_and_at_the_page_as_a_whole(
    open_page: Callable[..., Page], style_site: str
) -> None:
    page, axe = open_page(style_site, viewport=DESKTOP, **FOR_AXE), Axe()
    assert axe.violations(page) == []
    page.evaluate(SPOIL, ["<ul><li>one</li><li>two</li><li>three <img></li></ul>"])
    assert [found.partition(" ")[0] for found in axe.violations(page)] == ["image-alt"]
    page.evaluate(
        SPOIL, ["<table><tbody><tr><td><button> </button></td></tr><tr><td><button>Go</button></td></tr></table>"]
    )
    page.evaluate("document.querySelector('h1').remove()")
    rules = {found.partition(" ")[0] for found in axe.violations(page)}
    assert rules >= {"image-alt", "button-name", "page-has-heading-one"}


def test_open_menu_and_dialog_pass_axe(open_page: Callable[..., Page], style_site: str) -> None:
    page = open_page(style_site, viewport=PHONE, **FOR_AXE)
    page.locator(".account-menu summary").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Remove card").click()
    assert violations(page) == []


@pytest.mark.parametrize("path", ["/", "/plain", "/error"])
def test_nothing_is_cut_off_on_the_smallest_phone(open_page: Callable[..., Page], style_site: str, path: str) -> None:
    page = open_page(style_site + path, viewport=SMALLEST)
    assert page.evaluate("document.documentElement.scrollWidth") == SMALLEST["width"]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_controls_are_large_enough_for_a_thumb(
    open_page: Callable[..., Page], style_site: str, viewport: dict[str, int]
) -> None:
    page = open_page(style_site, viewport=viewport)
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, .button, select, summary, input:not([type=hidden])")]
            .map((control) => control.matches("[type=checkbox], [type=radio]") ? control.closest("label") : control)
            .filter((control) => control.checkVisibility() && control.getBoundingClientRect().height < 43.9)
            .map((control) => control.outerHTML)"""
    )
    assert small == []


def test_tables_keep_their_roles_on_a_phone(open_page: Callable[..., Page], style_site: str) -> None:
    page = open_page(style_site, viewport=PHONE)
    table = page.get_by_role("table", name="Payments")
    assert table.get_by_role("row").count() == 6
    assert table.get_by_role("columnheader").count() == 5
    assert table.get_by_role("cell").count() == 25
