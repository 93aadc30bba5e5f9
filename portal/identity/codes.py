"""The codes of the second factor: those that an app shows (TOTP), and recovery codes. Each is good once.

The secret of a user's app is kept encrypted, and recovery codes as keyed hashes, both under keys derived from the secret key: so a copy
of the database gives no codes. While the secret key is being changed, what is kept under an accepted one counts as well; secrets of apps
are then sealed anew (portal.identity.resealing), and under a key that is not accepted any more nothing can be read.
Source: RFC 6238 with its defaults (SHA-1, 30 seconds, six digits), which every app knows.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import Final

import pyotp
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from portal.core import audit, clock, config, secret_keys, texts
from portal.core.db import new_id
from portal.core.errors import N_, Conflict
from portal.core.permissions import Role
from portal.identity import jobs
from portal.identity.models import RecoveryCode, SecondFactor, User

STEP_SECONDS: Final = 30
# A phone's clock may be off by so many steps, to each side.
DRIFT_STEPS: Final = 1
DIGITS: Final = 6
RECOVERY_CODES: Final = 10
# Digits, since a phone shows its number pad for them; 12 are 40 random bits, which can only be guessed here and slowly.
RECOVERY_LENGTH: Final = 12

# What its owner is mailed about; the templates know these words.
ENABLED: Final = "enabled"
DISABLED: Final = "disabled"
RECOVERY_USED: Final = "recovery_used"
RESET: Final = "reset"


class Unreadable(Conflict):
    """The secret was encrypted under another secret key."""

    code = "second_factor_unreadable"
    message = N_("Two-step verification must be set up again. Please contact us, and we will reset it.")


def new_secret() -> str:
    """160 random bits in base32, as apps take it."""
    return pyotp.random_base32()


def address(secret: str, email: str) -> str:
    """The otpauth:// address that an app reads from the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=config.current().company.name)


def seal(factor: SecondFactor, secret: str) -> None:
    """Keep the secret of an app: as Fernet's token, under the secret key."""
    key = secret_keys.newest()
    factor.secret, factor.key_name = _fernet(key).encrypt(secret.encode()).decode(), secret_keys.name(key)


def opened(factor: SecondFactor) -> str:
    """The secret again. Raises Unreadable when it was sealed under a key that is not accepted."""
    try:
        return MultiFernet([_fernet(key) for key in secret_keys.every()]).decrypt(factor.secret.encode()).decode()
    except InvalidToken as error:
        raise Unreadable from error


def step_of(secret: str, typed: str) -> int | None:
    """Which step's code this is, counted in 30 seconds since 1970; None when it is none of now, give or take the drift."""
    code = texts.code(typed)
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    now = int(clock.now().timestamp()) // STEP_SECONDS
    app = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_SECONDS)
    steps = range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1)
    return next((step for step in steps if hmac.compare_digest(app.generate_otp(step), code)), None)


def is_on(session: Session, user_id: str) -> bool:
    query = select(SecondFactor.user_id).where(SecondFactor.user_id == user_id, SecondFactor.enabled_at.is_not(None))
    return session.execute(query).first() is not None


def is_asked_for(session: Session, user_id: str) -> bool:
    """Whether the password alone does not let in: the second factor is on, or was lost and has to be set up anew."""
    query = select(SecondFactor.user_id).where(SecondFactor.user_id == user_id)
    counts = SecondFactor.enabled_at.is_not(None) | SecondFactor.lost_at.is_not(None)
    return session.execute(query.where(counts)).first() is not None


def is_required_of(user: User) -> bool:
    """Whether they may do nothing without one."""
    return user.role != Role.CUSTOMER and config.current().staff_need_second_factor


def lose(session: Session, user: User) -> None:
    """The app shows no good codes any more, and its owner gets in by a recovery code until they have set up another one."""
    factor = session.get_one(SecondFactor, user.id)
    factor.secret, factor.enabled_at, factor.last_step, factor.lost_at = "", None, None, clock.now()
    tell(session, user, RESET)


def accept(session: Session, user: User, typed: str) -> bool:
    """Whether this is a good code of the user's app, or one of their recovery codes; it is used up by this.

    Where the app was lost, recovery codes alone are good; who need not have a second factor has none after that.

    In the caller's transaction, which holds the lock of the user's row: so of two that bring the same code, one comes through.
    Raises Unreadable.
    """
    factor = session.get(SecondFactor, user.id, populate_existing=True)
    if factor is None or (factor.enabled_at is None and factor.lost_at is None):
        return False
    if factor.enabled_at is None:
        accepted = _accept_recovery_code(session, user, typed)
        if accepted and not is_required_of(user):
            session.delete(factor)
            forget_recovery_codes(session, user.id)
        return accepted
    step = step_of(opened(factor), typed)
    if step is None:
        return _accept_recovery_code(session, user, typed)
    # Steps before the last one used are outdated, though the drift would still allow them.
    unused = SecondFactor.last_step.is_(None) | (SecondFactor.last_step < step)
    mine = update(SecondFactor).where(SecondFactor.user_id == user.id, unused).values(last_step=step)
    return session.execute(mine.returning(SecondFactor.user_id)).first() is not None


def _accept_recovery_code(session: Session, user: User, typed: str) -> bool:
    unused = (
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user.id, RecoveryCode.code_hash.in_(_digests(user.id, typed)))
        .where(RecoveryCode.used_at.is_(None))
        .values(used_at=clock.now())
    )
    if session.execute(unused.returning(RecoveryCode.user_id)).first() is None:
        return False
    left = recovery_codes_left(session, user.id)
    audit.record(session, "second_factor.recovery_used", user.id, {"left": left}, customer_id=user.customer_id)
    tell(session, user, RECOVERY_USED, left=left)
    return True


def recovery_codes_left(session: Session, user_id: str) -> int:
    query = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return session.execute(query).scalar_one()


def new_recovery_codes(session: Session, user_id: str, count: int = RECOVERY_CODES) -> list[str]:
    """As many codes in place of those before, as their owner writes them down; they cannot be shown a second time."""
    forget_recovery_codes(session, user_id)
    codes = [f"{secrets.randbelow(10**RECOVERY_LENGTH):0{RECOVERY_LENGTH}}" for _ in range(count)]
    kept = {"user_id": user_id, "key_name": secret_keys.name(secret_keys.newest())}
    session.add_all([RecoveryCode(code_hash=_digests(user_id, code)[0], **kept) for code in codes])
    session.flush()
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


def forget_recovery_codes(session: Session, user_id: str) -> None:
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def tell(session: Session, user: User, what: str, *, left: int = 0) -> None:
    """Leave the mail by which its owner learns of it when it was not they: `what` is ENABLED, DISABLED, RECOVERY_USED or RESET."""
    jobs.mail_second_factor.enqueue(
        session,
        user_id=user.id,
        what=what,
        left=left,
        occasion=new_id("otp"),
        at=clock.now().isoformat(),
    )


def _digests(user_id: str, code: str) -> list[str]:
    """What a code is kept as under each key that counts; the first one is of new codes."""
    plain = f"{user_id}:{texts.code(code)}".encode("utf-8", "surrogatepass")
    keys = (secret_keys.derived(key, b"portal: recovery codes") for key in secret_keys.every())
    return [hmac.digest(key, plain, "sha256").hex() for key in keys]


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(secret_keys.derived(key, b"portal: second factor")))
