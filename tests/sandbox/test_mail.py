"""The mail sink and its inbox."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from pathlib import Path

from tests.sandbox.conftest import RunningSandbox, start


def send(sandbox: RunningSandbox, subject: str = "Your receipt") -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", "jenny@example.com", subject
    message["Message-ID"] = "<receipt-1@example.com>"
    message.set_content("Thank you – 20,00 €")
    message.add_alternative("<p>Thank you</p><script>alert(1)</script>", subtype="html")
    message.add_attachment(
        b"%PDF-1.7 receipt", maintype="application", subtype="pdf", filename="Zahlungsbestätigung Ü1.pdf"
    )
    with smtplib.SMTP("127.0.0.1", sandbox.server.smtp_port or 0, timeout=10) as smtp:
        smtp.send_message(message)


def test_a_mail_is_kept_with_its_parts(sandbox: RunningSandbox) -> None:
    send(sandbox)
    mail = sandbox.get("/_sandbox/mail.json").json()["mails"][0]
    assert (mail["from"], mail["to"], mail["subject"]) == ("shop@example.com", ["jenny@example.com"], "Your receipt")
    assert mail["message_id"] == "<receipt-1@example.com>"
    assert mail["text"].strip() == "Thank you – 20,00 €"
    assert mail["attachments"][0]["name"] == "Zahlungsbestätigung Ü1.pdf"


def test_attachments_are_downloaded_as_they_came(sandbox: RunningSandbox) -> None:
    send(sandbox)
    mail = sandbox.get("/_sandbox/mail.json").json()["mails"][0]
    answer = sandbox.get(mail["attachments"][0]["url"])
    assert answer.content == b"%PDF-1.7 receipt"
    assert answer.headers["Content-Disposition"].startswith("attachment;")


def test_the_inbox_shows_the_newest_first(sandbox: RunningSandbox) -> None:
    send(sandbox, "first")
    send(sandbox, "second")
    assert [mail["subject"] for mail in sandbox.get("/_sandbox/mail.json").json()["mails"]] == ["second", "first"]
    page = sandbox.get("/_sandbox/mail").text
    assert page.index("second") < page.index("first")


def test_the_html_of_a_mail_cannot_run(sandbox: RunningSandbox) -> None:
    send(sandbox)
    number = sandbox.get("/_sandbox/mail.json").json()["mails"][0]["number"]
    page = sandbox.get(f"/_sandbox/mail/{number}").text
    part = sandbox.get(f"/_sandbox/mail/{number}/html")
    assert '<iframe class="mail" sandbox' in page
    assert "<script>alert" not in page
    assert "sandbox" in part.headers["Content-Security-Policy"]
    assert "script-src" not in part.headers["Content-Security-Policy"]


def test_a_mail_that_is_not_there_is_not_found(sandbox: RunningSandbox) -> None:
    assert sandbox.get("/_sandbox/mail/999").status_code == 404


def test_mail_is_there_after_a_restart(db_path: Path) -> None:
    first = start(db_path, smtp_port=0)
    try:
        send(first)
    finally:
        first.server.stop()
    second = start(db_path)
    try:
        assert len(second.get("/_sandbox/mail.json").json()["mails"]) == 1
    finally:
        second.server.stop()
