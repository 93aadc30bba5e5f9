"""What a stranger says of themselves is not believed, and whoever answers in the place of a service is found out."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal import gateway
from portal.app import create_app
from portal.content import mail
from portal.core import audit, config, db
from portal.core.errors import Unavailable
from tests import factories
from tests.smtp import Mailbox
from tests.webhook_endpoints.receiver import Authority, Receiver

pytestmark = pytest.mark.database("sqlite")

SOCKET = "192.0.2.1"


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    browser = app.test_client()
    browser.environ_base["REMOTE_ADDR"] = SOCKET
    return browser


def ask_for_links(browser: FlaskClient, forwarded: str) -> list[int]:
    """The answers to eleven wishes for a new password, of which ten a minute are allowed. `N` in the header is another number each time."""
    token = {"X-CSRFToken": factories.csrf_token(browser)}
    return [
        browser.post(
            "/password/forgotten", headers=token | {"X-Forwarded-For": forwarded.replace("N", str(number))}
        ).status_code
        for number in range(11)
    ]


def address_in_the_trail(browser: FlaskClient, forwarded: str) -> str:
    """What is written down of a wrong password that was sent with this header."""
    form = {
        "email": "nobody@spree-bikes.test",
        "password": "not-the-password",
        "csrf_token": factories.csrf_token(browser),
    }
    browser.post("/sign-in", data=form, headers={"X-Forwarded-For": forwarded})
    with db.reading() as session:
        refused = select(audit.AuditEvent.ip).where(audit.AuditEvent.action == "session.refused")
        return session.scalars(refused).one()


@pytest.mark.settings(PORTAL_PROXIES="none")
def test_without_a_proxy_nobody_says_where_they_come_from(stranger: FlaskClient) -> None:
    assert ask_for_links(stranger, "198.51.100.N") == [422] * 10 + [429]
    assert address_in_the_trail(stranger, "198.51.100.7") == SOCKET


@pytest.mark.settings(PORTAL_PROXIES="1")
def test_behind_a_proxy_only_what_it_says_counts(stranger: FlaskClient) -> None:
    assert ask_for_links(stranger, "198.51.100.N, 203.0.113.5") == [422] * 10 + [429]
    assert ask_for_links(stranger, "203.0.113.5, 198.51.100.N") == [422] * 11, "the proxy names eleven addresses"
    assert address_in_the_trail(stranger, "198.51.100.7, 203.0.113.5") == "203.0.113.5"


def test_trace_is_not_answered_and_nothing_is_listed(client: FlaskClient) -> None:
    for path in ("/", "/sign-in", "/api/openapi.json"):
        assert client.open(path, method="TRACE").status_code == 405
    for path in (
        "/.git/config",
        "/.env",
        "/static/",
        "/static/js/",
        "/static/../portal/app.py",
        "/metrics",
        "/console",
    ):
        assert client.get(path).status_code == 404, path


# Who answers in the place of the mail server or of Stripe


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def mail_server(authority: Authority) -> Iterator[Mailbox]:
    mailbox = Mailbox(context=authority.server_context("127.0.0.1"))
    yield mailbox
    mailbox.stop()


def send_over_tls(settings: config.Settings, port: int) -> None:
    with create_app(settings.model_copy(update={"mail_port": port, "mail_use_tls": True})).app_context():
        mail.send(
            key="receipt:rct_1", to="ada@spree-bikes.test", subject="Your receipt", locale="en",
            template="webhook_endpoints/mails/endpoint_disabled", name="Ada", reason="gone", url="https://spree-bikes.test",
        )  # fmt: skip


def test_a_mail_server_that_no_authority_vouches_for_gets_no_mail(
    settings: config.Settings, mail_server: Mailbox, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        send_over_tls(settings, mail_server.port)
    assert mail_server.messages == []
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    send_over_tls(settings, mail_server.port)
    assert len(mail_server.messages) == 1


def test_a_mail_server_that_speaks_no_tls_gets_no_mail(settings: config.Settings, smtp: Mailbox) -> None:
    with pytest.raises(smtplib.SMTPNotSupportedError):
        send_over_tls(settings, smtp.port)
    assert smtp.messages == []


def test_a_stripe_that_no_authority_vouches_for_gets_no_key(settings: config.Settings, authority: Authority) -> None:
    impostor = Receiver(authority.server_context("127.0.0.1"), host="127.0.0.1")
    try:
        config.use(settings.model_copy(update={"stripe_api_base": f"https://127.0.0.1:{impostor.port}"}))
        gateway.forget()
        with pytest.raises(Unavailable) as refusal:
            gateway.current().create_customer("customer:1", metadata={})
    finally:
        impostor.close()
        gateway.forget()
    assert "CERTIFICATE_VERIFY_FAILED" in str(refusal.value.__cause__)
    assert impostor.received == []
