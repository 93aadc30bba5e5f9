"""Light and dark: as the system has it, or as it was chosen for this browser, with and without JavaScript."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests import factories

pytestmark = pytest.mark.database("sqlite")


def choose(client: FlaskClient, theme: str, target: str = "/password/forgotten") -> str:
    form = {"theme": theme, "csrf_token": factories.csrf_token(client)}
    answer = client.post(f"/appearance?next={target}", data=form)
    assert answer.status_code == 303
    return str(answer.location)


def test_a_theme_is_chosen_for_this_browser_and_taken_back(client: FlaskClient) -> None:
    page = "/password/forgotten"
    assert "data-theme" not in client.get(page).get_data(as_text=True)
    for theme in ("dark", "light"):
        assert choose(client, theme) == page
        shown = client.get(page).get_data(as_text=True)
        assert f'data-theme="{theme}"' in shown
        assert f'<meta name="color-scheme" content="{theme}">' in shown
    choose(client, "")
    assert "data-theme" not in client.get(page).get_data(as_text=True)


def test_nonsense_is_no_theme_and_leads_nowhere_else(client: FlaskClient) -> None:
    assert choose(client, '"><script>', "//evil.test") == "/"
    client.set_cookie("theme", "x")
    assert "data-theme" not in client.get("/password/forgotten").get_data(as_text=True)
