"""Setting up the second factor, switching it off, and its recovery codes. How codes are checked stands in `codes`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import segno
from sqlalchemy.orm import Session

from portal.core import audit, clock, db
from portal.core.errors import N_, Conflict, Invalid
from portal.identity import codes, passwords, queries, sessions, throttle
from portal.identity.models import Proof, SecondFactor, User
from portal.identity.signing_in import WrongCode


@dataclass(frozen=True, slots=True)
class State:
    """`since` is None while it is off; `may_be_off` is false where its owner must have one, and can only set it up anew."""

    since: datetime | None
    recovery_codes_left: int
    may_be_off: bool = True


@dataclass(frozen=True, slots=True)
class SettingUp:
    """What an app has to learn: `picture` is a QR code as a data: address, `typed` the secret in groups of four."""

    picture: str
    typed: str


def state(user_id: str) -> State:
    with db.reading() as session:
        factor = session.get(SecondFactor, user_id)
        left = codes.recovery_codes_left(session, user_id)
        may_be_off = not codes.is_required_of(queries.user(session, user_id))
    return State(factor.enabled_at if factor else None, left, may_be_off)


def begin(user_id: str) -> None:
    """Make a secret, which counts once it is confirmed; a second call makes another. Raises Conflict when it is on already."""
    with db.transaction() as session:
        queries.user(session, user_id, lock=True)
        factor = session.get(SecondFactor, user_id)
        if factor is None:
            factor = SecondFactor(user_id=user_id)
            session.add(factor)
        elif factor.enabled_at is not None:
            raise Conflict
        codes.seal(factor, codes.new_secret())
        factor.created_at = clock.now()


def setting_up(user_id: str) -> SettingUp | None:
    """What was begun and waits for its first code; None when nothing does. Raises codes.Unreadable."""
    with db.reading() as session:
        user = queries.user(session, user_id)
        factor = session.get(SecondFactor, user_id)
    if factor is None or factor.enabled_at is not None or not factor.secret:
        return None
    secret = codes.opened(factor)
    drawn = segno.make_qr(codes.address(secret, user.email), error="m")
    # On white with its quiet zone, also on a dark page: cameras do not read it the other way round.
    picture = drawn.svg_data_uri(scale=4, border=4, dark="#000", light="#fff")
    return SettingUp(picture, " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)))


def confirm(user_id: str, password: str, code: str, *, ip: str) -> list[str]:
    """The app shows the right code, so the second factor is on from now; returns the recovery codes, for this once.

    Raises Invalid for the field "password", WrongCode for "code", RateLimited, and Conflict when nothing was begun or it is
    on already.
    """
    proved = _with_password(user_id, password, ip)
    with db.transaction() as session:
        user = _same(session, proved)
        factor = session.get(SecondFactor, user_id)
        if factor is None or factor.enabled_at is not None or not factor.secret:
            raise Conflict
        step = codes.step_of(codes.opened(factor), code)
        if step is None:
            raise WrongCode(field="code")
        factor.enabled_at, factor.last_step, factor.lost_at = clock.now(), step, None
        audit.record(session, "second_factor.enabled", user_id, customer_id=user.customer_id)
        codes.tell(session, user, codes.ENABLED)
        return codes.new_recovery_codes(session, user_id)


def renew_recovery_codes(user_id: str, password: str, *, ip: str) -> list[str]:
    """Ten new ones, for this once; those before are good for nothing. Raises as `confirm`, and Conflict while it is off."""
    proved = _with_password(user_id, password, ip)
    with db.transaction() as session:
        user = _same(session, proved)
        if not codes.is_on(session, user_id):
            raise Conflict
        audit.record(session, "second_factor.recovery_codes_renewed", user_id, customer_id=user.customer_id)
        return codes.new_recovery_codes(session, user_id)


def switch_off(user_id: str, password: str, code: str, *, ip: str) -> None:
    """From now on the password is enough; `code` may be a recovery code. A second call changes nothing. Raises as `confirm`.

    Whoever must have one sets it up anew: until they have, signing in takes one of the recovery codes that are left.
    """
    proved = _with_password(user_id, password, ip)
    attempt = throttle.begin(proved.email, ip, Proof.CODE)
    with db.transaction() as session:
        user = _same(session, proved)
        on = codes.is_on(session, user_id)
        if not on or codes.accept(session, user, code):
            throttle.forgive(session, attempt)
            if on and codes.is_required_of(user):
                codes.lose(session, user)
                audit.record(session, "second_factor.given_up", user_id, customer_id=user.customer_id)
            elif on:
                _forget(session, user)
                audit.record(session, "second_factor.disabled", user_id, customer_id=user.customer_id)
            return
        audit.record(session, "second_factor.change_refused", user_id, customer_id=user.customer_id)
    raise WrongCode(field="code")


def is_asked_for(session: Session, user_id: str) -> bool:
    """Whether the password alone does not let this user in."""
    return codes.is_asked_for(session, user_id)


def reset(session: Session, user: User, *, asked_by: str = "") -> str | None:
    """When its owner lost phone and codes: returns the one code that lets them in after the password, to be given to them in person.

    `asked_by` is the id of the admin who asked for it, where another one has confirmed it. Their sessions end. A second call makes another
    code. None when there was no second factor. In the caller's transaction, which holds the lock of the user's row.
    """
    if not codes.is_asked_for(session, user.id):
        return None
    codes.lose(session, user)
    (code,) = codes.new_recovery_codes(session, user.id, 1)
    ended = sessions.end_all(session, user)
    facts = {"sessions_ended": ended} | ({"asked_by": asked_by} if asked_by else {})
    audit.record(session, "second_factor.reset", user.id, facts, customer_id=user.customer_id)
    return code


def _forget(session: Session, user: User) -> None:
    session.delete(session.get_one(SecondFactor, user.id))
    codes.forget_recovery_codes(session, user.id)
    codes.tell(session, user, codes.DISABLED)


def _with_password(user_id: str, password: str, ip: str) -> User:
    """Whose password this is: an open page that someone else sits down at changes nothing. Raises Invalid and RateLimited."""
    with db.reading() as session:
        user = queries.user(session, user_id)
    attempt = throttle.begin(user.email, ip)
    right = passwords.matches(user.password_hash, password)
    with db.transaction() as session:
        if right:
            throttle.forgive(session, attempt)
            return user
        audit.record(session, "second_factor.change_refused", user_id, customer_id=user.customer_id)
    raise Invalid(N_("This is not your current password."), field="password")


def _same(session: Session, proved: User) -> User:
    """The user under a lock. Raises Conflict when their password is another one since it was checked."""
    user = queries.user(session, proved.id, lock=True)
    if user.password_hash != proved.password_hash:
        raise Conflict
    return user
