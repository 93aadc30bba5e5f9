"""Sending mail, and the list of what was sent: the only user of Flask-Mail.

Called by jobs, never inside a transaction or a web request.
"""

from __future__ import annotations

import hashlib
import os
import smtplib
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.charset import QP, Charset
from email.headerregistry import Address
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP, SMTPUTF8
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask_mail import Connection, Mail, Message, sanitize_address
from sqlalchemy import Index, Integer, String, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.content import logo, templates
from portal.core import clock, config, crash, db
from portal.core.db import Base, UTCDateTime
from portal.core.errors import N_, PortalError
from portal.jobs import outages

mail = Mail()

# A mail server that says nothing for this long is taken for down. Seconds.
SMTP_TIMEOUT_SECONDS: Final = 30
# Whoever types an address waits this long at most. Seconds.
ASK_TIMEOUT_SECONDS: Final = 3
ASK_AGAIN_SECONDS: Final = 600
# Where addresses stand of whom nobody knows any more (portal.privacy.erasing). Nothing can be sent there (RFC 6761).
NOWHERE: Final = "erased.invalid"
LONGEST_SUBJECT: Final = 400
LONGEST_ANSWER: Final = 300
MOST_REFUSED: Final = 100
# Mail servers refuse longer lines, and people type paragraphs without a break. Bytes. Source: RFC 5322, 2.1.1.
LONGEST_LINE: Final = 998
# By which a mail's page names the logo that comes with it.
LOGO: Final = "company-logo"


class SentMail(Base):
    """A mail that a server took: its occasion, to whom, and how often. Never what it says, for that may hold a link that opens
    something.
    """

    __tablename__ = "sent_mails"

    key: Mapped[str] = mapped_column(String(160), primary_key=True)
    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(LONGEST_SUBJECT))
    template: Mapped[str] = mapped_column(String(80))
    customer_id: Mapped[str | None] = mapped_column(String(40))  # whom it concerns; none for mails of staff
    sent_at: Mapped[datetime] = mapped_column(UTCDateTime)  # the last time
    times: Mapped[int] = mapped_column(Integer, default=1)

    __table_args__ = (
        Index("ix_sent_mails_customer", "customer_id", "sent_at", "key"),
        Index("ix_sent_mails_sent", "sent_at", "key"),
        Index("ix_sent_mails_recipient", "recipient", "sent_at", "key"),
    )


class RefusedAddress(Base):
    """An address to which the mail server refused the last mail about a customer, or from which it came back (portal.content.bounces),
    and what the server said. It is gone when a mail was taken after that.
    """

    __tablename__ = "refused_addresses"

    customer_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    recipient: Mapped[str] = mapped_column(String(254), primary_key=True)
    refused_at: Mapped[datetime] = mapped_column(UTCDateTime)
    said: Mapped[str] = mapped_column(String(LONGEST_ANSWER))


def refused(session: Session, customer_id: str) -> dict[str, RefusedAddress]:
    """The addresses of a customer that were refused the last time, by address; at most MOST_REFUSED."""
    query = select(RefusedAddress).where(RefusedAddress.customer_id == customer_id).limit(MOST_REFUSED)
    return {row.recipient: row for row in session.scalars(query)}


class NotReachable(PortalError):
    """Mail to this address cannot be sent from here, however often it is tried."""

    is_final = True  # see outages.is_final
    code = "address_not_reachable"
    status = 422
    message = N_(
        "The e-mail to %(address)s cannot be sent: our mail server accepts only ASCII letters before the "
        "@ (no SMTPUTF8). Change the address, or use a mail server that accepts them, and then retry "
        "this job."
    )


_SMTP_OK: Final = 250


class _VerifiedConnection(Connection):
    """Flask-Mail's connection with a time limit and, under TLS, a check of the server's certificate."""

    def configure_host(self) -> smtplib.SMTP:
        host = smtplib.SMTP(self.mail.server, self.mail.port, timeout=SMTP_TIMEOUT_SECONDS)
        try:
            if self.mail.use_tls:
                host.starttls(context=ssl.create_default_context())
            if self.mail.username and self.mail.password:
                host.login(self.mail.username, self.mail.password)
            host.ehlo_or_helo_if_needed()
        except (OSError, smtplib.SMTPException):
            host.close()  # nobody else knows of it
            raise
        return host

    def is_alive(self) -> bool:
        """Whether the server still answers here."""
        try:
            return bool(self.host is not None and self.host.noop()[0] == _SMTP_OK)
        except (OSError, smtplib.SMTPException):
            return False

    def close(self) -> None:
        if self.host is not None:
            self.host.close()

    def __del__(self) -> None:
        self.close()  # its thread has ended

    def send(self, message: Message, envelope_from: str | tuple[str, str] | None = None) -> None:
        """Flask-Mail's, which knows addresses in ASCII only; others go as SMTPUTF8 has it (RFC 6531). Raises NotReachable."""
        to = str(message.recipients[0])
        if to.isascii():
            super().send(message, envelope_from)
        elif self.host is not None:
            if not self.host.has_extn("smtputf8"):
                raise NotReachable(address=to)
            sender = sanitize_address(envelope_from or message.sender)
            self.host.sendmail(sender, [to], message.as_bytes(), ["SMTPUTF8", "BODY=8BITMIME"])


# A connection that has lain for longer is not used again: servers end them after some minutes. Seconds.
KEEP_CONNECTION_SECONDS: Final = 60


class _Kept(threading.local):
    """The connection over which this thread's last mail went, with what it is good for, and when it was used (monotonic seconds)."""

    connection: _VerifiedConnection | None = None
    server: tuple[object, ...] = ()
    used_at: float = 0.0


_kept: Final = _Kept()


@contextmanager
def _connection() -> Iterator[_VerifiedConnection]:
    """To the mail server: the one of this thread's last mail while that lives, else a new one, which costs several ways to the server.

    After a failure it is not used again.
    """
    server = (os.getpid(), mail.server, mail.port, mail.use_tls, mail.username)
    connection, _kept.connection = _kept.connection, None  # nobody else's while it is used
    is_fresh = _kept.server == server and time.monotonic() - _kept.used_at < KEEP_CONNECTION_SECONDS
    if connection is None or not is_fresh or not connection.is_alive():
        if connection is not None:
            connection.close()
        connection = _VerifiedConnection(mail)
        connection.__enter__()
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
    _kept.connection, _kept.server, _kept.used_at = connection, server, time.monotonic()


# Flask-Mail writes no header with an address beyond ASCII.
_STAND_IN: Final = "recipient@localhost"


class _AsWritten(Message):
    """Flask-Mail's message, whose headers go out as Flask-Mail encoded them, and whose text may have lines of any length.

    Python 3.11 folds long headers anew, and loses the quotes: "Łódź, Sp. z o.o." <billing@…> became two addresses.
    """

    picture: logo.Picture | None = None  # what the page shows as cid:LOGO

    def _mimetext(self, text: str | None, subtype: str = "plain") -> Any:
        """The text as a part of the mail; the page with the logo that it shows, as RFC 2387 has it."""
        part = self._written(text, subtype)
        if subtype != "html" or self.picture is None:
            return part
        image = MIMEImage(self.picture.content, self.picture.kind)
        image.add_header("Content-ID", f"<{LOGO}>")
        image.add_header("Content-Disposition", "inline", filename=f"logo.{self.picture.kind}")
        both = MIMEMultipart("related")
        both.attach(part)
        both.attach(image)
        return both

    def _written(self, text: str | None, subtype: str) -> MIMEText:
        if all(len(line.encode()) <= LONGEST_LINE for line in (text or "").split("\n")):
            part: MIMEText = super()._mimetext(text, subtype)
            return part
        folded = Charset("utf-8")
        folded.body_encoding = QP
        return MIMEText(text or "", subtype, folded)  # type: ignore[arg-type]  # a Charset is taken, too

    def _message(self) -> MIMEBase:
        to = str(self.recipients[0])
        if to.isascii():
            message: MIMEBase = super()._message()
            message.policy = SMTP.clone(refold_source="none")
            return message
        self.recipients = [_STAND_IN]  # the header is written below
        try:
            message = super()._message()
        finally:
            self.recipients = [to]
        message.replace_header("To", to)
        message.policy = SMTPUTF8.clone(refold_source="none")
        return message


@dataclass(frozen=True, slots=True)
class Attachment:
    filename: str
    content_type: str
    content: bytes


# Whether the mail server takes such addresses, and when it was asked (monotonic seconds). It is asked for an address that needs it.
_takes_unicode: tuple[str, bool, float] | None = None


def reaches(address: str) -> bool:
    """Whether mail to this address can be sent: one with letters beyond ASCII before the @ only by a server with SMTPUTF8.

    True as well while the server does not answer: then nobody knows. Asks it for such addresses alone, and once in ASK_AGAIN_SECONDS.
    """
    global _takes_unicode
    if address.rpartition("@")[0].isascii():
        return True
    db.refuse_inside_transaction("asking the mail server")
    settings = config.current()
    server = f"{settings.mail_server}:{settings.mail_port}"
    known = _takes_unicode
    if known is None or known[0] != server or time.monotonic() - known[2] > ASK_AGAIN_SECONDS:
        try:
            with smtplib.SMTP(settings.mail_server, settings.mail_port, timeout=ASK_TIMEOUT_SECONDS) as host:
                if settings.mail_use_tls:
                    host.starttls(context=ssl.create_default_context())
                host.ehlo_or_helo_if_needed()
                known = (server, host.has_extn("smtputf8"), time.monotonic())
        except (OSError, smtplib.SMTPException):
            return True
        _takes_unicode = known
    return known[1]


def _on_the_wire(address: str) -> str:
    """The address with its domain as the name servers know it ("müller.de" is "xn--mller-kva.de")."""
    if address.isascii():
        return address
    from email_validator import validate_email

    written = validate_email(address, check_deliverability=False, test_environment=True)  # which .test is for
    return f"{written.local_part}@{written.ascii_domain}"


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
    locale: str,
    zone: ZoneInfo | None = None,
    customer_id: str | None = None,
    attachments: Sequence[Attachment] = (),
    **facts: object,
) -> None:
    """Send templates/<template>.txt and .html to one person, in their language, with what the templates need as `facts`.
    Times are told by the clocks of `zone`, or the company's.

    `key` names the occasion ("receipt:rct_…"); a second call with it sends the same Message-ID again. `customer_id` is whom the
    mail concerns, on whose page staff see it listed. A fact `unsubscribe_at` is where a mail that is not necessary is stopped. What the
    server took is recorded at once, in a transaction of its own: a process that dies in between loses the record, not the mail. To whom was
    erased meanwhile nothing is sent.
    Needs an application context. Raises NotReachable for an address that this server cannot take,
    smtplib.SMTPException or OSError when the server did not take it, marked as an outage unless
    it refused this mail for good, and ValueError for an address or a subject with a line break.
    """
    db.refuse_inside_transaction("sending mail")
    if to.endswith(f"@{NOWHERE}"):
        return
    settings = config.current()
    if any(mark in subject + to for mark in "\r\n"):
        raise ValueError("a line break in a mail header")
    sender = str(Address(display_name=settings.company.name, addr_spec=settings.mail_sender))
    message = _AsWritten(
        subject=subject, recipients=[_on_the_wire(to)], sender=sender, reply_to=settings.company.support_email
    )
    message.msgId = message_id(key)
    message.extra_headers = {"Auto-Submitted": "auto-generated"}
    if unsubscribe_at := facts.get("unsubscribe_at"):
        # Source: RFC 8058.
        message.extra_headers |= {
            "List-Unsubscribe": f"<{unsubscribe_at}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    message.body = templates.render(f"{template}.txt", locale, zone=zone, **facts)
    message.picture = logo.for_mails()
    message.html = templates.render(
        f"{template}.html", locale, zone=zone, subject=subject, logo=message.picture and f"cid:{LOGO}", **facts
    )
    for attachment in attachments:
        message.attach(attachment.filename, attachment.content_type, attachment.content)
    try:
        with _connection() as connection:
            connection.send(message)
    except (OSError, smtplib.SMTPException) as error:
        if not _is_refusal(error):
            outages.mark(error, outages.MAIL)
        elif customer_id is not None:
            _record_refusal(to, customer_id, error)
        raise
    crash.point("mail taken")
    _record(key, to, subject, template, customer_id)


def _is_refusal(error: Exception) -> bool:
    """Whether the server answered that it will never take this mail: another one it may take. Source: RFC 5321, 4.2.1 (5yz)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _text in error.recipients.values())
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500


def _record_refusal(to: str, customer_id: str, error: Exception) -> None:
    said = "; ".join(
        f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}" for code, text in _answers(error)
    )
    with db.transaction() as session:
        note_refusal(session, to, customer_id, said)


def note_refusal(session: Session, to: str, customer_id: str, said: str) -> None:
    """That a mail about this customer was not delivered to this address for good, and what the server said. The last one stands."""
    values = {"refused_at": clock.now(), "said": " ".join(said.split())[:LONGEST_ANSWER]}
    session.execute(
        _insertion(session, RefusedAddress)
        .values(customer_id=customer_id, recipient=to, **values)
        .on_conflict_do_update(index_elements=["customer_id", "recipient"], set_=values)
    )


def _answers(error: Exception) -> list[tuple[int, bytes | str]]:
    """What the server said: of each recipient, or of the mail."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return list(error.recipients.values())
    return [(error.smtp_code, error.smtp_error)] if isinstance(error, smtplib.SMTPDataError) else []


def _insertion(session: Session, table: type[Base]) -> Any:
    return (postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert)(table)


def _record(key: str, to: str, subject: str, template: str, customer_id: str | None) -> None:
    values = {
        "recipient": to,
        "subject": subject[:LONGEST_SUBJECT],
        "template": template,
        "customer_id": customer_id,
        "sent_at": clock.now(),
    }
    with db.transaction() as session:
        session.execute(
            _insertion(session, SentMail)
            .values(key=key, times=1, **values)
            .on_conflict_do_update(index_elements=["key"], set_=values | {"times": SentMail.times + 1})
        )
        if customer_id is not None:
            session.execute(
                delete(RefusedAddress).where(RefusedAddress.customer_id == customer_id, RefusedAddress.recipient == to)
            )
