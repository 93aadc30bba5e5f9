"""The mailbox of those who are invited, and the links in it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from portal.jobs import outbox
from tests.smtp import Mailbox, text_of

Mails = Callable[[], list[tuple[str, str, str]]]


@pytest.fixture
def mails(smtp: Mailbox, app: Flask) -> Mails:
    """Run the jobs and hand out the new mails: (to, subject, link or "")."""

    def collect() -> list[tuple[str, str, str]]:
        with app.app_context():
            outbox.run_due()
        found = []
        for message in smtp.messages:
            text = text_of(message)
            html = text_of(message, "html")
            link = re.search(r"https?://\S+/\S+", text)
            assert link is None or link[0] in html
            found.append((message["To"], message["Subject"], link[0] if link else ""))
        smtp.messages.clear()
        return found

    return collect


def token_of(link: str) -> str:
    return link.rpartition("/")[2]


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """An OpenID Connect provider: any client may ask, and whoever is named signs in."""
    from oidc_provider_mock import run_server_in_thread

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"
