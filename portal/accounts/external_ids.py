"""What the company's own systems call a customer: no two customers have the same, and most need none."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import texts
from portal.core.errors import N_, Invalid

LONGEST: Final = 120


class ExternalIdTaken(Invalid):
    code = "external_id_taken"
    status = 409
    message = N_("The customer %(existing_id)s has this ID already.")


def find(session: Session, external_id: str) -> Customer | None:
    """The customer that is called so, as it is written."""
    return session.execute(select(Customer).where(Customer.external_id == external_id)).scalar_one_or_none()


def checked(session: Session, typed: str, *, customer_id: str = "") -> str | None:
    """What is kept of it; None for nothing. `customer_id` is the customer that is to be called so, if it is there already.

    Raises Invalid for the field "external_id", and ExternalIdTaken. Two who choose the same at once both pass: of these the table's rule
    refuses one.
    """
    external_id = texts.one_line(typed, field="external_id", longest=LONGEST)
    if not external_id:
        return None
    other = find(session, external_id)
    if other is not None and other.id != customer_id:
        raise ExternalIdTaken(field="external_id", existing_id=other.id)
    return external_id
