"""Mail: one Message-ID an occasion, no forged headers, and no server that keeps a worker waiting for ever."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask

from portal.accounts import access, colleagues
from portal.accounts import service as accounts
from portal.content import mail
from portal.core import config, db
from portal.core.db import NestedTransaction
from portal.core.errors import Invalid
from portal.jobs import outages
from tests.certain import present
from tests.smtp import Mailbox, text_of

pytestmark = pytest.mark.database("sqlite")

TO = "ada@spree-bikes.test"


def send(*, key: str = "receipt:rct_1", to: str = TO, subject: str = "Your receipt", words: str = "Thank you") -> None:
    """One of the portal's mails, which tells these words among others."""
    facts: dict[str, Any] = {"name": "Ada", "reason": "gone", "url": words}
    mail.send(
        key=key, to=to, subject=subject, template="webhook_endpoints/mails/endpoint_disabled", locale="en", **facts
    )


def only(mailbox: Mailbox) -> EmailMessage:
    (message,) = mailbox.wait_for(1)
    return message


def test_a_mail_sent_twice_is_the_same_mail_to_its_reader(smtp: Mailbox, app: Flask) -> None:
    with app.app_context():
        send()
        send()
        send(key="receipt:rct_2")
    first, second, other = (message["Message-ID"] for message in smtp.wait_for(3))
    assert first == second != other
    assert first.startswith("<") and first.endswith("@127.0.0.1>")


def test_mails_of_one_worker_go_over_one_connection(smtp: Mailbox, app: Flask) -> None:
    with app.app_context():
        for number in range(3):
            send(key=f"receipt:rct_{number}")
    smtp.wait_for(3)
    assert len(smtp.connections) == 1


def test_a_connection_that_the_server_has_ended_is_made_anew(smtp: Mailbox, app: Flask) -> None:
    with app.app_context():
        send()
        smtp.hang_up()
        send()
    smtp.wait_for(2)
    assert len(smtp.connections) == 2


def test_a_mail_says_who_writes_and_that_no_person_did(smtp: Mailbox, app: Flask) -> None:
    with app.app_context():
        send(subject="Ihre Quittung über 1.234,50 €", words="Grüße, Zoë")
    message = only(smtp)
    assert message["From"] == "Nordlicht Energie GmbH <billing@portal.test>"
    assert message["Reply-To"] == "help@portal.test"
    assert message["Subject"] == "Ihre Quittung über 1.234,50 €"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "Grüße, Zoë" in text_of(message) and "Grüße, Zoë" in text_of(message, "html")


def test_a_line_may_be_longer_than_mail_servers_take(smtp: Mailbox, app: Flask) -> None:
    words = "Grüße = greetings, " * 100
    with app.app_context():
        send(words=words)
    assert words in text_of(only(smtp)) and words in text_of(only(smtp), "html")


def test_an_address_may_have_any_letters(smtp: Mailbox, app: Flask) -> None:
    with app.app_context():
        assert mail.reaches("jörg@bücher.test")
        send(to="jörg@bücher.test", subject="Grüße")
        send(to="ada@bücher.test")
    first, second = smtp.wait_for(2)
    assert first["To"] == "jörg@xn--bcher-kva.test" and first["Subject"] == "Grüße"
    assert second["To"] == "ada@xn--bcher-kva.test"


@pytest.mark.settings(PORTAL_OPEN_SIGN_UP="true")
def test_an_address_that_the_server_cannot_reach_is_told_at_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = Mailbox(takes_unicode=False)
    monkeypatch.setenv("PORTAL_MAIL_PORT", str(mailbox.port))
    config.use(config.load())
    present(mail.mail.state).port = mailbox.port
    try:
        with app.app_context():
            assert mail.reaches("ada@bücher.test") and not mail.reaches("jörg@bücher.test")
            with pytest.raises(mail.NotReachable) as refused:
                send(to="jörg@bücher.test")
            assert outages.is_final(refused.value) and outages.service_of(refused.value) is None
            for write in (
                lambda: accounts.sign_up("jörg@bücher.test", "Jörg", "de"),
                lambda: accounts.invite_customer(name="Jörg", email="jörg@bücher.test"),
                lambda: access.invite(email="jörg@bücher.test", name="Jörg", role="support"),
                lambda: colleagues.invite("cus_1", by="usr_1", name="Jörg", email="jörg@bücher.test", role="viewer"),
            ):
                with pytest.raises(Invalid) as told:
                    write()
                assert told.value.field == "email" and "before the @" in told.value.text()
            send(to="ada@bücher.test")
        assert only(mailbox)["To"] == "ada@xn--bcher-kva.test"
    finally:
        mailbox.stop()


@pytest.mark.settings(PORTAL_COMPANY_NAME='Łódź "Energia", Sp. z o.o.')
def test_the_companys_name_may_have_any_letters_and_signs(smtp: Mailbox, app: Flask) -> None:
    with app.app_context():
        send()
    (sender,) = only(smtp)["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ('Łódź "Energia", Sp. z o.o.', "billing@portal.test")


@pytest.mark.parametrize(
    "forged",
    [
        {"subject": "Hello\r\nBcc: eve@evil.test"},
        {"subject": "Hello\nX-Evil: 1"},
        {"subject": "Hello\r"},
        {"to": "ada@spree-bikes.test\r\nBcc: eve@evil.test"},
        {"to": "ada@spree-bikes.test\nbcc: eve@evil.test"},
    ],
)
def test_a_line_break_in_a_header_is_refused(smtp: Mailbox, app: Flask, forged: dict[str, str]) -> None:
    with app.app_context(), pytest.raises(ValueError, match="line break"):
        send(**forged)
    assert smtp.messages == []


def test_mail_is_never_sent_inside_a_transaction(smtp: Mailbox, app: Flask) -> None:
    with app.app_context(), db.transaction(), pytest.raises(NestedTransaction):
        send()
    assert smtp.messages == []


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_server_that_says_nothing_is_given_up(
    silent_server: int, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.app import create_app

    monkeypatch.setattr(mail, "SMTP_TIMEOUT_SECONDS", 0.2)
    app = create_app(settings.model_copy(update={"mail_port": silent_server}))
    with app.app_context(), pytest.raises(OSError, match="timed out"):
        send()


def test_a_server_that_refuses_is_an_error_of_the_job(smtp: Mailbox, app: Flask) -> None:
    smtp.refuse_next("451 4.3.0 come again")
    with app.app_context():
        with pytest.raises(OSError, match="come again"):
            send()
        send()
    only(smtp)
    assert len(smtp.connections) == 2  # what is wrong with one is not passed on


@pytest.mark.parametrize(
    ("answer", "service"), [("451 4.3.0 come again", "mail"), ("554 5.7.1 no such mail here", None)]
)
def test_a_server_that_takes_nothing_now_is_away_and_one_that_refuses_a_mail_is_not(
    smtp: Mailbox, app: Flask, answer: str, service: str | None
) -> None:
    smtp.refuse_next(answer)
    with app.app_context(), pytest.raises(OSError, match=r"come again|no such mail") as refusal:
        send()
    assert outages.service_of(refusal.value) == service


def test_a_server_that_is_not_there_is_away(app: Flask) -> None:
    with app.app_context(), pytest.raises(ConnectionRefusedError) as refusal:
        send()
    assert outages.service_of(refusal.value) == "mail"
