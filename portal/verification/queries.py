"""What was issued, of whatever kind: documents, and confirmations of balances."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.documents import queries as documents
from portal.documents.queries import Issued, IssuedFile
from portal.statements import confirmations
from portal.statements.confirmations import Confirmed


def by_code(session: Session, typed: str) -> Issued | Confirmed | None:
    """What anyone may know of the one with this code, as a person typed it or a scanner read it; None: there is none."""
    return documents.by_code(session, typed) or confirmations.by_code(session, typed)


def by_sha256(session: Session, digest: str) -> Issued | Confirmed | None:
    """Likewise of the one whose PDF has this SHA-256."""
    return documents.by_sha256(session, digest) or confirmations.by_sha256(session, digest)


def file_by_code(session: Session, typed: str) -> IssuedFile | None:
    """The PDF of what has this code, to compare a file with it; None where there is none."""
    return documents.file_by_code(session, typed) or confirmations.file_by_code(session, typed)
