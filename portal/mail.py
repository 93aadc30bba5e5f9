"""Sending mail: the only user of Flask-Mail. Called by jobs, never inside a transaction or a web request."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.mime.base import MIMEBase
from email.policy import SMTP
from typing import Final
from urllib.parse import urlsplit

from flask_mail import Connection, Mail, Message

from portal import config, db, documents

mail = Mail()

# A mail server that says nothing for this long is taken for down; shorter than a job's lease. Seconds.
SMTP_TIMEOUT_SECONDS: Final = 30


class _VerifiedConnection(Connection):
    """Flask-Mail's connection with a time limit and, under TLS, a check of the server's certificate."""

    def configure_host(self) -> smtplib.SMTP:
        host = smtplib.SMTP(self.mail.server, self.mail.port, timeout=SMTP_TIMEOUT_SECONDS)
        if self.mail.use_tls:
            host.starttls(context=ssl.create_default_context())
        if self.mail.username and self.mail.password:
            host.login(self.mail.username, self.mail.password)
        return host


class _AsWritten(Message):
    """Flask-Mail's message, whose headers go out as Flask-Mail encoded them.

    Python 3.11 folds long headers anew, and loses the quotes: "Łódź, Sp. z o.o." <billing@…> became two addresses.
    """

    def _message(self) -> MIMEBase:
        message: MIMEBase = super()._message()
        message.policy = SMTP.clone(refold_source="none")
        return message


@dataclass(frozen=True, slots=True)
class Attachment:
    filename: str
    content_type: str
    content: bytes


def message_id(key: str) -> str:
    """The same key gives the same Message-ID, so that a mail sent twice is shown once by the receiver's programs."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"<{digest}@{urlsplit(config.current().base_url).hostname}>"


def send(
    *,
    key: str,
    to: str,
    subject: str,
    template: str,
    tongue: str,
    attachments: Sequence[Attachment] = (),
    **facts: object,
) -> None:
    """Send templates/<template>.txt and .html to one person, in their language, with what the templates need as `facts`.

    `key` names the occasion ("receipt:rct_…"); a second call with it sends the same Message-ID again.
    Needs an application context. Raises smtplib.SMTPException or OSError when the server did not take it, and ValueError
    for an address or a subject with a line break.
    """
    db.refuse_inside_transaction("sending mail")
    settings = config.current()
    if any(mark in subject + to for mark in "\r\n"):
        raise ValueError("a line break in a mail header")
    sender = str(Address(display_name=settings.company.name, addr_spec=settings.mail_sender))
    message = _AsWritten(subject=subject, recipients=[to], sender=sender, reply_to=settings.company.support_email)
    message.msgId = message_id(key)
    message.extra_headers = {"Auto-Submitted": "auto-generated"}
    message.body = documents.render(f"{template}.txt", tongue, **facts)
    message.html = documents.render(f"{template}.html", tongue, subject=subject, **facts)
    for attachment in attachments:
        message.attach(attachment.filename, attachment.content_type, attachment.content)
    with _VerifiedConnection(mail) as connection:
        connection.send(message)
