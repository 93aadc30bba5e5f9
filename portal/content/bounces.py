"""Mails that came back: what a delivery status notification says (RFC 3464), which servers send when they cannot deliver what was taken.

The portal reads no mailbox. Whoever runs it hands each message to `flask mail bounced` that arrives at the sender's address.
"""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Final

from sqlalchemy import select

from portal.content import mail
from portal.core import audit, db
from portal.core.errors import N_, Invalid, NotFound

# The last mails to an address that one which came back is looked for among.
MOST_LOOKED_AT: Final = 500
_FAILED: Final = "failed"
_ORIGINAL: Final = ("message/rfc822", "text/rfc822-headers")


@dataclass(frozen=True, slots=True)
class Bounce:
    """An address that was not reached for good, what its server said, and the Message-ID of the mail that came back."""

    recipient: str
    said: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """A bounce of a mail of ours: the key that it was sent under, and whom it concerns."""

    recipient: str
    key: str
    customer_id: str | None
    said: str


class NoBounce(Invalid):
    code = "no_bounce"
    message = N_("This message does not tell of an e-mail that could not be delivered.")


def read(message: bytes) -> list[Bounce]:
    """What a message says could not be delivered; a delay is no failure. Raises NoBounce for any other message."""
    parsed = message_from_bytes(message, policy=policy.default)
    report = next((part for part in parsed.walk() if part.get_content_type() == "message/delivery-status"), None)
    if report is None:
        raise NoBounce
    original = _original_id(parsed)
    found = []
    for block in report.iter_parts() if isinstance(report, EmailMessage) else ():
        if str(block.get("Action", "")).strip().lower() != _FAILED:
            continue
        recipient = str(block.get("Original-Recipient") or block.get("Final-Recipient") or "")
        address = recipient.rpartition(";")[2].strip().strip("<>").lower()
        said = " ".join(f"{block.get('Status', '')} {block.get('Diagnostic-Code', '')}".split())
        if address:
            found.append(Bounce(address, said[: mail.LONGEST_ANSWER], original))
    if not found:
        raise NoBounce
    return found


def record(bounce: Bounce) -> Recorded:
    """Note that an address was not reached, as if our own server had refused it: its customer's pages say so until a mail is taken again.

    A second call notes it again. Raises NotFound unless it answers a mail that was sent from here to this address: anyone can write that
    an address is dead.
    """
    with db.transaction() as session:
        sent = select(mail.SentMail).where(mail.SentMail.recipient == bounce.recipient)
        newest = session.scalars(sent.order_by(mail.SentMail.sent_at.desc()).limit(MOST_LOOKED_AT))
        found = next((one for one in newest if mail.message_id(one.key) == bounce.message_id), None)
        if found is None:
            raise NotFound(N_("No e-mail with this Message-ID was sent to this address."))
        if found.customer_id is not None:
            mail.note_refusal(session, bounce.recipient, found.customer_id, bounce.said)
            facts = {"to": bounce.recipient, "answer": bounce.said}
            audit.record(session, "mail.bounced", found.customer_id, facts, customer_id=found.customer_id)
        return Recorded(bounce.recipient, found.key, found.customer_id, bounce.said)


def _original_id(message: EmailMessage) -> str:
    """The Message-ID of the mail that came back, which stands in its headers at the end of the report; "" where it was left out."""
    for part in message.walk():
        if part.get_content_type() not in _ORIGINAL:
            continue
        inner = part.get_content()
        if isinstance(inner, EmailMessage):
            return str(inner.get("Message-ID", "")).strip()
        headers = message_from_bytes(inner if isinstance(inner, bytes) else str(inner).encode(), policy=policy.default)
        return str(headers.get("Message-ID", "")).strip()
    return ""
