"""Two admins reset the second factor of a member of staff: one asks, another one confirms and gets the code.

Whoever resets it alone could let themselves in as a colleague, together with a password that a mailbox gives. An operator at the
terminal needs no second one (`access.reset_second_factor`).
"""

from __future__ import annotations

from portal.accounts import access, jobs, queries
from portal.core import audit, clock, db
from portal.core.db import new_id
from portal.core.errors import N_, Conflict
from portal.identity import second_factor
from portal.identity.models import SecondFactorReset


class OwnReset(Conflict):
    code = "own_reset"
    message = N_("Please ask two other admins to reset your two-step verification, or use a recovery code.")


class SecondAdmin(Conflict):
    code = "second_admin"
    message = N_("You asked for this reset, so another admin must confirm it.")


class NothingAsked(Conflict):
    code = "no_reset_asked"
    message = N_("This reset was not requested, or more than 24 hours ago. Please request it again.")


def ask(user_id: str, *, by: str) -> None:
    """The first step. The one concerned and the other admins get a mail. A second call within 24 hours changes nothing.

    Raises NotFound, Forbidden, OwnReset, and Conflict for someone who has no second factor, or no access.
    """
    with db.transaction() as session:
        admins = access.locked_admins(session, by)
        user = access.target(session, user_id, by)
        if user.id == by:
            raise OwnReset
        if not user.active or not second_factor.is_asked_for(session, user.id):
            raise Conflict
        if user.id in queries.open_resets(session):
            return
        session.merge(SecondFactorReset(user_id=user.id, asked_by=by, asked_at=clock.now()))
        audit.record(session, "second_factor.reset_asked", user.id)
        access.tell(session, user, access.RESET_ASKED)
        for one in admins:
            if one.active and one.password_hash is not None and one.id not in {by, user.id}:
                jobs.mail_reset_asked.enqueue(
                    session, admin_id=one.id, about_id=user.id, by_id=by, occasion=new_id("rst")
                )


def confirm(user_id: str, *, by: str) -> str | None:
    """The second step, by another admin: returns the one code that lets its owner in after the password; it is kept nowhere.

    None when they have switched it off meanwhile. Raises NotFound, Forbidden, OwnReset, SecondAdmin, NothingAsked.
    """
    with db.transaction() as session:
        access.locked_admins(session, by)
        user = access.target(session, user_id, by)
        if user.id == by:
            raise OwnReset
        row = queries.open_resets(session).get(user.id)
        if row is None or not user.active:
            raise NothingAsked
        if row.asked_by == by:
            raise SecondAdmin
        session.delete(row)
        return second_factor.reset(session, user, asked_by=row.asked_by)


def withdraw(user_id: str, *, by: str) -> None:
    """It was a mistake, or not they who asked. A second call changes nothing. Raises NotFound and Forbidden."""
    with db.transaction() as session:
        access.locked_admins(session, by)
        user = access.target(session, user_id, by)
        row = queries.open_resets(session).get(user.id)
        if row is not None:
            session.delete(row)
            audit.record(session, "second_factor.reset_withdrawn", user.id)
