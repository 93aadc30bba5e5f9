"""A customer who is let go, and one who comes back: nobody signs in for a deactivated one, and nothing is charged automatically.

What is owed stays owed, and documents stay as they are. The customer is locked first: who turns automatic payment on waits for that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import access, queries
from portal.core import audit, clock, db, texts
from portal.identity.models import User

LONGEST_REASON: Final = 500

Ender = Callable[[Session, str, str | None], None]
_enders: list[Ender] = []


def ended_with_customer(ender: Ender) -> Ender:
    """Call this function, too, in the transaction in which a customer is deactivated, with the customer's id and that of the member of
    staff, if it was one: it ends what goes on by itself.
    """
    _enders.append(ender)
    return ender


def deactivate(customer_id: str, reason: str, *, by: str | None) -> None:
    """Its people are signed out at once and cannot sign in; automatic payment ends. Invoices stay open, and can be paid outside.

    `by` is the id of a member of staff, None for the company's own systems. A second call changes nothing. Raises NotFound, and Invalid
    for the field "reason".
    """
    reason = texts.one_line(reason, field="reason", longest=LONGEST_REASON, required=True)
    with db.transaction() as session:
        customer = queries.customer(session, customer_id, lock=True)
        if customer.deactivated_at is not None:
            return
        for end in _enders:
            end(session, customer_id, by)
        customer.deactivated_at = clock.now()
        people = _locked(session, User.customer_id == customer_id, User.active)
        for user in people:
            access.shut(session, user)
            user.ended_with_customer = True
        facts = {"reason": reason, "people": len(people)}
        audit.record(session, "customer.deactivated", customer_id, facts, customer_id=customer_id)


def reactivate(customer_id: str) -> None:
    """Whoever could sign in before can again, in the role they had; automatic payment stays off until the customer turns it on.

    An invitation that was open has to be sent anew. A second call changes nothing. Raises NotFound, and queries.Erased.
    """
    with db.transaction() as session:
        customer = queries.customer(session, customer_id, lock=True)
        if customer.erased_at is not None:
            raise queries.Erased
        if customer.deactivated_at is None:
            return
        customer.deactivated_at = None
        people = _locked(session, User.customer_id == customer_id, User.ended_with_customer)
        for user in people:
            access.reopen(session, user)
        audit.record(session, "customer.reactivated", customer_id, {"people": len(people)}, customer_id=customer_id)


def _locked(session: Session, *which: object) -> list[User]:
    query = select(User).where(*which).order_by(User.id).with_for_update()  # type: ignore[arg-type]
    return list(session.scalars(query.execution_options(populate_existing=True)))
