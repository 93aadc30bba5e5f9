"""The company's logo: shown in mails without anything being fetched, and refused at the start where it is more than a picture."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import pytest
from flask import Flask

from portal.content import logo, mail
from portal.core import config
from tests.smtp import Mailbox, text_of

pytestmark = pytest.mark.database("sqlite")

# One white pixel.
PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg=="
)
SVG: Final = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">{}</svg>'


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path.resolve()
    monkeypatch.setattr(logo, "STATIC", folder)
    return folder


@pytest.fixture
def drawn(static: Path) -> Path:
    """The folder with a logo, before the portal starts."""
    (static / "mark.svg").write_text(SVG.format(""))
    return static


def sent(smtp: Mailbox, app: Flask) -> EmailMessage:
    with app.app_context():
        mail.send(
            key="receipt:rct_1", to="ada@spree-bikes.test", subject="Stopped", locale="en",
            template="webhook_endpoints/mails/endpoint_disabled", name="Ada", reason="gone", url="https://crm.test",
            attachments=[mail.Attachment("a.txt", "text/plain", b"a")],
        )  # fmt: skip
    (message,) = smtp.wait_for(1)
    return message


def page_of(message: EmailMessage) -> str:
    (page,) = [part for part in message.walk() if part.get_content_type() == "text/html"]
    return str(page.get_content())


@pytest.mark.settings(PORTAL_COMPANY_LOGO="mark.svg")
def test_a_mail_brings_the_logo_that_its_page_shows(drawn: Path, smtp: Mailbox, app: Flask) -> None:
    (drawn / "mark.png").write_bytes(PNG)
    message = sent(smtp, app)
    (picture,) = [part for part in message.walk() if part.get_content_maintype() == "image"]
    assert picture.get_payload(decode=True) == PNG
    assert picture.get_content_disposition() == "inline"
    name = picture["Content-ID"].strip("<>")
    assert f'<img src="cid:{name}" alt="{config.current().company.name}"' in page_of(message)
    (related,) = [part for part in message.walk() if part.get_content_type() == "multipart/related"]
    assert [part.get_content_type() for part in related.iter_parts()] == ["text/html", "image/png"]
    # Neither the text nor what is attached is touched by it.
    assert "crm.test" in text_of(message)
    assert [part.get_filename() for part in message.iter_attachments() if part.get_filename()] == ["a.txt"]


@pytest.mark.settings(PORTAL_COMPANY_LOGO="mark.svg")
def test_without_a_picture_for_mails_they_begin_with_the_name(drawn: Path, smtp: Mailbox, app: Flask) -> None:
    message = sent(smtp, app)
    assert "<img" not in page_of(message)
    assert f'<td class="company">{config.current().company.name}</td>' in page_of(message)


@pytest.mark.parametrize(
    "content",
    [
        SVG.format('<path d="M0 0h9v9z" style="fill:url(#a)"/><use href="#a"/><use x:href="#b"/>'),
        SVG.format(f'<image href="data:image/png;base64,{base64.b64encode(PNG).decode()}"/><!-- drawn by hand -->'),
        PNG,
        b"\xff\xd8\xff\xe0 a photograph",
    ],
)
def test_a_picture_is_taken(content: str | bytes, static: Path) -> None:
    (static / "mark").write_bytes(content.encode() if isinstance(content, str) else content)
    logo.check("mark")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (SVG.format("<script>alert(1)</script>"), "<script>"),
        (SVG.format('<rect onload="alert(1)"/>'), "onload"),
        (SVG.format("<foreignObject/>"), "foreignObject"),
        (SVG.format('<a href="javascript:alert(1)"/>'), "javascript"),
        (SVG.format('<image x:href="https://elsewhere.test/pixel.png"/>'), "elsewhere.test"),
        (SVG.format("<style>@import 'https://elsewhere.test/a.css'</style>"), "style"),
        (SVG.format('<rect style="fill:url(//elsewhere.test/a.svg#b)"/>'), "style"),
        (SVG.format('<image href="data:text/html;base64,PGI+"/>'), "data:text/html"),
        ("<html><body>sold out</body></html>", "no PNG, JPEG or SVG"),
        ("a text", "no PNG, JPEG or SVG"),
        (PNG + b"0" * logo.MOST_BYTES, "200 kB"),
    ],
)
def test_what_is_more_or_less_than_a_picture_stops_the_start(content: str | bytes, why: str, static: Path) -> None:
    (static / "mark.svg").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(config.WrongSettings, match=r"PORTAL_COMPANY_LOGO: static/mark\.svg") as refusal:
        logo.check("mark.svg")
    assert why in str(refusal.value)


@pytest.mark.parametrize("name", ["../wsgi.py", "/etc/hostname", "gone.png"])
def test_a_file_from_elsewhere_is_no_logo(name: str, static: Path) -> None:
    with pytest.raises(config.WrongSettings, match="no file static/"):
        logo.check(name)
