"""What of the sign-ins is kept under which secret key, and second factors that are sealed anew under the present one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal.core import audit, db, secret_keys
from portal.identity import codes
from portal.identity.models import RecoveryCode, SecondFactor

_PAGE: Final = 200
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Kept:
    """How much is kept under a key. `accepted` is false for a key that is none of the settings' any more: nothing of it can be read. It is
    None where nobody knows, of what was kept before keys had names; `key_name` is "unnamed" then.

    `recovery_codes` are those that were not used yet. They cannot be sealed anew, for nobody knows them: their owners make new ones.
    """

    key_name: str
    newest: bool
    accepted: bool | None
    second_factors: int
    recovery_codes: int


def kept(session: Session) -> list[Kept]:
    """Every key of the settings, the newest first, and then those that something is kept under and nobody has."""
    factors = Counter(dict(_counted(session, select(SecondFactor.key_name).where(SecondFactor.secret != ""))))
    unused = Counter(dict(_counted(session, select(RecoveryCode.key_name).where(RecoveryCode.used_at.is_(None)))))
    names = [secret_keys.name(key) for key in secret_keys.every()]
    others = sorted((factors.keys() | unused.keys()) - set(names))
    return [
        Kept(
            name or "unnamed",
            newest=name == names[0],
            accepted=name in names if name else None,
            second_factors=factors[name],
            recovery_codes=unused[name],
        )
        for name in (*names, *others)
    ]


def _counted(session: Session, names: Select[Any]) -> list[tuple[str, int]]:
    name = names.subquery().c.key_name
    return [(key, number) for key, number in session.execute(select(name, func.count()).group_by(name))]


def reseal() -> int:
    """Seal second factors that are kept under another key under the secret key; returns how many. A second call finds none.

    Those of a key that is not accepted stay as they are: with that key among the accepted ones they can be read again.
    """
    newest = secret_keys.name(secret_keys.newest())
    done, after = 0, ""
    while ids := _next(newest, after):
        done, after = done + sum(_reseal(user_id, newest) for user_id in ids), ids[-1]
    if done:
        log.info("second_factors_resealed", number=done)
    return done


def _next(newest: str, after: str) -> list[str]:
    others = select(SecondFactor.user_id).where(SecondFactor.key_name != newest, SecondFactor.secret != "")
    with db.reading() as session:
        page = others.where(SecondFactor.user_id > after).order_by(SecondFactor.user_id).limit(_PAGE)
        return list(session.scalars(page))


def _reseal(user_id: str, newest: str) -> bool:
    with db.transaction() as session:
        factor = session.get(SecondFactor, user_id, with_for_update=True)
        if factor is None or factor.key_name == newest or not factor.secret:
            return False
        try:
            codes.seal(factor, codes.opened(factor))
        except codes.Unreadable:
            return False
        audit.record(session, "second_factor.resealed", user_id)
        return True
