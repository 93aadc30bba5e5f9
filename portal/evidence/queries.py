"""Reading evidence; nothing here commits."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.core.errors import NotFound
from portal.evidence.models import Evidence


def of_dispute(session: Session, dispute_id: str, *, lock: bool = False) -> Evidence:
    """Raises NotFound for a dispute without evidence, which is gathered by a job."""
    found = session.get(Evidence, dispute_id, with_for_update=lock or None)
    if found is None:
        raise NotFound
    return found


def if_gathered(session: Session, dispute_id: str) -> Evidence | None:
    return session.get(Evidence, dispute_id)
