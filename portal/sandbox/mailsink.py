"""A mail server that keeps everything and sends nothing on: the inbox of the demo and the tests."""

from __future__ import annotations

import email
import email.policy
import json
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING

from portal.sandbox.store import Store
from portal.sandbox.world import Sandbox

if TYPE_CHECKING:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import SMTP, Envelope, Session

MOST_MAIL_BYTES = 25_000_000


@dataclass(frozen=True)
class Attachment:
    number: int
    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Mail:
    """One message as it arrived."""

    number: int
    received: float
    sender: str
    recipients: list[str]
    subject: str
    message_id: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    def body(self, subtype: str) -> str | None:
        """The text of the part that is `plain` or `html`."""
        part = self.message.get_body((subtype,))
        return None if part is None else str(part.get_content())

    @property
    def attachments(self) -> list[Attachment]:
        found = []
        for number, part in enumerate(self.message.iter_attachments()):
            content = part.get_payload(decode=True)
            found.append(
                Attachment(
                    number,
                    part.get_filename() or f"attachment-{number}",
                    part.get_content_type(),
                    content if isinstance(content, bytes) else b"",
                )
            )
        return found


class Sink:
    """What aiosmtpd calls with each message."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        del server, session
        raw = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        keep(self._sandbox, envelope.mail_from or "", list(envelope.rcpt_tos), raw)
        return "250 Message accepted for delivery"


def keep(sandbox: Sandbox, sender: str, recipients: list[str], raw: bytes) -> None:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    with sandbox.store.transaction() as session:
        session.run(
            "INSERT INTO mails (received, sender, recipients, subject, message_id, raw) VALUES (?, ?, ?, ?, ?, ?)",
            (
                sandbox.clock.now(),
                sender,
                json.dumps(recipients),
                str(message.get("Subject", "")),
                str(message.get("Message-ID", "")).strip(),
                raw,
            ),
        )


_COLUMNS = "seq, received, sender, recipients, subject, message_id, raw"


def newest(store: Store, limit: int = 200) -> list[Mail]:
    with store.reading() as session:
        rows = session.run(f"SELECT {_COLUMNS} FROM mails ORDER BY seq DESC LIMIT ?", (limit,)).fetchall()  # noqa: S608
    return [_mail(row) for row in rows]


def find(store: Store, number: int) -> Mail | None:
    with store.reading() as session:
        row = session.run(f"SELECT {_COLUMNS} FROM mails WHERE seq = ?", (number,)).fetchone()  # noqa: S608
    return None if row is None else _mail(row)


def _mail(row: tuple[int, float, str, str, str, str, bytes]) -> Mail:
    number, received, sender, recipients, subject, message_id, raw = row
    return Mail(number, received, sender, json.loads(recipients), subject, message_id, raw)


def controller(sandbox: Sandbox, port: int) -> Controller:
    """A mail server on loopback, not yet started. Needs aiosmtpd."""
    from aiosmtpd.controller import Controller

    return Controller(
        Sink(sandbox),
        hostname="127.0.0.1",
        port=port,
        data_size_limit=MOST_MAIL_BYTES,
        server_hostname="sandbox.localhost",
        enable_SMTPUTF8=True,
    )
