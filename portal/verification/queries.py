"""What was issued, of whatever kind: documents, and confirmations of balances."""

from __future__ import annotations

from contextlib import AbstractContextManager

from sqlalchemy.orm import Session

from portal.core import reach
from portal.documents import queries as documents
from portal.documents.queries import Issued, IssuedFile
from portal.statements import confirmations
from portal.statements.confirmations import Confirmed


def _of_anyone() -> AbstractContextManager[None]:
    return reach.everyone("who holds a document asks, whomever it is for")


def by_code(session: Session, typed: str) -> Issued | Confirmed | None:
    """What anyone may know of the one with this code, as a person typed it or a scanner read it; None: there is none."""
    with _of_anyone():
        return documents.by_code(session, typed) or confirmations.by_code(session, typed)


def by_sha256(session: Session, digest: str) -> Issued | Confirmed | None:
    """Likewise of the one whose PDF has this SHA-256."""
    with _of_anyone():
        return documents.by_sha256(session, digest) or confirmations.by_sha256(session, digest)


def file_by_code(session: Session, typed: str) -> IssuedFile | None:
    """The PDF of what has this code, to compare a file with it; None where there is none."""
    with _of_anyone():
        return documents.file_by_code(session, typed) or confirmations.file_by_code(session, typed)
