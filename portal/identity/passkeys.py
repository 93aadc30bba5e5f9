"""Passkeys: signing in without a password, by a key on one's own device. The password stays for whoever has lost the device.

Each ceremony signs random bytes of ours, which are good once and for five minutes, for our own host and origin alone; what was
overheard, or was meant for another site, opens nothing. The authenticator must have known its owner (by a finger, a face or a PIN), so a
passkey is two factors at once, and no code is asked for besides.
Source: W3C, "Web Authentication: An API for accessing Public Key Credentials, Level 3".
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from portal.core import audit, clock, config, db, texts
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.identity import jobs, policy, queries, sessions
from portal.identity.models import Passkey, PasskeyChallenge, User

log = structlog.get_logger(__name__)

ANSWER_WITHIN: Final = timedelta(minutes=5)
CHALLENGE_BYTES: Final = 32
MOST_PASSKEYS: Final = 20
LONGEST_NAME: Final = 80
LONGEST_ANSWER: Final = 20_000

# What its owner is mailed about; the template knows these words.
ADDED: Final = "added"
REMOVED: Final = "removed"


class WrongPasskey(Invalid):
    """It is unknown, was removed, signed something else, or its owner may not sign in: never told which."""

    code = "wrong_passkey"
    status = 401
    message = N_("This passkey did not work. Please try again, or sign in with your password.")


@dataclass(frozen=True, slots=True)
class Shown:
    """One of a user's passkeys, as they are shown it. `is_synced`: a password manager has it on several devices."""

    id: str
    name: str
    created_at: datetime
    last_used_at: datetime | None
    is_synced: bool


def are_available() -> bool:
    """Whether browsers take passkeys for our address: it needs a name, not a number, and HTTPS everywhere but on this machine."""
    parts = urlsplit(config.current().base_url)
    try:
        ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return parts.scheme == "https" or parts.hostname == "localhost"
    return False


def of_user(user_id: str) -> list[Shown]:
    """In the order in which they were added."""
    query = select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.created_at, Passkey.id)
    with db.reading() as session:
        rows = session.scalars(query.limit(MOST_PASSKEYS)).all()
    return [Shown(row.id, row.name, row.created_at, row.last_used_at, row.is_synced) for row in rows]


# Adding and removing


def begin_adding(user_id: str) -> str:
    """What a browser needs to make a passkey for this user, as JSON. Raises Conflict when they have MOST_PASSKEYS, and SignsInElsewhere."""
    import webauthn
    from webauthn.helpers import structs

    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    with db.transaction() as session:
        user = _who_signs_in_here(session, user_id)
        mine = session.scalars(select(Passkey.id).where(Passkey.user_id == user_id)).all()
        if len(mine) >= MOST_PASSKEYS:
            raise Conflict(N_("You have %(most)s passkeys already. Please remove one first."), most=MOST_PASSKEYS)
        _keep(session, challenge, user_id)
    options = webauthn.generate_registration_options(
        rp_id=_host(),
        rp_name=config.current().company.name,
        user_name=user.email,
        user_display_name=user.name,
        user_id=user.id.encode(),
        challenge=challenge,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(webauthn.base64url_to_bytes(one)) for one in mine],
    )
    return webauthn.options_to_json(options)


def add(user_id: str, name: str, answer: str) -> None:
    """Keep the passkey that the browser has made: from now on it opens this user's account, and they are told by mail.

    Raises Invalid for the field "name", WrongPasskey for an answer that is not one to us, Conflict, and SignsInElsewhere.
    """
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    name = texts.one_line(name, field="name", longest=LONGEST_NAME, required=True)
    said = _read(answer)
    challenge = _use_up(said, user_id)
    try:
        made = webauthn.verify_registration_response(
            credential=said,
            expected_challenge=challenge,
            expected_rp_id=_host(),
            expected_origin=_origin(),
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        log.warning("passkey_refused", why=type(error).__name__)
        raise WrongPasskey from error
    with db.transaction() as session:
        user = _who_signs_in_here(session, user_id)
        count = session.execute(select(func.count()).where(Passkey.user_id == user_id)).scalar_one()
        passkey_id = _text(made.credential_id)
        if count >= MOST_PASSKEYS or session.get(Passkey, passkey_id) is not None:
            raise Conflict
        session.add(
            Passkey(
                id=passkey_id,
                user_id=user_id,
                name=name,
                public_key=made.credential_public_key,
                sign_count=made.sign_count,
                is_synced=made.credential_backed_up,
                created_at=clock.now(),
            )
        )
        session.flush()
        audit.record(session, "passkey.added", user.id, {"name": name}, customer_id=user.customer_id)
        _tell(session, user, ADDED, name)


def _who_signs_in_here(session: Session, user_id: str) -> User:
    """This user, locked. Raises policy.SignsInElsewhere for staff whom the identity provider alone lets in."""
    user = queries.user(session, user_id, lock=True)
    if not policy.signs_in_here(user.role, user.email):
        raise policy.SignsInElsewhere
    return user


def remove(user_id: str, passkey_id: str) -> None:
    """It opens nothing any more. Raises NotFound, also for another user's and for a second call."""
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        mine = delete(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user_id)
        name = session.execute(mine.returning(Passkey.name)).scalar_one_or_none()
        if name is None:
            raise NotFound
        audit.record(session, "passkey.removed", user.id, {"name": name}, customer_id=user.customer_id)
        _tell(session, user, REMOVED, name)


def _tell(session: Session, user: User, what: str, name: str) -> None:
    """Leave the mail by which its owner learns of it when it was not they."""
    jobs.mail_passkey.enqueue(
        session, user_id=user.id, what=what, name=name, occasion=new_id("psk"), at=clock.now().isoformat()
    )


# Signing in


def begin_signing_in(user_id: str | None = None) -> str:
    """What a browser needs to ask for a passkey, as JSON: of anyone, or of the user who is to prove again who they are."""
    import webauthn
    from webauthn.helpers import structs

    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    with db.transaction() as session:
        _keep(session, challenge, user_id)
        mine: Sequence[str] = []
        if user_id is not None:
            mine = session.scalars(select(Passkey.id).where(Passkey.user_id == user_id).limit(MOST_PASSKEYS)).all()
    options = webauthn.generate_authentication_options(
        rp_id=_host(),
        challenge=challenge,
        user_verification=structs.UserVerificationRequirement.REQUIRED,
        allow_credentials=[structs.PublicKeyCredentialDescriptor(webauthn.base64url_to_bytes(one)) for one in mine],
    )
    return webauthn.options_to_json(options)


def sign_in(answer: str, *, ip: str, user_agent: str) -> str:
    """Begin a session for the owner of the passkey that has answered; returns its token. Raises WrongPasskey."""
    passkey, count = _verified(answer, None)
    with db.transaction() as session:
        user = _use(session, passkey, count)
        return sessions.start(session, user, ip=ip, user_agent=user_agent, by_passkey=True)


def prove(user_id: str, token: str, answer: str) -> None:
    """The one who is signed in with this session proves by a passkey that it is still they. Raises WrongPasskey, SignInRequired."""
    passkey, count = _verified(answer, user_id)
    if passkey.user_id != user_id:
        raise WrongPasskey
    with db.transaction() as session:
        _use(session, passkey, count)
        sessions.note_proof(session, token)


def _verified(answer: str, user_id: str | None) -> tuple[Passkey, int]:
    """The passkey that has signed our challenge, and its count of signatures. The challenge is used up whatever comes of it."""
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    said = _read(answer)
    challenge = _use_up(said, user_id)
    with db.reading() as session:
        passkey = session.get(Passkey, str(said.get("id", ""))[:1400])
        owner = queries.user(session, passkey.user_id) if passkey else None
    if passkey is None or owner is None or not policy.signs_in_here(owner.role, owner.email):
        raise _refused(passkey)
    try:
        verified = webauthn.verify_authentication_response(
            credential=said,
            expected_challenge=challenge,
            expected_rp_id=_host(),
            expected_origin=_origin(),
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise _refused(passkey) from error
    return passkey, verified.new_sign_count


def _use(session: Session, seen: Passkey, count: int) -> User:
    """Its owner, locked. Raises WrongPasskey when it, or their access, is gone; and for a count that another use has reached meanwhile."""
    user = queries.user(session, seen.user_id, lock=True)
    passkey = session.get(Passkey, seen.id, populate_existing=True)
    if passkey is None or not user.active or passkey.sign_count != seen.sign_count:
        raise WrongPasskey
    passkey.sign_count, passkey.last_used_at = count, clock.now()
    return user


def _refused(passkey: Passkey | None) -> WrongPasskey:
    """Recorded: a copied authenticator shows by a count that goes back."""
    with db.transaction() as session:
        user = queries.user(session, passkey.user_id) if passkey else None
        customer_id = user.customer_id if user else None
        audit.record(session, "passkey.refused", user.id if user else "unknown", customer_id=customer_id)
    return WrongPasskey()


# What a browser answers


def _read(answer: str) -> dict[str, Any]:
    try:
        said = json.loads(answer[:LONGEST_ANSWER])
    except (ValueError, RecursionError) as error:
        raise WrongPasskey from error
    if not isinstance(said, dict):
        raise WrongPasskey
    return said


def _keep(session: Session, challenge: bytes, user_id: str | None) -> None:
    expires_at = clock.now() + ANSWER_WITHIN
    session.add(PasskeyChallenge(challenge_hash=_digest(challenge), user_id=user_id, expires_at=expires_at))
    session.flush()


def _use_up(said: dict[str, Any], user_id: str | None) -> bytes:
    """The challenge that this answers, which was one of ours for this user and is good no more. Raises WrongPasskey."""
    from webauthn import base64url_to_bytes

    try:
        client = json.loads(base64url_to_bytes(said["response"]["clientDataJSON"]))
        challenge = base64url_to_bytes(client["challenge"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WrongPasskey from error
    whose = PasskeyChallenge.user_id.is_(None) if user_id is None else PasskeyChallenge.user_id == user_id
    with db.transaction() as session:
        used = session.execute(
            delete(PasskeyChallenge)
            .where(PasskeyChallenge.challenge_hash == _digest(challenge), whose)
            .where(PasskeyChallenge.expires_at > clock.now())
            .returning(PasskeyChallenge.challenge_hash)
        ).first()
    if used is None:
        log.warning("passkey_challenge_unknown")
        raise WrongPasskey
    return challenge


def _digest(challenge: bytes) -> str:
    return hashlib.sha256(challenge).hexdigest()


def _text(raw: bytes) -> str:
    from webauthn.helpers import bytes_to_base64url

    return bytes_to_base64url(raw)


def _host() -> str:
    return urlsplit(config.current().base_url).hostname or ""


def _origin() -> str:
    parts = urlsplit(config.current().base_url)
    return f"{parts.scheme}://{parts.netloc}"
