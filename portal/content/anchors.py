"""Anchors: the head of the audit chain, written down outside of the database.

Who can write into the database can make the whole chain anew, with a head that fits; they cannot reach into mails that were
received, nor into a file on another machine. A periodic job mails the head's number and hash to the company's support address
and, where PORTAL_AUDIT_ANCHOR_FILE is set, appends them to that file.
Source: Haber and Stornetta, "How to time-stamp a digital document" (the published hash of a chain vouches for all before it).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.content import jobs, language, mail
from portal.core import audit, clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import N_

EVERY_SECONDS: Final = 86_400
ANCHORED: Final = "audit.anchored"

_HASH: Final = re.compile(r"[0-9a-f]{64}")


class BadAnchor(ValueError):
    """What should be an anchor is none, or contradicts another one. The text says where."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last event's number and hash, as they were at a moment; 0 and audit.GENESIS of a chain without events."""

    number: int
    hash: str
    at: datetime

    def line(self) -> str:
        """One line of JSON: {"at": ISO 8601, "hash": 64 hexadecimal digits, "number": a whole number}."""
        return json.dumps({"at": self.at.isoformat(), "hash": self.hash, "number": self.number}, sort_keys=True) + "\n"


def take(session: Session) -> Anchor:
    """The head as it is, and an event that tells of it, in the caller's transaction."""
    head = audit.locked_head(session)
    anchor = Anchor(head.number, head.hash, clock.now())
    audit.record(session, ANCHORED, "audit", {"number": anchor.number, "hash": anchor.hash})
    return anchor


def latest(session: Session) -> datetime | None:
    """When the last anchor was taken."""
    return session.execute(
        select(AuditEvent.at).where(AuditEvent.action == ANCHORED).order_by(AuditEvent.number.desc()).limit(1)
    ).scalar_one_or_none()


# Writing them down


def append(anchor: Anchor, file: Path) -> None:
    """Add a line to the file, which is made if it is not there, and wait until it is on the disk; a second call adds it again.

    Raises OSError.
    """
    db.refuse_inside_transaction("writing to a file")
    line = anchor.line().encode()
    with file.open("ab", buffering=0) as opened:
        if opened.write(line) != len(line):
            raise OSError(f"{file} took only a part of the line")
        os.fsync(opened.fileno())
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # a new file's name is kept there
    finally:
        os.close(folder)


def send(anchor: Anchor) -> None:
    """Mail the anchor to the company's support address; a second call sends the same Message-ID. Raises as mail.send does."""
    settings = config.current()
    locale = settings.staff_language
    mail.send(
        key=f"anchor:{anchor.number}:{anchor.hash}",
        to=settings.company.support_email,
        subject=language.translate(
            N_("No action needed: audit log checkpoint of %(company)s, event %(number)s"),
            locale,
            company=settings.company.name,
            number=anchor.number,
        ),
        template="audit/anchor",
        locale=locale,
        anchor=anchor,
    )


@jobs.anchor.handler
def anchor_now() -> None:
    """Take an anchor and leave a job for each place where it is written down, so that one that fails holds up no other."""
    with db.transaction() as session:
        anchor = take(session)
        jobs.mail_anchor.enqueue(session, number=anchor.number, digest=anchor.hash, at=anchor.at.isoformat())
        if config.current().audit_anchor_file:
            jobs.file_anchor.enqueue(session, number=anchor.number, digest=anchor.hash, at=anchor.at.isoformat())


@jobs.mail_anchor.handler
def mail_anchor(number: int, digest: str, at: str) -> None:
    send(Anchor(number, digest, datetime.fromisoformat(at)))


@jobs.file_anchor.handler
def file_anchor(number: int, digest: str, at: str) -> None:
    file = config.current().audit_anchor_file
    if file is not None:
        append(Anchor(number, digest, datetime.fromisoformat(at)), file)


# Holding the chain against them


def in_file(file: Path) -> dict[int, str]:
    """The hashes by number in a file that `append` has written. Raises OSError, and BadAnchor, also for a file without any."""
    anchored: dict[int, str] = {}
    for place, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
        try:
            found = json.loads(line)
            _add(anchored, int(found["number"]), str(found["hash"]))
        except BadAnchor as error:
            raise BadAnchor(f"line {place} of {file}: {error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise BadAnchor(f"line {place} of {file} is no anchor") from error
    if not anchored:
        raise BadAnchor(f"{file} holds no anchor")
    return anchored


def from_mails(texts: Iterable[str]) -> dict[int, str]:
    """The hashes by number of texts such as "1204:9f86d0…", as the mails have them. Raises BadAnchor."""
    anchored: dict[int, str] = {}
    for text in texts:
        number, _, digest = text.strip().partition(":")
        if not number.isdecimal():
            raise BadAnchor(f"{text} is no anchor: it should be like 1204:9f86d0…")
        _add(anchored, int(number), digest.strip())
    return anchored


def merged(*several: dict[int, str]) -> dict[int, str]:
    """All of them. Raises BadAnchor when two speak of the same event and have different hashes."""
    anchored: dict[int, str] = {}
    for one in several:
        for number, digest in one.items():
            _add(anchored, number, digest)
    return anchored


def _add(anchored: dict[int, str], number: int, digest: str) -> None:
    if number < 0 or not _HASH.fullmatch(digest):
        raise BadAnchor(f"the anchor of event {number} has no hash of 64 hexadecimal digits")
    if anchored.setdefault(number, digest) != digest:
        raise BadAnchor(f"two anchors of event {number} contradict each other")
